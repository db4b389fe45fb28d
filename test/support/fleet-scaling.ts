/** What fleet policies and the fleet-autoscaler see, everything defaulted. */

import type { FleetInstance } from '../../actors/fleet-autoscaler/protocol.ts';
import {
  defaultFleetRules,
  type FleetView,
  type FleetWorker,
} from '../../actors/policy/fleet/view.ts';
import { mebibyte } from './variants.ts';
import { cpuOf } from './worker-stage.ts';

export function placed(variantId: string, parts: Partial<FleetInstance> = {}): FleetInstance {
  return {
    ...{ variantId, hardware: 'cpu', state: 'active', memoryBytes: mebibyte, unitsUsed: 0.1 },
    slowdown: 1,
    demand: [],
    ...parts,
  };
}

/** One core, 64 MiB of which 8 are used, started by a provisioner. */
export function fleetWorker(id: string, parts: Partial<FleetWorker> = {}): FleetWorker {
  return {
    id,
    hardware: cpuOf(64 * mebibyte, 1),
    memoryUsedBytes: 8 * mebibyte,
    utilisation: 0.5,
    instances: [],
    removable: true,
    ageMs: 100_000,
    ...parts,
  };
}

export function fleetView(
  workers: readonly FleetWorker[],
  parts: Partial<FleetView> = {},
): FleetView {
  return {
    nowMs: 1_000,
    workers,
    leaving: 0,
    starting: [],
    unplaced: [],
    limits: { cpu: { min: 0, max: 10 } },
    rules: defaultFleetRules,
    ...parts,
  };
}
