/**
 * What a scaling policy sees of its worker each second, and what it may ask for. Plain data in,
 * plain data out; what a policy remembers is passed in and out (INFaaS' Model-Autoscaler).
 */

import type { ClassDemand } from '../../domain/demand.ts';
import type { Rejected } from '../../domain/decision.ts';
import type { Hardware } from '../../domain/hardware.ts';
import type { InstanceId, InstanceState } from '../../domain/instance.ts';
import type { Variant, VariantId } from '../../domain/variant.ts';
import type { StatefulPolicy } from '../stateful.ts';

export interface ScalingInstance {
  readonly id: InstanceId;
  readonly variantId: VariantId;
  readonly state: InstanceState;
  readonly slowdown: number;
  readonly demand: readonly ClassDemand[];
  /** Since its last query came, or since it was loaded. */
  readonly idleMs: number;
  readonly queued: number;
  readonly running: number;
  /** It gives way to a successor that is being loaded, or it is one. */
  readonly moving: boolean;
}

export interface ScalingView {
  readonly nowMs: number;
  readonly hardware: readonly Hardware[];
  readonly memoryFreeBytes: number;
  /** The registry, by id. */
  readonly variants: readonly Variant[];
  readonly instances: readonly ScalingInstance[];
  /** Instances that the owner wants kept. */
  readonly floors: Readonly<Record<VariantId, number>>;
  readonly rules: ScalingRules;
  /** This worker's part of the plan for the fleet; undefined where nobody plans. */
  readonly plan?: AssignedPlan | undefined;
}

export interface AssignedPlan {
  readonly atMs: number;
  /** Instances of each variant; of what is not named, none. */
  readonly counts: Readonly<Record<VariantId, number>>;
}

export interface ScalingRules {
  /** Act when combined saturation throughput over load is below this (the paper's 1.05). */
  readonly headroomMin: number;
  /** Weight of a second of loading against an hour of running (the paper's lambda; not given). */
  readonly loadWeightPerS: number;
  /** What is left after scaling down must carry this much more than the headroom asks. */
  readonly downMargin: number;
  /** At least so many slots of a tick before scaling down; the paper: those of the load alone. */
  readonly downSlotsMin: number;
  /** The last instance of a variant goes when it was idle for this long. */
  readonly idleAfterMs: number;
  /** Peaks of demand are remembered for this long (`steady` only). */
  readonly rememberMs: number;
  /** What another worker was asked for is not asked for again before. */
  readonly askAgainMs: number;
}

export const defaultScalingRules: ScalingRules = {
  headroomMin: 1.05,
  loadWeightPerS: 0.1,
  downMargin: 1.15,
  downSlotsMin: 10,
  idleAfterMs: 60_000,
  rememberMs: 60_000,
  askAgainMs: 5_000,
};

export type ScaleAction =
  | {
      readonly do: 'load';
      readonly variantId: VariantId;
      readonly count: number;
      /** When a plan for all workers asked for it here; undefined: none did. */
      readonly plannedAtMs?: number | undefined;
    }
  | { readonly do: 'unload'; readonly instanceId: InstanceId }
  /** Up- or downgrade: the successor is loaded first. */
  | {
      readonly do: 'replace';
      readonly instanceId: InstanceId;
      readonly variantId: VariantId;
    }
  /** To other cores of this worker. */
  | {
      readonly do: 'migrate';
      readonly instanceId: InstanceId;
      readonly cores: readonly number[];
    }
  /** There is nothing here to run it on; with an instance: that one is to move. */
  | {
      readonly do: 'place-elsewhere';
      readonly variantId: VariantId;
      readonly instanceId: InstanceId | undefined;
    };

export interface ScaleDecision {
  readonly actions: readonly ScaleAction[];
  readonly subject: string;
  readonly chosen: string;
  readonly why: string;
  readonly seen: Readonly<Record<string, number | string>>;
  readonly rejected: readonly Rejected[];
}

export type ScalingPolicy<P> = StatefulPolicy<ScalingView, ScaleDecision, P>;
