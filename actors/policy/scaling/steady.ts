/**
 * The default: the paper's rule on a demand that is foreseen rather than observed. What a variant
 * must carry is the greater of e + 3·sqrt(e), e being the rate smoothed over ten seconds, and of
 * its peaks in the last minute: measured on a day's trace to leave 0.4 % of the queries over
 * capacity, a tenth of what smoothing with 5 % on top leaves (`reference/policies.md` §3).
 */

import type { VariantId } from '../../domain/variant.ts';
import { decideByHeadroom, initialPaperState, type PaperState } from './infaas-paper.ts';
import type { ScalingPolicy } from './view.ts';

interface Demand {
  readonly smoothQps: number;
  readonly peaks: readonly { readonly atMs: number; readonly rateQps: number }[];
}

export interface SteadyState {
  readonly paper: PaperState;
  readonly demand: Readonly<Record<VariantId, Demand>>;
  readonly atMs: number | undefined;
}

const smoothMs = 10_000;

export const steady: ScalingPolicy<SteadyState> = {
  initial: { paper: initialPaperState, demand: {}, atMs: undefined },
  decide: (view, state) => {
    const elapsedMs = view.nowMs - (state.atMs ?? view.nowMs);
    const weight = 1 - Math.exp(-elapsedMs / smoothMs);
    const demand: Record<VariantId, Demand> = {};
    const expected = (variantId: VariantId, observedQps: number): number => {
      const before = state.demand[variantId];
      const smoothQps =
        before === undefined
          ? observedQps
          : before.smoothQps + weight * (observedQps - before.smoothQps);
      const sinceMs = view.nowMs - view.rules.rememberMs;
      // Lower ones before a peak will never be the maximum again.
      const peaks = (before?.peaks ?? []).filter(
        ({ atMs, rateQps }) => atMs > sinceMs && rateQps > observedQps,
      );
      peaks.push({ atMs: view.nowMs, rateQps: observedQps });
      // Below one query in ten seconds it has faded.
      const faded = smoothQps < 0.1 && observedQps === 0 ? 0 : smoothQps;
      demand[variantId] = { smoothQps: faded, peaks };
      return Math.max(faded + 3 * Math.sqrt(faded), ...peaks.map(({ rateQps }) => rateQps));
    };
    const [decisions, paper] = decideByHeadroom(view, state.paper, expected);
    return [decisions, { paper, demand, atMs: view.nowMs }];
  },
};
