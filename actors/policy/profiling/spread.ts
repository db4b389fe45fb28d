/**
 * How sure a median is: order statistics of timings, without assuming how they are distributed.
 * Timings are skewed (a neighbour makes a run slower, nothing makes it faster), so means and
 * standard deviations would say little.
 */

export interface TimingSummary {
  readonly p50Ms: number;
  readonly p95Ms: number;
  readonly p99Ms: number;
  readonly samples: number;
  /**
   * Half the width of the median's 95 % confidence interval, as a share of the median. Infinite
   * with fewer than two samples.
   */
  readonly spread: number;
}

/** Standard normal quantile of a two-sided 95 % interval. */
const z95 = 1.96;

/**
 * Percentiles by nearest rank, so of few samples p99 is the slowest one. The interval of the median
 * lies between the order statistics n/2 ± 1.96·√n/2 (the normal approximation of the binomial).
 * Throws on no samples: there is nothing to sum up.
 */
export function summariseTimings(timingsMs: readonly number[]): TimingSummary {
  const sorted = [...timingsMs].sort((a, b) => a - b);
  const samples = sorted.length;
  if (samples === 0) throw new RangeError('no timings to sum up');
  const at = (rank: number): number => sorted[Math.max(0, Math.min(samples - 1, rank))] ?? 0;
  const nearest = (share: number): number => at(Math.ceil(share * samples) - 1);
  const p50Ms = nearest(0.5);
  const reach = (z95 * Math.sqrt(samples)) / 2;
  const lower = at(Math.floor(samples / 2 - reach) - 1);
  const upper = at(Math.ceil(samples / 2 + reach));
  const spread = samples < 2 || p50Ms <= 0 ? Infinity : (upper - lower) / 2 / p50Ms;
  return { p50Ms, p95Ms: nearest(0.95), p99Ms: nearest(0.99), samples, spread };
}
