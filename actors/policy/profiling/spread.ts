/**
 * How sure a median is: order statistics of timings, without assuming how they are distributed.
 * Timings are skewed (a neighbour makes a run slower, nothing makes it faster), so means and
 * standard deviations would say little.
 */

export interface TimingSummary {
  /** Median of the quietest turn: what a run takes while nobody else has the core. */
  readonly p50Ms: number;
  /** Over all turns, neighbours included. */
  readonly p95Ms: number;
  readonly p99Ms: number;
  readonly samples: number;
  /**
   * How far p50 may be off, as a share of it: half the width of its 95 % confidence interval, or
   * the distance to the median of the next quietest turn, whichever is larger. At most 1.
   */
  readonly spread: number;
  /** Another turn has borne the median out. */
  readonly confirmed: boolean;
}

/** Standard normal quantile of a two-sided 95 % interval. */
const z95 = 1.96;

/**
 * Sums up the timings of one batch, taken in turns at different times. A neighbour's burst, or a
 * sibling thread that halves the core, lasts for all of a turn: a median over everything would be
 * somewhere between two modes, and which one would be chance.
 *
 * Percentiles are by nearest rank, so of few samples p99 is the slowest. The interval of a median
 * lies between the order statistics n/2 ± 1.96·√n/2 (the normal approximation of the binomial).
 * Throws on no timings: there is nothing to sum up.
 */
export function summariseTimings(turns: readonly (readonly number[])[]): TimingSummary {
  const medians = turns
    .filter((timingsMs) => timingsMs.length > 0)
    .map(medianOf)
    .sort((a, b) => a.ms - b.ms);
  const [quietest, next] = medians;
  if (quietest === undefined) throw new RangeError('no timings to sum up');
  const all = turns.flat().sort((a, b) => a - b);
  const width = quietest.ms > 0 ? quietest.halfWidth / quietest.ms : 1;
  const distance = next === undefined || quietest.ms <= 0 ? 0 : next.ms / quietest.ms - 1;
  return {
    p50Ms: quietest.ms,
    p95Ms: nearestRank(all, 0.95),
    p99Ms: nearestRank(all, 0.99),
    samples: all.length,
    spread: Math.min(1, Math.max(width, distance)),
    confirmed: next !== undefined,
  };
}

function medianOf(timingsMs: readonly number[]): { ms: number; halfWidth: number } {
  const sorted = [...timingsMs].sort((a, b) => a - b);
  const count = sorted.length;
  const at = (rank: number): number => sorted[Math.max(0, Math.min(count - 1, rank))] ?? 0;
  const reach = (z95 * Math.sqrt(count)) / 2;
  const lower = at(Math.floor(count / 2 - reach) - 1);
  const upper = at(Math.ceil(count / 2 + reach));
  const ms = nearestRank(sorted, 0.5);
  return { ms, halfWidth: count < 2 ? ms : (upper - lower) / 2 };
}

function nearestRank(sorted: readonly number[], share: number): number {
  return sorted[Math.max(0, Math.ceil(share * sorted.length) - 1)] ?? 0;
}
