/**
 * What a selection policy sees: an indexed view that the dispatcher keeps up to date incrementally,
 * read-only here. A decision reads it in place; nothing is copied for it.
 */

import type { InstanceState } from '../../domain/instance.ts';
import type { QueryError } from '../../domain/outcome.ts';
import type { Slo, SloField } from '../../domain/query.ts';
import type { Random } from '../../../runtime/random.ts';

export interface WorkerView {
  readonly id: string;
  readonly memoryFreeBytes: number;
  /** The kinds that it has units of; undefined: any. */
  readonly kinds?: ReadonlySet<string> | undefined;
  /** The type of its machine; undefined: nobody said. */
  readonly machine?: string | undefined;
  /** Busy share of its units, 0..1, as last reported. */
  readonly utilisation: number;
}

/** The units of one kind on a worker, which its instances share. */
export interface UnitsView {
  readonly units: number;
  /** Work that all instances on them owe, ms of one unit, at `owedAtMs`. */
  readonly owedMs: number;
  readonly owedAtMs: number;
  /** And of those whose SLO can no longer be met, which let others go ahead. */
  readonly lateMs?: number | undefined;
}

export interface InstanceView {
  readonly id: string;
  readonly worker: WorkerView;
  /** Undefined: it has units of its own. */
  readonly shared?: UnitsView | undefined;
  readonly state: InstanceState;
  readonly slowdown: number;
  /** When its load is expected to be over; in the past once loaded. */
  readonly readyAtMs: number;
  /** Work owed there, as last reported, at `reportedAtMs`. */
  readonly reportedBacklogMs: number;
  readonly reportedAtMs: number;
  /** Work sent there since, scaled by the number of dispatchers. */
  readonly sentSinceMs: number;
  /** Queries that this dispatcher ever sent there. */
  readonly sent: number;
}

export interface VariantView {
  readonly id: string;
  readonly accuracy: number;
  /** The kind of hardware it needs; undefined: any. */
  readonly hardware?: string | undefined;
  /** The machine type that alone may run it. */
  readonly machine?: string | undefined;
  /** US dollars a query at batch 1. */
  readonly costUsd: number;
  /** T(b) by batch, up to its largest. */
  readonly latencyMs: Float64Array;
  readonly loadMs: number;
  readonly memoryBytes: number;
  /** Living instances, any state. */
  readonly instances: readonly InstanceView[];
}

export interface FleetView {
  readonly nowMs: number;
  /** Variants that can answer the query, cheapest first. */
  readonly variants: readonly VariantView[];
  readonly workers: readonly WorkerView[];
  /** What a query between dispatcher and instance and back costs on the way. */
  readonly hopMs: number;
  /** What loads took lately beyond what profiles say. */
  readonly loadExtraMs: number;
}

export interface QueryView {
  readonly slo: Slo;
  readonly onMiss: 'best-effort' | 'reject';
  readonly batch: number;
  /** Left of the SLO's latency, and of the hard bound. */
  readonly sloLeftMs: number;
  readonly timeoutLeftMs: number;
  /** Instance or worker where an earlier attempt failed: taken again only for want of others. */
  readonly avoid: string | undefined;
}

export interface Preload {
  readonly variant: VariantView;
  readonly worker: WorkerView;
}

export type Selection =
  | {
      readonly kind: 'place';
      readonly variant: VariantView;
      /** Undefined: load it on `worker`. */
      readonly instance: InstanceView | undefined;
      readonly worker: WorkerView;
      readonly predictedMs: number;
      readonly missed: readonly SloField[];
      readonly reason: string;
      /** A better variant that should load meanwhile. */
      readonly preload: Preload | undefined;
    }
  | {
      readonly kind: 'refuse';
      readonly error: QueryError;
      /** What would serve such queries once loaded: without it they would be refused for ever. */
      readonly preload: Preload | undefined;
    };

export type VariantSelector = (view: FleetView, query: QueryView, random: Random) => Selection;
