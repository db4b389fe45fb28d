/**
 * The paper's rule on a demand that is foreseen (`planning/forecast.ts`) rather than observed. What
 * ours falls back to where nobody plans for the whole fleet.
 */

import type { VariantId } from '../../domain/variant.ts';
import { expectedQps, type Forecast, observeRate } from '../planning/forecast.ts';
import type { Group } from './groups.ts';
import { decideByHeadroom, initialPaperState, type PaperState } from './infaas-paper.ts';
import type { ScalingPolicy, ScalingView } from './view.ts';

export interface SteadyState {
  readonly paper: PaperState;
  readonly forecasts: Readonly<Record<VariantId, Forecast>>;
}

export const steady: ScalingPolicy<SteadyState> = {
  initial: { paper: initialPaperState, forecasts: {} },
  decide: (view, state) => {
    const forecasts: Record<VariantId, Forecast> = {};
    const expected = (variantId: VariantId, observedQps: number): number => {
      const forecast = foreseeOne(view, state, variantId, observedQps);
      forecasts[variantId] = forecast;
      return expectedQps(forecast);
    };
    const [decisions, paper] = decideByHeadroom(view, state.paper, expected);
    return [decisions, { paper, forecasts }];
  },
};

/** Takes the second in without a decision: what is remembered serves who takes over. */
export function foresee(
  view: ScalingView,
  state: SteadyState,
  groups: readonly Group[],
): SteadyState {
  const forecasts: Record<VariantId, Forecast> = {};
  for (const { variant, observedQps } of groups) {
    forecasts[variant.id] = foreseeOne(view, state, variant.id, observedQps);
  }
  return { paper: initialPaperState, forecasts };
}

function foreseeOne(
  { nowMs, rules }: ScalingView,
  { forecasts }: SteadyState,
  variantId: VariantId,
  observedQps: number,
): Forecast {
  return observeRate(forecasts[variantId], observedQps, nowMs, rules.rememberMs);
}
