/** What the controller understands: nodes joining and leaving, variants registered. */

import type { FleetMessage } from '../fleet-autoscaler/protocol.ts';
import type { Ref, Terminated } from '../../runtime/actor.ts';
import type { DispatcherMessage } from '../dispatcher/protocol.ts';
import type { Family } from '../domain/family.ts';
import type { FamilyEvent, RegistrarMessage } from '../registrar/protocol.ts';
import type { WorkerMessage } from '../worker/protocol.ts';

/** The store port: durable writes in order; values come back at start through the actor's spec. */
export type StoreCommand =
  | {
      readonly type: 'store.put';
      readonly key: string;
      readonly value: unknown;
      readonly replyTo?: StoreReply | undefined;
    }
  | {
      readonly type: 'store.remove';
      readonly key: string;
      readonly replyTo?: StoreReply | undefined;
    };

/** Who is told when the write would survive a crash, or that it was not made. */
export interface StoreReply {
  readonly requestId: string;
  readonly ref: Ref<FamilyEvent>;
}

export type JoinOutcome =
  | { readonly type: 'node.joined'; readonly requestId: string; readonly epoch: number }
  | { readonly type: 'node.join-refused'; readonly requestId: string; readonly message: string }
  /** The controller was started anew and does not know what lives there. */
  | { readonly type: 'node.attach-wanted' };

export type NodeKind = 'gateway' | 'worker' | 'controller' | 'agent';

export interface JoinNode {
  readonly type: 'controller.join-node';
  readonly requestId: string;
  readonly node: string;
  /** Drawn once a process start: tells a returning process from a new one of the same name. */
  readonly incarnation: string;
  readonly kind: NodeKind;
  /** The epoch it has now: 0 at its first join, higher when it re-joins after a stall. */
  readonly epochSeen: number;
  readonly replyTo: Ref<JoinOutcome>;
}

export type ControllerMessage =
  | JoinNode
  | {
      /** After joining: this node's dispatcher or worker wants the registry and its peers. */
      readonly type: 'controller.attach-dispatcher';
      readonly dispatcher: Ref<DispatcherMessage>;
    }
  | { readonly type: 'controller.attach-worker'; readonly worker: Ref<WorkerMessage> }
  | { readonly type: 'controller.attach-registrar'; readonly registrar: Ref<RegistrarMessage> }
  | {
      /** In the place of the one of its architecture. */
      readonly type: 'controller.record-family';
      readonly family: Family;
      readonly requestId?: string | undefined;
      readonly replyTo?: Ref<FamilyEvent> | undefined;
    }
  | {
      readonly type: 'controller.remove-family';
      readonly architecture: string;
      readonly requestId: string;
      readonly replyTo: Ref<FamilyEvent>;
    }
  | {
      /** Who plans asks from time to time: it is told the registry if that is another revision. */
      readonly type: 'controller.compare-registry';
      readonly revision: number;
      readonly replyTo: Ref<FleetMessage>;
    }
  | { readonly type: 'controller.publish-due' }
  | { readonly type: 'controller.confirm-due' }
  | { readonly type: 'controller.actor-terminated'; readonly terminated: Terminated };
