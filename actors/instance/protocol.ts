/** What an instance understands: queries from its router, events from its engine. */

import type { Ref } from '../../runtime/actor.ts';
import type { InstanceId, JudgedState } from '../domain/instance.ts';
import type { Variant } from '../domain/variant.ts';
import type { CancelQuery, RunQuery } from '../worker/protocol.ts';
import type { EngineEvent } from './engine-port.ts';
import type { Waiting } from './queue.ts';

export type InstanceMessage =
  | RunQuery
  | CancelQuery
  | EngineEvent
  | { readonly type: 'instance.wait-over' }
  | { readonly type: 'instance.drain' }
  /** The monitor does not know it: it was started anew. */
  | { readonly type: 'instance.give-account' }
  /** The successor is ready: it gets what waits, what runs is finished, then this one unloads. */
  | {
      readonly type: 'instance.hand-over';
      readonly successorId: InstanceId;
      readonly successor: Ref<InstanceMessage>;
    }
  /** From its predecessor. */
  | { readonly type: 'instance.take-over'; readonly waiting: readonly Waiting[] }
  /** What it held is given back: now it fails. */
  | { readonly type: 'instance.end-failed'; readonly why: string }
  /** Its profile was measured anew. */
  | { readonly type: 'instance.profile-changed'; readonly variant: Variant }
  /** Its state as the monitor judged it. */
  | {
      readonly type: 'instance.state-judged';
      readonly state: JudgedState;
    };
