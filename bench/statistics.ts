/** Medians and percentiles of measured samples. */

/** Of samples sorted ascending, by nearest rank. */
export function percentile(sorted: ArrayLike<number>, share: number): number {
  if (sorted.length === 0) return NaN;
  const rank = Math.min(sorted.length - 1, Math.max(0, Math.ceil(share * sorted.length) - 1));
  return sorted[rank] ?? NaN;
}

export function median(samples: readonly number[]): number {
  return percentile(
    [...samples].sort((a, b) => a - b),
    0.5,
  );
}

export interface Interval {
  readonly mean: number;
  /** Half the width of the 95 % interval of the mean (Student's t); 0 for a single sample. */
  readonly half: number;
  readonly count: number;
}

/** Two-sided 95 % quantiles of Student's t by degrees of freedom, from 1. */
const tQuantiles = [
  12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228, 2.201, 2.179, 2.16, 2.145,
  2.131, 2.12, 2.11, 2.101, 2.093, 2.086, 2.08, 2.074, 2.069, 2.064, 2.06, 2.056, 2.052, 2.048,
  2.045, 2.042,
];

export function intervalOf(samples: readonly number[]): Interval {
  const count = samples.length;
  if (count === 0) return { mean: NaN, half: NaN, count };
  const mean = samples.reduce((sum, each) => sum + each, 0) / count;
  if (count === 1) return { mean, half: 0, count };
  const squares = samples.reduce((sum, each) => sum + (each - mean) ** 2, 0);
  const t = tQuantiles[count - 2] ?? 1.96;
  return { mean, half: t * Math.sqrt(squares / (count - 1) / count), count };
}
