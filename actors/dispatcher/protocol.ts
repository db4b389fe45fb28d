/**
 * What a dispatcher understands. It decides for each query, keeps it until exactly one terminal
 * answer has left, and is the only source of placing it again.
 */

import type { Ref, Terminated } from '../../runtime/actor.ts';
import type { NamedTensors } from '../../runtime/wire/tensors.ts';
import type { Delivery } from '../../runtime/wire/envelope.ts';
import type { InstanceId } from '../domain/instance.ts';
import type { QueryError } from '../domain/outcome.ts';
import type { Principal } from '../domain/principal.ts';
import type { QueryAnswer, QueryId, QueryRequest } from '../domain/query.ts';
import type { Variant } from '../domain/variant.ts';
import type { WorkerReport } from '../domain/worker.ts';
import type { WorkerMessage } from '../worker/protocol.ts';
import type { FleetDescription } from '../domain/fleet-description.ts';

/** What gateways receive. */
export type GatewayMessage =
  | { readonly type: 'gateway.query-answered'; readonly queryId: QueryId; readonly answer: QueryAnswer }
  | {
      readonly type: 'gateway.fleet-described';
      readonly requestId: string;
      readonly description: FleetDescription;
    };

export interface SubmitQuery {
  readonly type: 'dispatcher.submit-query';
  readonly queryId: QueryId;
  readonly principal: Principal;
  /** On the node's own clock, when the gateway had the whole frame. */
  readonly receivedMs: number;
  readonly request: QueryRequest;
  readonly replyTo: Ref<GatewayMessage>;
}

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

export type QueryOutcome =
  | {
      readonly ok: true;
      readonly outputs: NamedTensors;
      readonly batchSize: number;
      /** From arrival at the instance to the start of its batch. */
      readonly queueMs: number;
      readonly inferMs: number;
    }
  | {
      readonly ok: false;
      readonly error: QueryError;
      /** True when another instance may be tried (it was refused, not run). */
      readonly placeAgain: boolean;
    };

export type DispatcherMessage =
  | SubmitQuery
  | { readonly type: 'dispatcher.cancel-query'; readonly queryId: QueryId }
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
      readonly type: 'dispatcher.registry-changed';
      readonly revision: number;
      readonly variants: readonly Variant[];
    }
  | {
      readonly type: 'dispatcher.worker-reported';
      readonly worker: Ref<WorkerMessage>;
      readonly report: WorkerReport;
      /** How many dispatchers send to this worker: each scales its own sends by it. */
      readonly dispatchers: number;
    }
  | {
      readonly type: 'dispatcher.describe-fleet';
      readonly requestId: string;
      readonly principal: Principal;
      readonly replyTo: Ref<GatewayMessage>;
    }
  | { readonly type: 'dispatcher.actor-terminated'; readonly terminated: Terminated }
  | { readonly type: 'dispatcher.bus-changed'; readonly connected: boolean }
  | {
      /** What was sent to `node` (undefined: to any) or answered by it may be lost. */
      readonly type: 'dispatcher.messages-lost';
      readonly node: string | undefined;
    }
  | { readonly type: 'dispatcher.deadline-reached' };
