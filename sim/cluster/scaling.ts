/** How simulated workers scale: not at all, or as production does by default. */

import type { ModelAutoscalerConfig } from '../../actors/model-autoscaler/behaviour.ts';
import { defaultMitigationRules } from '../../actors/policy/interference/move-to-idle.ts';
import type { ScalingPolicyName } from '../../actors/policy/scaling/index.ts';
import { defaultScalingRules } from '../../actors/policy/scaling/view.ts';

/** The limits of production (`nodes/scaling-config.ts`). */
export function scalingBy(policy: ScalingPolicyName): ModelAutoscalerConfig {
  return {
    ...{ policy, tickMs: 1_000, mailboxMax: 1_000 },
    ...{ rules: defaultScalingRules, mitigation: defaultMitigationRules },
  };
}
