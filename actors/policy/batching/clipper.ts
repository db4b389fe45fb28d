/**
 * Clipper's batching as its code has it (`reference/policies.md` §1): never wait; when the engine
 * is free, run what is queued up to the largest batch whose fitted latency is within the objective.
 * The objective is what is left of the most urgent query's deadline, for it is all that an instance
 * knows of it; the fit is the profile, corrected by the pace observed.
 */

import type { BatchPlan, BatchView } from './plan.ts';

export function clipperBatch({ queue, latencyMs, nowMs }: BatchView): BatchPlan {
  const slackMs = (queue[0]?.dueMs ?? nowMs) - nowMs;
  const last = latencyMs.length - 1;
  let cap = 1;
  while (cap < last && (latencyMs[cap + 1] ?? Infinity) <= slackMs) cap += 1;
  let count = 0;
  let size = 0;
  for (const query of queue) {
    if (count > 0 && size + query.size > cap) break;
    count += 1;
    size += query.size;
  }
  return { do: 'run', count, reason: `what was queued, up to ${String(cap)}` };
}
