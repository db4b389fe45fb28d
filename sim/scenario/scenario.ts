/** A scenario as data: what is simulated. `sim/command/read-scenario.ts` reads it from YAML. */

import type { QueryRequest } from '../../actors/domain/query.ts';
import type { HardwareKind } from '../../actors/domain/hardware.ts';
import type { FleetPolicyName } from '../../actors/policy/fleet/index.ts';
import type { Variant } from '../../actors/domain/variant.ts';
import type { BatchPolicyName } from '../../actors/policy/batching/index.ts';
import type { PolicyName } from '../../actors/policy/policies.ts';
import type { ScalingPolicyName } from '../../actors/policy/scaling/index.ts';
import type { SelectionPolicyName } from '../../actors/policy/selection/index.ts';
import type { Arrivals } from '../workloads/arrivals.ts';
import type { Shape } from '../workloads/shape.ts';

/** So many machines alike, each with one worker. */
export interface MachineGroup {
  readonly name: string;
  readonly hardware: HardwareKind;
  /** At the start; the fleet-autoscaler may go from `min` to `max` of them. */
  readonly count: number;
  readonly min: number;
  readonly max: number;
  /** Cores, or devices of an accelerator, of each. */
  readonly units: number;
  readonly memoryBytes: number;
  /** Of a whole machine. */
  readonly usdPerHour: number;
  /** From its order to its joining, s; it is paid for from its order on. */
  readonly startUpS: number;
}

/** One stream of queries. */
export interface Stream {
  readonly shape: Shape;
  readonly arrivals: Arrivals;
  readonly task: string | undefined;
  /** Queries name an architecture of these, the first most often. */
  readonly architectures: readonly string[];
  readonly zipf: number;
  readonly latencyMs: number | undefined;
  readonly accuracyMin: number | undefined;
  readonly onMiss: 'best-effort' | 'reject';
  readonly timeoutMs: number;
  readonly tenant: string;
}

/** `cpu-1` is the first machine of the group `cpu`. */
export type Incident =
  | {
      readonly kind: 'crash';
      readonly atS: number;
      readonly machine: string;
      /** When another is ordered in its place; undefined: none is. */
      readonly backAfterS: number | undefined;
    }
  | {
      /** The worker's process; its machine stays, and starts another. */
      readonly kind: 'kill';
      readonly atS: number;
      readonly machine: string;
      readonly backAfterS: number;
    }
  | {
      readonly kind: 'cut';
      readonly atS: number;
      /** Undefined: everybody's connection to the bus. */
      readonly machine: string | undefined;
      readonly forS: number;
    };

/** Offline work, more of it than there will ever be room for. */
export interface OfflineAsked {
  readonly task: string;
  readonly accuracyMin: number | undefined;
}

export interface RecordedQuery {
  /** Since the end of the warm-up. */
  readonly atS: number;
  readonly tenant: string;
  readonly batch: number;
  readonly request: Omit<QueryRequest, 'inputs' | 'outputs'>;
}

export interface Scenario {
  readonly name: string;
  readonly about: string;
  readonly seed: number;
  readonly durationS: number;
  /** Not counted: what the system takes to load its first variants. */
  readonly warmUpS: number;
  readonly gateways: number;
  readonly fleet: readonly MachineGroup[];
  readonly variants: readonly Variant[];
  /** Instances that every worker keeps, by variant. */
  readonly preload: Readonly<Record<string, number>>;
  readonly load: readonly Stream[];
  /** Queries of a recording, each at its moment, beside the load. */
  readonly recorded?: readonly RecordedQuery[] | undefined;
  readonly incidents: readonly Incident[];
  readonly offline?: OfflineAsked | undefined;
  /** What the four below are of, unless the scenario says otherwise of one. */
  readonly policy: PolicyName | 'as recorded';
  readonly selection: SelectionPolicyName;
  readonly batching: BatchPolicyName;
  readonly scaling: ScalingPolicyName;
  readonly fleetPolicy: FleetPolicyName;
  /** Every rate is multiplied by it. */
  readonly loadFactor: number;
  readonly network: 'direct' | 'bus';
  /** Between a gateway and a worker, ms, one way. */
  readonly hopMs: number;
  /** Factors on execution times, as quantiles (`EngineModelOptions.noise`). */
  readonly noise?: readonly number[] | undefined;
  /** How far execution times are from the profile's, as a share. */
  readonly spread: number;
  /** By how much each other batch on the same machine slows a batch, as a share. */
  readonly interference: number;
}
