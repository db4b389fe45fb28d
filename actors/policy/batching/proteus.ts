/**
 * Proteus' batching (`reference/policies.md` §1), not work-conserving: with q queued it waits until
 * the head must start for a batch of q to be in time; an arrival computes that anew for q + 1, and
 * if it has passed then what was queued before runs at once. A full batch runs at once.
 */

import type { BatchPlan, BatchView } from './plan.ts';

export function proteusBatch({ queue, latencyMs, nowMs }: BatchView): BatchPlan {
  const head = queue[0];
  const last = latencyMs.length - 1;
  let count = 0;
  let size = 0;
  for (const query of queue) {
    if (count > 0 && size + query.size > last) break;
    count += 1;
    size += query.size;
  }
  if (head === undefined || size >= last || count < queue.length) {
    return { do: 'run', count, reason: 'the batch was full' };
  }
  const startByMs = head.dueMs - (latencyMs[size] ?? 0);
  // One more would be late already: it is not waited for.
  const untilMs = Math.min(startByMs, head.dueMs - (latencyMs[size + 1] ?? 0));
  if (untilMs > nowMs && untilMs < Infinity) {
    return { do: 'wait', untilMs, reason: 'the first need not start yet' };
  }
  // The last arrival may have made it too much: as many as are in time.
  while (count > 1 && nowMs + (latencyMs[size] ?? 0) > head.dueMs) {
    count -= 1;
    size -= queue[count]?.size ?? 0;
  }
  return { do: 'run', count, reason: 'the first had to start' };
}
