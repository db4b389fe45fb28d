/** Why a query went where it went, and what one would get: as `explain` and `quote` give it. */

import type { QueryError } from './outcome.ts';
import type { QueryId, QueryTiming, Selector, Slo, SloField } from './query.ts';

/**
 * What a decision made of a variant. `eligible`: it would have done, and the policy preferred
 * another; `busy`: it answers in time only where an instance is overloaded or interfered with.
 */
export type Verdict =
  | 'chosen'
  | 'eligible'
  | 'less-accurate'
  | 'too-dear'
  | 'too-slow'
  | 'not-loaded'
  | 'loading'
  | 'busy';

export interface Considered {
  readonly variant: string;
  readonly verdict: Verdict;
  /** Percent. */
  readonly accuracy: number;
  /** US dollars for 1,000 queries. */
  readonly costUsdPer1000: number;
  /** Until it would have answered, its load included. */
  readonly predictedMs: number;
  /** Instances that took queries. */
  readonly instances: number;
}

/** One placing of a query. */
export interface Attempt {
  /** After the gateway had the query. */
  readonly afterMs: number;
  readonly reason: string;
  /** Undefined when the policy refused. */
  readonly chosen?: {
    readonly variant: string;
    readonly worker: string;
    /** Undefined while the worker was to load it. */
    readonly instance?: string;
    readonly predictedMs: number;
  };
  /** Cheapest first, as far as they were recorded. */
  readonly considered: readonly Considered[];
  /** Further variants that were there. */
  readonly leftOut: number;
  /** What ended it, when another followed. */
  readonly ended?: string;
}

export interface Explanation {
  readonly queryId: QueryId;
  readonly policy: string;
  readonly asked: {
    readonly selector: Selector;
    readonly slo: Slo;
    readonly onMiss: string;
    readonly batch: number;
  };
  readonly attempts: readonly Attempt[];
  readonly outcome:
    | { readonly state: 'in-flight' }
    | {
        readonly state: 'served';
        readonly variant: string;
        readonly worker: string;
        readonly instance: string;
        readonly batchSize: number;
        readonly batchReason: string;
        readonly timing: QueryTiming;
        readonly missed: readonly SloField[];
        readonly costUsd: number;
      }
    | { readonly state: 'refused'; readonly error: QueryError };
}

export interface Quote {
  readonly policy: string;
  readonly variant: string;
  readonly worker: string;
  readonly instance?: string;
  /** Percent. */
  readonly accuracy: number;
  /** US dollars for this query. */
  readonly costUsd: number;
  readonly predictedMs: number;
  /**
   * That it would be within `slo.latencyMs`, 0..1: the share of recent answers that took no longer,
   * against what was predicted for them, than this one may. Undefined before there were any.
   */
  readonly chance?: number;
  readonly reason: string;
  readonly considered: readonly Considered[];
  readonly leftOut: number;
}
