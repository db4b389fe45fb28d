/**
 * What a dispatcher understands. It decides for each query, keeps it until exactly one terminal
 * answer has left, and is the only source of placing it again.
 */

import type { Ref, Terminated } from '../../runtime/actor.ts';
import type { Principal } from '../domain/principal.ts';
import type { QueryAnswer, QueryId, QueryRequest } from '../domain/query.ts';
import type { Variant, VariantId } from '../domain/variant.ts';
import type { WorkerEvent } from '../worker/protocol.ts';
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
      readonly description: FleetDescription;
    }
  | {
      /** The dispatcher starts, and has nothing of what it was given before. */
      readonly type: 'gateway.queries-lost';
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

export type DispatcherMessage =
  | SubmitQuery
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
