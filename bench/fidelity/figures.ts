/** The figures that are compared, and when they agree. */

import { percentile } from '../statistics.ts';

export interface Figures {
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly goodputQps: number;
  /** Share of queries refused or late. */
  readonly violations: number;
  readonly batchMean: number;
}

export const figureNames = ['p50Ms', 'p99Ms', 'goodputQps', 'violations', 'batchMean'] as const;

export type FigureName = (typeof figureNames)[number];

export interface Sample {
  readonly ok: boolean;
  readonly met: boolean;
  readonly totalMs: number;
  readonly batchSize: number;
  readonly inferMs: number;
}

export function figuresOf(samples: readonly Sample[], durationS: number): Figures {
  const served = samples.filter(({ ok }) => ok);
  const met = served.filter((sample) => sample.met);
  const times = Float64Array.from(served.map(({ totalMs }) => totalMs)).sort();
  const batches = served.reduce((sum, { batchSize }) => sum + batchSize, 0);
  return {
    p50Ms: percentile(times, 0.5),
    p99Ms: percentile(times, 0.99),
    goodputQps: met.length / durationS,
    violations: 1 - met.length / Math.max(1, samples.length),
    batchMean: batches / Math.max(1, served.length),
  };
}

export interface Agreement {
  readonly figure: FigureName;
  readonly real: number;
  readonly realLeast: number;
  readonly realMost: number;
  readonly simulated: number;
  readonly within: boolean;
}

const shareAllowed = 0.1;
const pointsAllowed = 0.05;

/**
 * Means over the rounds differ by no more than the larger of the bound (10 %; of rates 5 points)
 * and the spread of the real repeats: half of what lies between the least and the most of them.
 */
export function agreementsOf(
  real: readonly Figures[],
  simulated: readonly Figures[],
): readonly Agreement[] {
  return figureNames.map((figure) => {
    const measured = real.map((each) => each[figure]);
    const mean = meanOf(measured);
    const modelled = meanOf(simulated.map((each) => each[figure]));
    const [realLeast, realMost] = [Math.min(...measured), Math.max(...measured)];
    const bound = figure === 'violations' ? pointsAllowed : shareAllowed * mean;
    const allowed = Math.max(bound, (realMost - realLeast) / 2);
    const within = Math.abs(modelled - mean) <= allowed;
    return { figure, real: mean, realLeast, realMost, simulated: modelled, within };
  });
}

function meanOf(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}

const quantiles = 40;

/** What the simulator takes from a calibration: the way beside the batch, and the batch's noise. */
export interface Calibration {
  /** One way between gateway and worker, ms. */
  readonly hopMs: number;
  /** Factors on the profiled time, as quantiles. */
  readonly noise: readonly number[];
}

/** @param profiledMs T(1) of what the calibration ran, one query a batch. */
export function calibrationOf(samples: readonly Sample[], profiledMs: number): Calibration {
  const served = samples.filter(({ ok, batchSize }) => ok && batchSize === 1);
  const factors = Float64Array.from(served.map(({ inferMs }) => inferMs / profiledMs)).sort();
  const beside = Float64Array.from(served.map(({ totalMs, inferMs }) => totalMs - inferMs)).sort();
  return {
    hopMs: Math.max(0.01, percentile(beside, 0.5) / 2),
    noise: Array.from({ length: quantiles + 1 }, (_, at) => percentile(factors, at / quantiles)),
  };
}
