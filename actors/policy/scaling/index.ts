/** The scaling policies by the name that configuration uses. */

import { infaasPaper } from './infaas-paper.ts';
import { infaasReleased } from './infaas-released.ts';
import { staticPolicy } from './static.ts';
import { steady } from './steady.ts';
import type { ScaleDecision, ScalingPolicy, ScalingView } from './view.ts';

export type { ScaleAction, ScaleDecision, ScalingPolicy, ScalingView } from './view.ts';

/** A policy with what it remembers kept inside, so that policies of any state look alike. */
export type Scaler = (view: ScalingView) => readonly [readonly ScaleDecision[], Scaler];

export const scalingPolicies = {
  steady: scalerOf(steady),
  'infaas-paper': scalerOf(infaasPaper),
  'infaas-released': scalerOf(infaasReleased),
  static: scalerOf(staticPolicy),
} as const satisfies Readonly<Record<string, Scaler>>;

export type ScalingPolicyName = keyof typeof scalingPolicies;

export function scalerOf<P>(policy: ScalingPolicy<P>, state: P = policy.initial): Scaler {
  return (view) => {
    const [decisions, next] = policy.decide(view, state);
    return [decisions, scalerOf(policy, next)];
  };
}
