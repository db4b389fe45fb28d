/**
 * Profiles: what a variant costs in time and memory on a kind of hardware, and the latency it
 * predicts for a batch. All times are milliseconds of a whole batch.
 */

export interface LatencyPoint {
  readonly batch: number;
  /** Median time of a batch of this size. */
  readonly ms: number;
  readonly p95Ms?: number | undefined;
  readonly p99Ms?: number | undefined;
  /** Runs behind the figures; absent where nobody counted. */
  readonly samples?: number | undefined;
  /** Half the width of the median's 95 % confidence interval, as a share of the median. */
  readonly spread?: number | undefined;
  /** Not measured (too slow for the time, too large for the memory): the fit's word for it. */
  readonly predicted?: boolean | undefined;
}

/**
 * T(b) for any b, as data. `piecewise`: straight between the points, which never fall; beyond the
 * last on with the last slope; below the first in proportion.
 */
export type LatencyFit =
  | { readonly kind: 'line'; readonly interceptMs: number; readonly slopeMs: number }
  | { readonly kind: 'piecewise'; readonly points: readonly LatencyPoint[] };

/** Where the figures come from. */
export interface Provenance {
  /** Name of the machine. */
  readonly host?: string | undefined;
  /** On whose cores; undefined: beside the controller. */
  readonly worker?: string | undefined;
  readonly cpu: string;
  /** Of the machine, not of the measurement. */
  readonly cores: number;
  readonly runtime: string;
  /** ISO 8601. */
  readonly date: string;
  /** Timed runs over all batches. */
  readonly samples: number;
  /** The widest spread of a measured batch. */
  readonly spread: number;
}

export interface Profile {
  /**
   * Its files hashed, and a session made, in a process that has loaded it before: the usual case on
   * a worker.
   */
  readonly loadMs: number;
  /** Resident growth by loading and running, bytes. */
  readonly memoryBytes: number;
  /** At least one point, ascending by batch. */
  readonly latency: readonly LatencyPoint[];
  /** CPU, runtime version, date. */
  readonly measuredOn: string;
  /** Over all measured points; without one, the points are joined by straight lines. */
  readonly fit?: LatencyFit | undefined;
  /** The same with the first session of it in a new process; the files themselves may be cached. */
  readonly loadColdMs?: number | undefined;
  readonly fileBytes?: number | undefined;
  /** Threads of a session as measured; 1 where not stated. */
  readonly threads?: number | undefined;
  readonly provenance?: Provenance | undefined;
}

/** T(b) by the profile's fit, or by its points where it has none. Positive for b >= 1. */
export function predictBatchMs(profile: Profile, batch: number): number {
  if (profile.fit !== undefined) return predictFit(profile.fit, batch);
  return interpolate(profile.latency, batch);
}

/** T(b) by a fit. */
export function predictFit(fit: LatencyFit, batch: number): number {
  return fit.kind === 'line'
    ? fit.interceptMs + fit.slopeMs * batch
    : interpolate(fit.points, batch);
}

/**
 * Between points it is linear; beyond the last one it goes on with the last slope, or flat where
 * that falls; a single point scales with the batch.
 */
function interpolate(points: readonly LatencyPoint[], batch: number): number {
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
  if (batch > upper.batch) return upper.ms + Math.max(0, slope) * (batch - upper.batch);
  return lower.ms + slope * (batch - lower.batch);
}

/** T(0..batchMax) as a table, T(0) = 0: what batching and selection read on the query path. */
export function latencyTable(profile: Profile, batchMax: number): Float64Array {
  const table = new Float64Array(batchMax + 1);
  for (let batch = 1; batch <= batchMax; batch += 1) table[batch] = predictBatchMs(profile, batch);
  return table;
}

const saturations = new WeakMap<Profile, { readonly batchMax: number; readonly qps: number }>();

/**
 * Saturation throughput in queries per second: the best b × 1000 / T(b). Kept with the profile,
 * for scaling asks it of every candidate each second.
 */
export function saturationQps(profile: Profile, batchMax: number): number {
  const known = saturations.get(profile);
  if (known?.batchMax === batchMax) return known.qps;
  const qps = findSaturationQps(profile, batchMax);
  saturations.set(profile, { batchMax, qps });
  return qps;
}

function findSaturationQps(profile: Profile, batchMax: number): number {
  let best = 0;
  for (let batch = 1; batch <= batchMax; batch += 1) {
    const ms = predictBatchMs(profile, batch);
    if (ms > 0) best = Math.max(best, (batch * 1000) / ms);
  }
  return best;
}
