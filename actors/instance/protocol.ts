/** What an instance understands: queries from its router, events from its engine. */

import type { CancelQuery, RunQuery } from '../worker/protocol.ts';
import type { EngineEvent } from './engine-port.ts';

export type InstanceMessage =
  | RunQuery
  | CancelQuery
  | EngineEvent
  | { readonly type: 'instance.wait-over' }
  | { readonly type: 'instance.drain' }
  /** The monitor does not know it: it was started anew. */
  | { readonly type: 'instance.give-account' }
  /** What it held is given back: now it fails. */
  | { readonly type: 'instance.end-failed'; readonly why: string }
  /** Its state as the monitor judged it. */
  | {
      readonly type: 'instance.state-judged';
      readonly state: 'active' | 'overloaded' | 'interfered';
    };
