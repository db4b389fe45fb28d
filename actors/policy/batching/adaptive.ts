/**
 * Adaptive batching (`reference/policies.md` §1, the last rule): batch only as far as batching
 * pays.
 *
 * With g(b) = b·T(1)/T(b), the throughput gained by a batch of b: where g never reaches 1.15 (most
 * models on a CPU) it never waits, and runs what is queued up to the smallest b that has 95 % of
 * the best throughput, the hand-over of a batch to its engine counted. Where batching pays it waits
 * like Proteus until the head must start, ended early when no further arrival is likely in time, or
 * when waiting for it takes longer than the engine time that sharing a batch saves: else a query
 * without a latency SLO would wait for company for half of its time-out. A batch never grows past
 * what its most urgent member allows, unless that member is late anyway.
 */

import type { BatchPlan, BatchView } from './plan.ts';

const worthWaiting = 1.15;
const enoughOfBest = 0.95;
/**
 * What a batch costs beyond the engine's time: its way to the engine host and back (DESIGN.md, "The
 * engine": up to 140 µs). Small models pay most of it, so their batches may grow further.
 */
const handOverMs = 0.14;

export function adaptiveBatch(view: BatchView): BatchPlan {
  const { queue, latencyMs, nowMs } = view;
  const head = queue[0];
  if (head === undefined) return { do: 'run', count: 0, reason: 'nothing queued' };
  const limit = batchLimits(latencyMs);
  const slackMs = head.dueMs - nowMs;
  const { count, size } = countInTime(view, limit.efficient, slackMs);
  if (limit.bestGain < worthWaiting) {
    return { do: 'run', count, reason: 'batching does not pay here: what was queued' };
  }
  if (size >= limit.efficient || count < queue.length) {
    return { do: 'run', count, reason: `a batch of ${String(size)} is as large as pays or fits` };
  }
  const startByMs = head.dueMs - timeOf(latencyMs, size + 1);
  const nextArrivalMs = view.arrivalsPerMs > 0 ? 1 / view.arrivalsPerMs : Infinity;
  const savedMs = timeOf(latencyMs, size) + timeOf(latencyMs, 1) - timeOf(latencyMs, size + 1);
  if (nextArrivalMs > savedMs || nowMs + nextArrivalMs > startByMs) {
    return { do: 'run', count, reason: 'no other was expected soon enough to be worth the wait' };
  }
  return {
    do: 'wait',
    untilMs: Math.min(startByMs, nowMs + 2 * nextArrivalMs),
    reason: `batching gains ${limit.bestGain.toFixed(2)}×: wait for more`,
  };
}

interface BatchLimits {
  /** Best throughput gain of any batch size. */
  readonly bestGain: number;
  /** Smallest batch with `enoughOfBest` of the best throughput, its hand-over counted. */
  readonly efficient: number;
}

const limitsByTable = new WeakMap<Float64Array, BatchLimits>();

/** Depends on the profile alone, so it is worked out once a table. */
export function batchLimits(latencyMs: Float64Array): BatchLimits {
  const known = limitsByTable.get(latencyMs);
  if (known !== undefined) return known;
  const ratePerMs = (batch: number): number => batch / (timeOf(latencyMs, batch) + handOverMs);
  let bestGain = 1;
  let bestRate = 0;
  for (let batch = 1; batch < latencyMs.length; batch += 1) {
    bestGain = Math.max(bestGain, (batch * timeOf(latencyMs, 1)) / timeOf(latencyMs, batch));
    bestRate = Math.max(bestRate, ratePerMs(batch));
  }
  let efficient = 1;
  while (efficient < latencyMs.length - 1 && ratePerMs(efficient) < enoughOfBest * bestRate) {
    efficient += 1;
  }
  const limits = { bestGain, efficient };
  limitsByTable.set(latencyMs, limits);
  return limits;
}

/** How many of the queue fit into `sizeMax` and into the head's slack; one always does. */
function countInTime(
  view: BatchView,
  sizeMax: number,
  slackMs: number,
): { readonly count: number; readonly size: number } {
  const lateAnyway = timeOf(view.latencyMs, view.queue[0]?.size ?? 1) > slackMs;
  let count = 0;
  let size = 0;
  for (const query of view.queue) {
    const next = size + query.size;
    const fits = next <= sizeMax && (lateAnyway || timeOf(view.latencyMs, next) <= slackMs);
    if (count > 0 && !fits) break;
    count += 1;
    size = next;
  }
  return { count, size };
}

/** T(b); beyond the table in proportion, for a client's own large batch. */
function timeOf(latencyMs: Float64Array, batch: number): number {
  const last = latencyMs.length - 1;
  const ms = latencyMs[Math.min(batch, last)] ?? 0;
  return batch <= last ? ms : (ms * batch) / last;
}
