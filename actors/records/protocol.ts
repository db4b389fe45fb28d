/**
 * What a node's records understand: what happened, who wants to know of it, and who asks why. Every
 * gateway node keeps its own, so that what it tells needs no other node.
 */

import type { Ref, Terminated } from '../../runtime/actor.ts';
import type { GatewayMessage, SelectionMade, WorkerKnown } from '../dispatcher/protocol.ts';
import type { Decision, DecisionMade } from '../domain/decision.ts';
import type { Subject } from '../domain/fleet-event.ts';
import type { Principal } from '../domain/principal.ts';

export type RecordsMessage =
  | DecisionMade
  | {
      /** From the records beside the controller: what was decided there. */
      readonly type: 'records.decision-relayed';
      readonly decision: Decision;
    }
  | { readonly type: 'records.attach-peer'; readonly peer: Ref<RecordsMessage> }
  | { readonly type: 'records.peer-terminated'; readonly terminated: Terminated }
  | WorkerKnown
  | SelectionMade
  | {
      /** What a gateway's subscribers want, all together; told anew when it changes. */
      readonly type: 'records.listen';
      readonly listener: Ref<GatewayMessage>;
      readonly wants: 'nothing' | 'fleet' | 'fleet-and-selections';
    }
  | {
      readonly type: 'records.explain-subject';
      readonly requestId: string;
      readonly subject: Subject;
      readonly principal: Principal;
      readonly replyTo: Ref<GatewayMessage>;
    };
