/** What a fleet policy sees every two seconds, and what it may ask for (INFaaS' VM-Autoscaler). */

import type { Rejected } from '../../domain/decision.ts';
import type { Hardware, HardwareKind } from '../../domain/hardware.ts';
import type { InstanceState } from '../../domain/instance.ts';
import type { VariantId } from '../../domain/variant.ts';
import type { WorkerId } from '../../domain/worker.ts';
import type { StatefulPolicy } from '../stateful.ts';

export interface PlacedInstance {
  readonly variantId: VariantId;
  readonly hardware: HardwareKind;
  /** The machine type that alone may run it. */
  readonly machine?: string | undefined;
  readonly state: InstanceState;
  readonly memoryBytes: number;
  readonly unitsUsed: number;
}

export interface FleetWorker {
  readonly id: WorkerId;
  readonly hardware: readonly Hardware[];
  readonly memoryUsedBytes: number;
  /** Busy share of its units. */
  readonly utilisation: number;
  readonly instances: readonly PlacedInstance[];
  /** Started by a provisioner, which can remove it. */
  readonly removable: boolean;
  readonly ageMs: number;
}

/** What some worker has no place for. */
export interface Unplaced {
  readonly variantId: VariantId;
  readonly hardware: HardwareKind;
  readonly memoryBytes: number;
  /** Who asks: it is not placed there. */
  readonly from: WorkerId;
}

export interface FleetView {
  readonly nowMs: number;
  /** Those that leave are not among them. */
  readonly workers: readonly FleetWorker[];
  /** And those are so many. */
  readonly leaving: number;
  /** Ordered, not up yet. */
  readonly starting: readonly { readonly kind: HardwareKind }[];
  readonly unplaced: readonly Unplaced[];
  readonly limits: Readonly<Partial<Record<HardwareKind, FleetLimits>>>;
  readonly rules: FleetRules;
  /** Machines that the last plan bought; undefined where there is none. */
  readonly plan?:
    { readonly machines: Readonly<Partial<Record<HardwareKind, number>>> } | undefined;
}

export interface FleetLimits {
  /** Workers that there are to be, and may be, with that hardware. */
  readonly min: number;
  readonly max: number;
}

export interface FleetRules {
  /** Add when all workers of a kind are busier than this (the paper's 80 %). */
  readonly utilisationSets: number;
  /** Add when more than this share of the workers has Overloaded variants (the paper's 80 %). */
  readonly overloadedShare: number;
  /** Workers ordered at once. */
  readonly stepMax: number;
  /** A worker is a candidate for removal below this; after it others stay below `packedMax`. */
  readonly emptyBelow: number;
  readonly packedMax: number;
  /** For so long it must have been one. */
  readonly releaseAfterMs: number;
  /** Variants moved in one removal, and no more. */
  readonly movesMax: number;
}

export const defaultFleetRules: FleetRules = {
  utilisationSets: 0.8,
  overloadedShare: 0.8,
  stepMax: 4,
  emptyBelow: 0.4,
  packedMax: 0.75,
  releaseAfterMs: 60_000,
  movesMax: 16,
};

export interface Move {
  readonly variantId: VariantId;
  readonly to: WorkerId;
}

export type FleetAction =
  | { readonly do: 'add'; readonly kind: HardwareKind; readonly count: number }
  /** Once `moves` are loaded there. */
  | { readonly do: 'remove'; readonly workerId: WorkerId; readonly moves: readonly Move[] };

export interface FleetDecision {
  readonly action: FleetAction;
  readonly subject: string;
  readonly chosen: string;
  readonly why: string;
  readonly seen: Readonly<Record<string, number | string>>;
  readonly rejected: readonly Rejected[];
}

export type FleetPolicy<P> = StatefulPolicy<FleetView, FleetDecision, P>;
