/** Workers as the rest of the system sees them: what they have, and what they last reported. */

import type { ClassDemand } from './demand.ts';
import type { Hardware } from './hardware.ts';
import type { InstanceId, InstanceState } from './instance.ts';
import type { VariantId } from './variant.ts';

export type WorkerId = string;

export interface InstanceReport {
  readonly id: InstanceId;
  /** Path of the instance's actor on its worker's node. */
  readonly path: string;
  readonly variantId: VariantId;
  readonly state: InstanceState;
  readonly rateQps: number;
  readonly queued: number;
  /** Profiled milliseconds of work, queued and running, that one more query waits for. */
  readonly backlogMs: number;
  /** Of work besides that lets others go ahead, for its SLO can no longer be met. */
  readonly lateMs?: number | undefined;
  /** Observed execution time over the profile's. */
  readonly slowdown: number;
  readonly served: number;
  /** Milliseconds until it can serve; 0 once loaded. */
  readonly loadLeftMs: number;
}

export interface WorkerReport {
  readonly workerId: WorkerId;
  readonly hardware: readonly Hardware[];
  readonly memoryUsedBytes: number;
  /** Busy share of the CPU units in the last window, 0..1. */
  readonly utilisation: number;
  /** Busy share with other than offline queries, 0..1: in the last window, or since, if more. */
  readonly onlineUtilisation?: number | undefined;
  /** Held by idle instances that would give way to a load. */
  readonly reclaimableBytes?: number | undefined;
  readonly instances: readonly InstanceReport[];
}

/** What those who scale know of an instance besides its report. Stays on its worker. */
export interface InstanceLoad {
  readonly id: InstanceId;
  /** Queries of the batch that runs. */
  readonly running: number;
  /** Arrivals in the last window, by what they asked. */
  readonly demand: readonly ClassDemand[];
}
