/**
 * The fleet described for people and clients: what `tasks`, `architectures`, `variants`, `workers`
 * and `instances` answer over every gateway (INTERFACE.md). Plain data, JSON-able.
 */

import type { Hardware } from './hardware.ts';
import type { LatencyPoint } from './profile.ts';
import type { Datatype } from '../../runtime/wire/tensors.ts';

export interface TensorDescription {
  readonly name: string;
  readonly datatype: Datatype;
  /** −1 = variable (the batch and free dimensions). */
  readonly shape: readonly number[];
  readonly shared: boolean;
  /** The output that carries this input on, where the client carries state. */
  readonly state?: string | undefined;
}

export interface TaskDescription {
  readonly name: string;
  readonly datasets: readonly {
    readonly name: string;
    readonly architectures: readonly string[];
    readonly accuracyMin: number;
    readonly accuracyMax: number;
  }[];
  readonly inputs: readonly TensorDescription[];
  readonly outputs: readonly TensorDescription[];
}

export interface ArchitectureDescription {
  readonly name: string;
  readonly task: string;
  readonly dataset: string;
  readonly inputs: readonly TensorDescription[];
  readonly outputs: readonly TensorDescription[];
  readonly accuracyMin: number;
  readonly accuracyMax: number;
  readonly variants: readonly string[];
}

export interface VariantDescription {
  readonly name: string;
  readonly architecture: string;
  readonly task: string;
  readonly dataset: string;
  readonly precision: string;
  readonly accuracy: number;
  readonly accuracyKind: string;
  readonly accuracyReference?: string | undefined;
  readonly hardware: string;
  readonly latencyMs: readonly LatencyPoint[];
  readonly loadMs: number;
  readonly memoryBytes: number;
  readonly sizeBytes: number;
  readonly costUsdPer1000: number;
  readonly batchMax: number;
  /** Of its family; absent for what was registered ready-made. */
  readonly version?: number | undefined;
  /** `loaded` where an instance serves, `loading`, else `inactive`. */
  readonly state: 'loaded' | 'loading' | 'inactive';
  readonly instances: number;
  readonly measuredOn: string;
}

export interface WorkerDescription {
  readonly name: string;
  readonly epoch: number;
  readonly hardware: readonly Hardware[];
  readonly utilisation: number;
  readonly memoryUsedBytes: number;
  readonly instances: number;
}

export interface InstanceDescription {
  readonly name: string;
  readonly variant: string;
  readonly worker: string;
  readonly state: string;
  readonly rateQps: number;
  readonly queued: number;
  readonly backlogMs: number;
  readonly slowdown: number;
  readonly served: number;
}

export interface FleetDescription {
  readonly tasks: readonly TaskDescription[];
  readonly architectures: readonly ArchitectureDescription[];
  readonly variants: readonly VariantDescription[];
  readonly workers: readonly WorkerDescription[];
  readonly instances: readonly InstanceDescription[];
}
