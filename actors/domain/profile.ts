/**
 * Profiles: what a variant costs in time and memory on one core of a kind of hardware, and the
 * latency it predicts for a batch. All times are milliseconds of a whole batch.
 */

export interface LatencyPoint {
  readonly batch: number;
  /** Median time of a batch of this size. */
  readonly ms: number;
}

export interface Profile {
  readonly loadMs: number;
  /** Resident growth by loading, bytes. */
  readonly memoryBytes: number;
  /** At least one point, ascending by batch. */
  readonly latency: readonly LatencyPoint[];
  /** CPU, runtime version, date. */
  readonly measuredOn: string;
}

/**
 * T(b): the predicted time of a batch of `batch`. Between measured batches it is linear; beyond the
 * last one it goes on with the last slope; a single point scales with the batch.
 */
export function predictBatchMs(profile: Profile, batch: number): number {
  const points = profile.latency;
  const first = points[0];
  if (first === undefined) return 0;
  if (points.length === 1 || batch <= first.batch) return (first.ms * batch) / first.batch;
  let lower = first;
  let upper = first;
  for (const point of points) {
    lower = upper;
    upper = point;
    if (point.batch >= batch) break;
  }
  const slope = (upper.ms - lower.ms) / (upper.batch - lower.batch);
  return Math.max(0, lower.ms + slope * (batch - lower.batch));
}

/** T(0..batchMax) as a table, T(0) = 0: what batching and selection read on the query path. */
export function latencyTable(profile: Profile, batchMax: number): Float64Array {
  const table = new Float64Array(batchMax + 1);
  for (let batch = 1; batch <= batchMax; batch += 1) table[batch] = predictBatchMs(profile, batch);
  return table;
}

/** Saturation throughput in queries per second: the best b × 1000 / T(b). */
export function saturationQps(profile: Profile, batchMax: number): number {
  let best = 0;
  for (let batch = 1; batch <= batchMax; batch += 1) {
    const ms = predictBatchMs(profile, batch);
    if (ms > 0) best = Math.max(best, (batch * 1000) / ms);
  }
  return best;
}
