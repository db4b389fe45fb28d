/** The fleet-autoscaler of the controller's node, with the user's provisioner if there is one. */

import { type FleetConfig, fleetAutoscalerSpec } from '../../actors/fleet-autoscaler/behaviour.ts';
import type { DecisionMade } from '../../actors/domain/decision.ts';
import { refOf } from '../../runtime/actor.ts';
import { createCommandProvisioner } from '../adapters/provisioners/command.ts';
import { recordsPath } from '../membership.ts';
import type { Node } from '../node.ts';

/** `limits` over the configured ones. Without a bus there is no worker to add. */
export function addFleet(
  node: Node,
  natsUrl: string | undefined,
  limits: FleetConfig['limits'] = {},
): void {
  if (natsUrl === undefined) return;
  const { host, log } = node;
  const { command, commandTimeoutMs, ...config } = node.config.fleet;
  const provisioner =
    command === undefined
      ? undefined
      : createCommandProvisioner({ host, command, natsUrl, timeoutMs: commandTimeoutMs, log });
  const spec = fleetAutoscalerSpec({
    config: {
      ...config,
      workerMemoryBytes: config.workerMemoryBytes,
      limits: { ...config.limits, ...limits },
    },
    provisioner,
    decisions: refOf<DecisionMade>(node.name, 0, recordsPath),
  });
  host.spawn(spec, 'fleet-autoscaler');
}
