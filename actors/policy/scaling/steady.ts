/**
 * The paper's rule on a demand that is foreseen (`planning/forecast.ts`) rather than observed. What
 * ours falls back to where nobody plans for the whole fleet.
 */

import type { VariantId } from '../../domain/variant.ts';
import { expectedQps, type Forecast, observeRate } from '../planning/forecast.ts';
import { decideByHeadroom, initialPaperState, type PaperState } from './infaas-paper.ts';
import type { ScalingPolicy } from './view.ts';

export interface SteadyState {
  readonly paper: PaperState;
  readonly forecasts: Readonly<Record<VariantId, Forecast>>;
}

export const steady: ScalingPolicy<SteadyState> = {
  initial: { paper: initialPaperState, forecasts: {} },
  decide: (view, state) => {
    const forecasts: Record<VariantId, Forecast> = {};
    const { rememberMs } = view.rules;
    const expected = (variantId: VariantId, observedQps: number): number => {
      const before = state.forecasts[variantId];
      const forecast = observeRate(before, observedQps, view.nowMs, rememberMs);
      forecasts[variantId] = forecast;
      return expectedQps(forecast);
    };
    const [decisions, paper] = decideByHeadroom(view, state.paper, expected);
    return [decisions, { paper, forecasts }];
  },
};
