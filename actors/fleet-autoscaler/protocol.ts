/**
 * What the fleet-autoscaler understands: what workers report and ask, and what provisioners say of
 * the workers they start for it; and the provisioner port itself.
 */

import type { Ref, Terminated } from '../../runtime/actor.ts';
import type { HardwareKind, Hardware } from '../domain/hardware.ts';
import type { InstanceId, InstanceState } from '../domain/instance.ts';
import type { ClassDemand } from '../domain/demand.ts';
import type { Variant, VariantId } from '../domain/variant.ts';
import type { Plan, PlanProblem } from '../policy/planning/problem.ts';
import type { WorkerId } from '../domain/worker.ts';
import type { WorkerMessage } from '../worker/protocol.ts';

export interface FleetInstance {
  readonly variantId: VariantId;
  readonly state: InstanceState;
  readonly memoryBytes: number;
  /** Units of hardware that its load keeps busy. */
  readonly unitsUsed: number;
  /** Execution time over the profile's. */
  readonly slowdown: number;
  readonly hardware: HardwareKind;
  /** Arrivals in the last second, by what they asked. */
  readonly demand: readonly ClassDemand[];
  readonly machine?: string | undefined;
}

/** The hardware wanted of a new worker. */
export interface WorkerWanted {
  readonly kind: HardwareKind;
  readonly units: number;
  /** Undefined: in proportion to the units, as the provisioner sees fit. */
  readonly memoryBytes: number | undefined;
}

/** The provisioner port: whoever can start workers. It answers with what became of them. */
export type ProvisionerCommand =
  | {
      readonly type: 'provisioner.add-worker';
      /** The name that the worker is to join under. */
      readonly name: WorkerId;
      readonly wanted: WorkerWanted;
      readonly replyTo: Ref<FleetMessage>;
    }
  | {
      readonly type: 'provisioner.remove-worker';
      readonly name: WorkerId;
      readonly replyTo: Ref<FleetMessage>;
    };

/** From time to time, and when something changed. */
export interface ProvisionerReported {
  readonly type: 'fleet.provisioner-reported';
  /** Of the machine or the cloud, unique. */
  readonly name: string;
  readonly provisioner: Ref<ProvisionerCommand>;
  /** What it can still start: units and memory a kind. */
  readonly room: readonly {
    readonly kind: HardwareKind;
    readonly units: number;
    readonly memoryBytes: number;
  }[];
  /** The workers that it started and that live. */
  readonly workers: readonly WorkerId[];
}

/** The planner port: solves what takes longer than an actor may, a plan for each problem. */
export interface PlannerCommand {
  readonly type: 'planner.solve';
  readonly requestId: number;
  readonly problems: readonly PlanProblem[];
  readonly replyTo: Ref<FleetMessage>;
}

export type FleetMessage =
  | {
      readonly type: 'fleet.worker-reported';
      readonly worker: Ref<WorkerMessage>;
      readonly workerId: WorkerId;
      readonly hardware: readonly Hardware[];
      readonly memoryUsedBytes: number;
      readonly utilisation: number;
      readonly instances: readonly FleetInstance[];
    }
  | {
      /** A worker has no room, or no undisturbed cores, for what it should run. */
      readonly type: 'fleet.place-variant';
      readonly worker: Ref<WorkerMessage>;
      readonly workerId: WorkerId;
      readonly variantId: VariantId;
      readonly hardware: HardwareKind;
      /** The machine type that alone may run it. */
      readonly machine?: string | undefined;
      readonly memoryBytes: number;
      /** The one that is to move; undefined: one more is wanted. */
      readonly instanceId: InstanceId | undefined;
    }
  | ProvisionerReported
  | {
      readonly type: 'fleet.worker-refused';
      readonly name: WorkerId;
      readonly why: string;
    }
  | {
      /** A worker that a provisioner started is no more. */
      readonly type: 'fleet.worker-ended';
      readonly name: WorkerId;
      readonly how: string;
    }
  | { readonly type: 'fleet.worker-terminated'; readonly terminated: Terminated }
  | { readonly type: 'fleet.tick-due' }
  | {
      /** From the controller, when it differs from the revision that it was asked with. */
      readonly type: 'fleet.registry-changed';
      readonly revision: number;
      readonly variants: readonly Variant[];
    }
  | { readonly type: 'fleet.plan-due' }
  | {
      readonly type: 'fleet.plan-solved';
      readonly requestId: number;
      readonly plans: readonly Plan[];
    };
