/**
 * How simulated systems scale: workers by a policy, and the fleet where a cluster is given one.
 */

import type { FleetConfig } from '../../actors/fleet-autoscaler/behaviour.ts';
import type { FleetMessage } from '../../actors/fleet-autoscaler/protocol.ts';
import type { ModelAutoscalerConfig } from '../../actors/model-autoscaler/behaviour.ts';
import type { FleetPolicyName } from '../../actors/policy/fleet/index.ts';
import { defaultFleetRules } from '../../actors/policy/fleet/view.ts';
import { defaultMitigationRules } from '../../actors/policy/interference/move-to-idle.ts';
import type { ScalingPolicyName } from '../../actors/policy/scaling/index.ts';
import { defaultScalingRules } from '../../actors/policy/scaling/view.ts';
import { refOf } from '../../runtime/actor.ts';
import { controllerNode } from './joining.ts';

/** The fleet-autoscaler is beside the controller, as in production. */
export const fleetNode = controllerNode;
export const fleetRef = refOf<FleetMessage>(fleetNode, 0, '/fleet-autoscaler');

/** The limits of production (`nodes/scaling-config.ts`). */
export function scalingBy(policy: ScalingPolicyName): ModelAutoscalerConfig {
  return {
    ...{ policy, tickMs: 1_000, mailboxMax: 1_000 },
    ...{ rules: defaultScalingRules, mitigation: defaultMitigationRules },
  };
}

/** Of production too, but for machines: they take as long to start as their scenario says. */
export function fleetBy(
  policy: FleetPolicyName,
  limits: FleetConfig['limits'],
  newWorkers: FleetConfig['newWorkers'],
  startUpMaxMs: number,
): FleetConfig {
  return {
    ...{ policy, tickMs: 2_000, mailboxMax: 10_000, limits, rules: defaultFleetRules },
    // Room is told in machines.
    ...{ workerUnits: 1, workerMemoryBytes: undefined, newWorkers },
    startTimeoutMs: Math.max(60_000, 2 * startUpMaxMs),
    ...{ youngMs: 5_000, backoffMs: 1_000, backoffMaxMs: 60_000 },
    ...{ placeTimeoutMs: 30_000, silentMs: 5_000 },
  };
}
