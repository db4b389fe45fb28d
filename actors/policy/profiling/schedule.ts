/**
 * What to measure next: which batch and how many runs, given what is known and the time left.
 *
 * First every batch gets a few runs, ascending, as long as the time its runs are predicted to take
 * is there: what is too slow for the budget stays unmeasured, and the fit predicts it. Then the
 * batch whose median is least sure gets more, until all are sure enough. Going round instead of
 * finishing one batch after the other spreads a neighbour's burst over all of them.
 */

import type { LatencyPoint } from '../../domain/profile.ts';
import { predictFit } from '../../domain/profile.ts';
import { fitLatency } from './fit.ts';
import { summariseTimings, type TimingSummary } from './spread.ts';

export interface SamplingRule {
  /** Runs a batch gets at the very least, or it is not measured. */
  readonly samplesMin: number;
  readonly samplesMax: number;
  /** A median this sure (share of it, `TimingSummary.spread`) needs no more runs. */
  readonly spreadMax: number;
  /** Time of one turn on one batch; at least `samplesMin` runs all the same. */
  readonly turnMs: number;
  /** Runs of one turn at most: many short turns see more of what goes on than one long one. */
  readonly turnRunsMax: number;
}

export interface Sampled {
  readonly batch: number;
  /** Timings of each turn, milliseconds. */
  readonly turns: readonly (readonly number[])[];
}

export interface SamplingTurn {
  readonly batch: number;
  readonly runs: number;
  /** Nothing of this batch is known yet: it needs a run to warm up, which does not count. */
  readonly first: boolean;
}

/**
 * The next turn, or undefined when all is sure enough or no time is left. `batches` ascending;
 * batch 1 (the first) is measured whatever it takes, for without it there is no profile.
 */
export function planTurn(
  batches: readonly number[],
  sampled: readonly Sampled[],
  leftMs: number,
  rule: SamplingRule,
): SamplingTurn | undefined {
  const summaries = sampled
    .filter(({ turns }) => turns.some((timingsMs) => timingsMs.length > 0))
    .map(({ batch, turns }) => ({ batch, summary: summariseTimings(turns) }))
    .sort((a, b) => a.batch - b.batch);
  const known = new Set(summaries.map(({ batch }) => batch));
  const next = batches.find((batch) => !known.has(batch));
  if (next !== undefined) {
    if (summaries.length === 0) return { batch: next, runs: rule.samplesMin, first: true };
    const runMs = predictNext(summaries, next);
    // One more than is sampled: the run that warms up.
    if (runMs * (rule.samplesMin + 1) <= leftMs) {
      return { batch: next, runs: rule.samplesMin, first: true };
    }
  }
  return refine(summaries, leftMs, rule);
}

interface Summarised {
  readonly batch: number;
  readonly summary: TimingSummary;
}

function refine(
  summaries: readonly Summarised[],
  leftMs: number,
  rule: SamplingRule,
): SamplingTurn | undefined {
  let widest: SamplingTurn | undefined;
  let widestSpread = rule.spreadMax;
  for (const { batch, summary } of summaries) {
    const room = rule.samplesMax - summary.samples;
    const spread = summary.confirmed ? summary.spread : Infinity;
    if (room < rule.samplesMin || spread <= widestSpread) continue;
    const inTurn = Math.max(rule.samplesMin, Math.floor(rule.turnMs / summary.p50Ms));
    const runs = Math.min(room, inTurn, rule.turnRunsMax);
    // The run that warms up is one more; a turn cut short would be no turn to compare with.
    if ((rule.samplesMin + 1) * summary.p50Ms > leftMs) continue;
    widest = { batch, runs: Math.min(runs, Math.floor(leftMs / summary.p50Ms) - 1), first: false };
    widestSpread = spread;
  }
  return widest;
}

/** At worst in proportion: a model whose larger batches are cheaper is found out by measuring. */
function predictNext(summaries: readonly Summarised[], batch: number): number {
  const points = summaries.map(({ batch: at, summary }): LatencyPoint => ({
    batch: at,
    ms: Math.max(summary.p50Ms, Number.MIN_VALUE),
  }));
  const last = points.at(-1);
  if (last === undefined) return 0;
  const inProportion = (last.ms * batch) / last.batch;
  return points.length === 1
    ? inProportion
    : Math.max(last.ms, predictFit(fitLatency(points), batch));
}
