/** Queries and answers, as every gateway parses and prints them (INTERFACE.md). */

import type { NamedTensors } from '../../runtime/wire/tensors.ts';
import type { QueryError } from './outcome.ts';

export type QueryId = string;

export type Selector =
  | { readonly by: 'task'; readonly task: string; readonly dataset: string | undefined }
  | { readonly by: 'architecture'; readonly architecture: string }
  | { readonly by: 'variant'; readonly variant: string };

/** Each optional: what is not asked for is not constrained. */
export interface Slo {
  readonly latencyMs?: number | undefined;
  /** Percent. */
  readonly accuracyMin?: number | undefined;
  /** US dollars for this query. */
  readonly costUsdMax?: number | undefined;
}

export type SloField = 'latencyMs' | 'accuracyMin' | 'costUsdMax';

export interface QueryRequest {
  /** The client's, unique among its queries in flight. */
  readonly id: string;
  readonly selector: Selector;
  readonly slo: Slo;
  /** `reject` makes the SLO hard. */
  readonly onMiss: 'best-effort' | 'reject';
  readonly timeoutMs: number;
  readonly priority: number;
  readonly inputs: NamedTensors;
  /** Undefined: all. */
  readonly outputs: readonly string[] | undefined;
  readonly trace?: string | undefined;
}

export interface ServedBy {
  readonly task: string;
  readonly dataset: string;
  readonly architecture: string;
  readonly variant: string;
  readonly worker: string;
  readonly instance: string;
  readonly hardware: string;
  readonly batchSize: number;
  readonly accuracy: number;
}

export interface QueryTiming {
  readonly totalMs: number;
  readonly decideMs: number;
  readonly networkMs: number;
  readonly queueMs: number;
  readonly inferMs: number;
}

export interface QueryServed {
  readonly ok: true;
  readonly queryId: QueryId;
  readonly outputs: NamedTensors;
  readonly servedBy: ServedBy;
  readonly timing: QueryTiming;
  readonly slo: { readonly met: boolean; readonly missed: readonly SloField[] };
  readonly decision: {
    /** Why there. */
    readonly reason: string;
    /** Why in a batch of that size, at that moment. */
    readonly batchReason: string;
  };
  readonly costUsd: number;
}

export interface QueryRefused {
  readonly ok: false;
  readonly queryId: QueryId;
  readonly error: QueryError;
}

export type QueryAnswer = QueryServed | QueryRefused;
