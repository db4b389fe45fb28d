/**
 * The fleet-autoscaler of the controller's node, with its planner, and the user's provisioner if
 * there is one.
 */

import {
  type FleetConfig,
  fleetAutoscalerSpec,
  type FleetOptions,
} from '../../actors/fleet-autoscaler/behaviour.ts';
import type { DecisionMade } from '../../actors/domain/decision.ts';
import type { Root } from '../../actors/recording/entries.ts';
import { refOf } from '../../runtime/actor.ts';
import { Planner } from '../adapters/planner.ts';
import { createCommandProvisioner } from '../adapters/provisioners/command.ts';
import { controllerRef, recordsPath } from '../membership.ts';
import type { Node } from '../node.ts';

/**
 * `limits` over the configured ones. Without a bus there is no worker to add. The planner is to be
 * closed after the node.
 */
export function addFleet(
  node: Node,
  natsUrl: string | undefined,
  limits: FleetConfig['limits'] = {},
): Planner | undefined {
  if (natsUrl === undefined) return undefined;
  const { host, log, clock } = node;
  const { command, commandTimeoutMs, planner: settings, ...config } = node.config.fleet;
  const provisioner =
    command === undefined
      ? undefined
      : createCommandProvisioner({ host, command, natsUrl, timeoutMs: commandTimeoutMs, log });
  const { solverS, gap, hangMs } = settings;
  const planner = new Planner({ host, clock, log, limits: { solverS, gap }, hangMs });
  const options: FleetOptions = {
    config: {
      ...config,
      workerMemoryBytes: config.workerMemoryBytes,
      limits: { ...config.limits, ...limits },
    },
    provisioner,
    controller: controllerRef,
    planner: planner.port,
    decisions: refOf<DecisionMade>(node.name, 0, recordsPath),
  };
  const root: Root = { path: '/fleet-autoscaler', kind: 'fleet-autoscaler', options };
  host.spawn(node.recorded(fleetAutoscalerSpec(options), root), 'fleet-autoscaler');
  return planner;
}
