/** The fleet as its policies see it, made of what was reported last. */

import type { FleetView } from '../policy/fleet/view.ts';
import { type Fleet, provisionerOf } from './fleet.ts';

export function fleetViewOf(fleet: Fleet, nowMs: number): FleetView {
  const { config } = fleet.options;
  return {
    nowMs,
    workers: [...fleet.workers.values()]
      .filter(({ report }) => !fleet.removing.has(report.workerId))
      .map(({ report, firstMs }) => ({
        id: report.workerId,
        hardware: report.hardware,
        memoryUsedBytes: report.memoryUsedBytes,
        utilisation: report.utilisation,
        instances: report.instances,
        removable: provisionerOf(fleet, report.workerId) !== undefined,
        ageMs: nowMs - firstMs,
      })),
    leaving: fleet.removing.size,
    starting: [...fleet.starting.values()],
    unplaced: [...fleet.unplaced.values()].map(({ request }) => ({
      variantId: request.variantId,
      hardware: request.hardware,
      memoryBytes: request.memoryBytes,
      from: request.workerId,
    })),
    limits: config.limits,
    rules: config.rules,
    plan: fleet.planning.plan,
  };
}
