/** How simulated workers and their fleet scale: not at all, or as production does by default. */

import type { FleetConfig } from '../../actors/fleet-autoscaler/behaviour.ts';
import type { ModelAutoscalerConfig } from '../../actors/model-autoscaler/behaviour.ts';
import type { FleetPolicyName } from '../../actors/policy/fleet/index.ts';
import { defaultFleetRules } from '../../actors/policy/fleet/view.ts';
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

/** Likewise; a machine is given up when it has not come within twice the slowest start-up. */
export function fleetBy(
  policy: FleetPolicyName,
  limits: FleetConfig['limits'],
  startUpMs: number,
): FleetConfig {
  return {
    ...{ policy, tickMs: 2_000, mailboxMax: 10_000, limits, rules: defaultFleetRules },
    // A machine for rent has the units and the memory that it has.
    ...{ workerUnits: 1, workerMemoryBytes: undefined },
    ...{ startTimeoutMs: 10_000 + 2 * startUpMs, youngMs: 5_000 },
    ...{ backoffMs: 1_000, backoffMaxMs: 60_000, placeTimeoutMs: 30_000, silentMs: 5_000 },
  };
}
