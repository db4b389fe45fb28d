/**
 * What a worker understands, and what it tells dispatchers. Its router passes queries on to the
 * instances it supervises.
 */

import type { SessionReleased } from '../instance/engine-port.ts';
import type { Ref, RefusalReason, Terminated } from '../../runtime/actor.ts';
import type { NamedTensors } from '../../runtime/wire/tensors.ts';
import type { Delivery } from '../../runtime/wire/envelope.ts';
import type { Decision } from '../domain/decision.ts';
import type { Requirement } from '../domain/demand.ts';
import type { InstanceId } from '../domain/instance.ts';
import type { OutcomeCode, QueryError } from '../domain/outcome.ts';
import type { QueryId } from '../domain/query.ts';
import type { Variant, VariantId } from '../domain/variant.ts';
import type { InstanceLoad, WorkerReport } from '../domain/worker.ts';
import type { ScaleAction } from '../policy/scaling/view.ts';

/** From an instance, or from a worker's router that could not place it. */
export interface QueryFinished {
  readonly type: 'dispatcher.query-finished';
  readonly queryId: QueryId;
  /** `attempt` of the query this answers; an older one is stale. */
  readonly delivery: Delivery;
  /** Epoch of the node that served it. */
  readonly epoch: number;
  readonly instanceId: InstanceId;
  readonly outcome: QueryOutcome;
  /** Piggy-backed queue state: predicted milliseconds of work left there. */
  readonly backlogMs: number;
}

/**
 * Whether another instance may be tried: `refused` here, `suspect` since it ran when its engine
 * died and may be the cause, or `lost` with an instance that ended, without blame.
 */
export type Retry = 'never' | 'refused' | 'suspect' | 'lost';

/** Of queries that did not get past the mailbox of a worker or an instance. */
export const refusals = {
  'mailbox-full': { code: 'overloaded', why: 'takes no more queries now', retry: 'refused' },
  'actor-stopped': { code: 'unavailable', why: 'has ended', retry: 'lost' },
  // It may be what the actor failed on.
  'actor-failed': { code: 'unavailable', why: 'failed meanwhile', retry: 'suspect' },
} as const satisfies Readonly<
  Record<RefusalReason, { readonly code: OutcomeCode; readonly why: string; readonly retry: Retry }>
>;

export type QueryOutcome =
  | {
      readonly ok: true;
      readonly outputs: NamedTensors;
      readonly batchSize: number;
      /** Why the batch was as large, and began then. */
      readonly batchReason: string;
      /** From arrival at the instance to the start of its batch. */
      readonly queueMs: number;
      readonly inferMs: number;
    }
  | {
      readonly ok: false;
      readonly error: QueryError;
      readonly retry: Retry;
    };

/** What workers and their instances tell dispatchers. */
export type WorkerEvent =
  | QueryFinished
  | {
      /** A query without an instance got one: watch it. */
      readonly type: 'dispatcher.query-assigned';
      readonly queryId: QueryId;
      readonly delivery: Delivery;
      readonly instanceId: InstanceId;
      readonly path: string;
    }
  | {
      readonly type: 'dispatcher.worker-reported';
      readonly worker: Ref<WorkerMessage>;
      readonly report: WorkerReport;
      /** How many dispatchers send to this worker: each scales its own sends by it. */
      readonly dispatchers: number;
    };

/** A query placed here. The same message goes on to the instance. */
export interface RunQuery {
  readonly type: 'worker.run-query';
  readonly queryId: QueryId;
  readonly delivery: Delivery;
  readonly variantId: VariantId;
  /** Undefined: whichever instance of the variant, loading one when there is none. */
  readonly instanceId: InstanceId | undefined;
  readonly inputs: NamedTensors;
  readonly outputs: readonly string[] | undefined;
  readonly batch: number;
  readonly batchKey: string;
  /** What would do for it: how demand is counted. */
  readonly asks: Requirement;
  /**
   * How long before the hard bound (`delivery.budgetMs`, which is corrected for stalls on the way)
   * the SLO's latency is missed, ms; -Infinity without one.
   */
  readonly sloLeadMs: number;
  /**
   * With `onMiss: reject` a query that cannot meet its SLO any more is dropped, not served late.
   */
  readonly rejectLate: boolean;
  readonly replyTo: Ref<WorkerEvent>;
}

export interface CancelQuery {
  readonly type: 'worker.cancel-query';
  readonly queryId: QueryId;
  readonly variantId: VariantId;
  /** Undefined: whichever instance the router gave it to. */
  readonly instanceId: InstanceId | undefined;
}

export type WorkerMessage =
  | RunQuery
  | CancelQuery
  | {
      readonly type: 'worker.registry-changed';
      /** What this is a change from; undefined: these are all variants there are. */
      readonly since?: number | undefined;
      readonly revision: number;
      readonly variants: readonly Variant[];
      readonly removed?: readonly VariantId[] | undefined;
    }
  | {
      readonly type: 'worker.dispatchers-changed';
      readonly dispatchers: readonly Ref<WorkerEvent>[];
      /** Of the registry that its reader should know by now. */
      readonly revision?: number | undefined;
    }
  | { readonly type: 'worker.load-variant'; readonly variantId: VariantId; readonly count: number }
  | { readonly type: 'worker.unload-variant'; readonly variantId: VariantId }
  /** Its node closes: it takes nothing more, and stops when its instances have finished. */
  | { readonly type: 'worker.drain' }
  | {
      /** Its part of the plan for the fleet: instances a variant. */
      readonly type: 'worker.plan-assigned';
      readonly counts: Readonly<Record<VariantId, number>>;
    }
  | {
      readonly type: 'worker.instance-terminated';
      readonly instanceId: InstanceId;
      readonly terminated: Terminated;
    }
  | { readonly type: 'worker.reload-due' }
  /** The controller has been silent for long, so often one after the other. */
  | { readonly type: 'worker.attach-due'; readonly silences: number }
  | SessionReleased
  | {
      readonly type: 'worker.report-gathered';
      readonly report: WorkerReport;
      readonly loads: readonly InstanceLoad[];
    }
  /** From its model-autoscaler, the reasons with it. */
  | {
      readonly type: 'worker.carry-out';
      readonly actions: readonly ScaleAction[];
      readonly decisions: readonly Decision[];
    }
  /** What an interfered or overloaded instance could not have here runs elsewhere now. */
  | {
      readonly type: 'worker.placed-elsewhere';
      readonly variantId: VariantId;
      /** To drain here, now that it has a successor there. */
      readonly instanceId: InstanceId | undefined;
    };
