/** The scaling policies by the name that configuration uses. */

import { type Remembering, remembering } from '../stateful.ts';
import { infaasPaper } from './infaas-paper.ts';
import { infaasReleased } from './infaas-released.ts';
import { planned } from './planned.ts';
import { staticPolicy } from './static.ts';
import { steady } from './steady.ts';
import { targetTracking } from './target-tracking.ts';
import type { ScaleDecision, ScalingView } from './view.ts';

export type { ScaleAction, ScaleDecision, ScalingView } from './view.ts';

export type Scaler = Remembering<ScalingView, ScaleDecision>;

export const scalingPolicies = {
  planned: remembering(planned),
  steady: remembering(steady),
  'infaas-paper': remembering(infaasPaper),
  'infaas-released': remembering(infaasReleased),
  'target-tracking': remembering(targetTracking),
  static: remembering(staticPolicy),
} as const satisfies Readonly<Record<string, Scaler>>;

export type ScalingPolicyName = keyof typeof scalingPolicies;
