/**
 * What a dispatcher understands. It decides for each query, keeps it until exactly one terminal
 * answer has left, and is the only source of placing it again.
 */

import type { Ref, Terminated } from '../../runtime/actor.ts';
import type { Principal } from '../domain/principal.ts';
import type { QueryAnswer, QueryId, QueryRequest } from '../domain/query.ts';
import type { Variant, VariantId } from '../domain/variant.ts';
import type { WorkerEvent } from '../worker/protocol.ts';
import type { Explanation, Quote } from '../domain/explanation.ts';
import type { FleetEvent, RecordedEvent, SubjectExplanation } from '../domain/fleet-event.ts';
import type { WorkerId, WorkerReport } from '../domain/worker.ts';
import type { QueryError } from '../domain/outcome.ts';
import type { FleetDescription } from '../domain/fleet-description.ts';

/** What gateways receive. */
export type GatewayMessage =
  | {
      readonly type: 'gateway.query-answered';
      readonly queryId: QueryId;
      readonly answer: QueryAnswer;
    }
  | {
      readonly type: 'gateway.fleet-described';
      readonly requestId: string;
      readonly outcome: FleetDescription | QueryError;
    }
  | {
      readonly type: 'gateway.query-explained';
      readonly requestId: string;
      readonly outcome: Explanation | QueryError;
    }
  | {
      readonly type: 'gateway.query-quoted';
      readonly requestId: string;
      readonly outcome: Quote | QueryError;
    }
  | {
      readonly type: 'gateway.subject-explained';
      readonly requestId: string;
      readonly explanation: SubjectExplanation;
    }
  | { readonly type: 'gateway.event-recorded'; readonly recorded: RecordedEvent }
  | {
      /** The dispatcher starts, and has nothing of what it was given before. */
      readonly type: 'gateway.queries-lost';
    };

/** What a query could be served with at this moment. */
export interface Readiness {
  readonly type: 'gateway.readiness-reported';
  /** Workers that can be reached: without the bus only those of this node. */
  readonly workers: number;
  readonly variants: number;
  readonly busConnected: boolean;
}

/** What a dispatcher knows of the load, for whoever would use what it leaves. */
export interface LoadReported {
  readonly type: 'offline.load-reported';
  readonly workers: readonly { readonly units: number; readonly onlineUtilisation: number }[];
  /** Queries in flight in this gateway, online and offline. */
  readonly inFlight: number;
}

export interface SelectionMade {
  readonly type: 'records.selection-made';
  readonly selection: Extract<FleetEvent, { readonly kind: 'selection' }>;
}

/** What a dispatcher tells of workers as it comes to know them. */
export type WorkerKnown =
  | { readonly type: 'records.worker-seen'; readonly report: WorkerReport }
  | {
      readonly type: 'records.worker-gone';
      readonly workerId: WorkerId;
      readonly why: string;
      readonly inOrder: boolean;
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

/** Why a query of this gateway's went where it went. */
export interface ExplainQuery {
  readonly type: 'dispatcher.explain-query';
  readonly requestId: string;
  readonly queryId: QueryId;
  readonly principal: Principal;
  readonly replyTo: Ref<GatewayMessage>;
}

/** What a query would get now; nothing runs. */
export interface QuoteQuery {
  readonly type: 'dispatcher.quote-query';
  readonly requestId: string;
  readonly asked: Pick<QueryRequest, 'selector' | 'slo' | 'onMiss' | 'timeoutMs'>;
  readonly batch: number;
  readonly principal: Principal;
  readonly replyTo: Ref<GatewayMessage>;
}

/** A registry of thousands is not described for the sake of one line of it. */
export interface WantedDescription {
  readonly parts: readonly (keyof FleetDescription)[];
  readonly architecture?: string | undefined;
}

export type DispatcherMessage =
  | SubmitQuery
  | ExplainQuery
  | QuoteQuery
  | { readonly type: 'dispatcher.cancel-query'; readonly queryId: QueryId }
  | WorkerEvent
  | {
      readonly type: 'dispatcher.registry-changed';
      /** What this is a change from; undefined: these are all variants there are. */
      readonly since?: number | undefined;
      readonly revision: number;
      readonly variants: readonly Variant[];
      readonly removed?: readonly VariantId[] | undefined;
    }
  | {
      readonly type: 'dispatcher.describe-fleet';
      readonly requestId: string;
      /** All, and of all architectures, where it is left out. */
      readonly wanted?: WantedDescription | undefined;
      readonly principal: Principal;
      readonly replyTo: Ref<GatewayMessage>;
    }
  | { readonly type: 'dispatcher.actor-terminated'; readonly terminated: Terminated }
  | { readonly type: 'dispatcher.report-readiness'; readonly replyTo: Ref<Readiness> }
  | {
      /** Where each query went is told there; undefined: nobody wants to know any more. */
      readonly type: 'dispatcher.tell-selections';
      readonly to: Ref<SelectionMade> | undefined;
    }
  | { readonly type: 'dispatcher.report-load'; readonly replyTo: Ref<LoadReported> }
  | { readonly type: 'dispatcher.bus-changed'; readonly connected: boolean }
  /** The controller has been silent for long, so often one after the other. */
  | { readonly type: 'dispatcher.attach-due'; readonly silences: number }
  /** The bus has been away for longer than queries wait for it. */
  | { readonly type: 'dispatcher.bus-outage-lasts' }
  /** There has been no worker for longer than queries wait for one. */
  | { readonly type: 'dispatcher.workers-stay-gone' }
  | {
      /** What was sent to `node` (undefined: to any) or answered by it may be lost. */
      readonly type: 'dispatcher.messages-lost';
      readonly node: string | undefined;
    }
  | { readonly type: 'dispatcher.deadline-reached' };
