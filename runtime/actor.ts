/**
 * The actor contract: what a behaviour may see and do, and what a host must provide.
 *
 * Everything that decides anything in infaas is written against this file alone, so that the same
 * actors run on nact in production and under virtual time in the simulator. A behaviour is
 * synchronous: it gets a state and a message and returns the next state; what it asks for through
 * its context is buffered and carried out only when it returns, and discarded when it throws.
 */

import type { Logger } from './log.ts';
import type { Metrics } from './metrics.ts';
import type { SupervisionPolicy } from './supervision.ts';

/**
 * Name of one of our processes, unique while it lives. `[A-Za-z0-9_-]+`: it becomes a NATS token.
 */
export type NodeId = string;

/** Where an actor lives. `epoch` 0 means "whatever epoch the node has now". */
export interface Address {
  readonly node: NodeId;
  readonly epoch: number;
  /** Absolute path within the node, `/worker/instance-3`. */
  readonly path: string;
}

declare const accepts: unique symbol;

/**
 * An address that accepts messages of type M. Location transparent: plain data, may cross a
 * process. The brand exists only for the compiler: nact's own `Ref<T>` is structurally empty.
 */
export interface Ref<in M> extends Address {
  readonly [accepts]?: (message: M) => void;
}

/** Why an actor ended. Watchers learn it. */
export type StopReason =
  | 'stopped' // told to, by itself or its parent
  | 'failed' // its supervision policy said stop, or its restart intensity was exceeded
  | 'node-down' // its node left, fell silent, or came back under a newer epoch
  | 'not-found'; // no such actor when the watch arrived

/** Told to every watcher of an actor exactly once per watch. */
export interface Terminated {
  readonly type: 'runtime.terminated';
  readonly address: Address;
  readonly reason: StopReason;
  /** One sentence for people, e.g. the message of the error that ended it. */
  readonly detail: string;
}

/** Two lanes a mailbox: control messages overtake work. */
export type Lane = 'control' | 'work';

/** Identifies a timer within its actor; setting a key again replaces the timer. */
export type TimerKey = string;

export interface ActorContext<M> {
  readonly self: Ref<M>;
  /** Monotonic milliseconds at the start of this turn, sub-millisecond resolution. */
  readonly nowMs: number;
  /** Uniform in [0, 1), from this actor's own stream. */
  readonly random: () => number;
  readonly log: Logger;
  readonly metrics: Metrics;
  tell<T>(to: Ref<T>, message: T): void;
  /** Sends `message` to self after `delayMs`; the key names the timer for `cancel`. */
  after(delayMs: number, key: TimerKey, message: M): void;
  cancel(key: TimerKey): void;
  /** Names are unique among living siblings; a taken name is a programmer's error (assert). */
  spawn<S, C>(spec: ActorSpec<S, C>, name: string): Ref<C>;
  /** Stops a child, or self when no ref is given. Children stop first, then `onStop` runs. */
  stop(child?: Address): void;
  /** `as` turns the notice into one of the watcher's own messages. Watching twice is idempotent. */
  watch(target: Address, as: (terminated: Terminated) => M): void;
  unwatch(target: Address): void;
}

/** The owner may mutate `state` and return it; after a throw the state is discarded. */
export type Behaviour<S, M> = (state: S, message: M, ctx: ActorContext<M>) => S;

/** Why a message was refused instead of delivered. */
export type RefusalReason = 'mailbox-full' | 'actor-stopped' | 'actor-failed';

export interface ActorSpec<S, M> {
  /** Builds a fresh state at start and after each restart. Effects are allowed. */
  readonly start: (ctx: ActorContext<M>) => S;
  readonly behaviour: Behaviour<S, M>;
  readonly supervision: SupervisionPolicy;
  /** Most messages waiting in the work lane; control has a lane of its own with the same bound. */
  readonly mailboxMax: number;
  /** Which lane a message takes; without it everything is work. */
  readonly laneOf?: (message: M) => Lane;
  /** The types it takes from other nodes; without it all. The rest are counted dead letters. */
  readonly remoteTypes?: readonly string[];
  /** Last words, after the children stopped. `ctx` may tell, nothing else. A throw is counted. */
  readonly onStop?: (state: S, ctx: ActorContext<M>) => void;
  /**
   * A typed refusal: what to tell the sender of a message that could not be taken (mailbox full,
   * or still queued when the actor stopped), or that the actor failed on, whose effects are
   * discarded. Without it, or when it returns undefined, a message not taken is a counted dead
   * letter. Pure.
   */
  readonly refuse?: (message: M, reason: RefusalReason) => Refusal | undefined;
}

export interface Refusal {
  readonly to: Ref<never>;
  readonly message: unknown;
}

export function refusal<T>(to: Ref<T>, message: T): Refusal {
  return { to, message };
}

export type DeadLetterReason =
  | RefusalReason
  | 'no-such-actor'
  | 'not-for-others'
  | 'stale-epoch'
  | 'node-unreachable'
  | 'bus-refused'
  | 'too-large'
  | 'undecodable';

export interface DeadLetter {
  readonly to: Address;
  readonly message: unknown;
  readonly reason: DeadLetterReason;
}

/** What happened to a message whose ref names another node: it was given on, or why it was not. */
export type RemoteSend = (to: Address, message: unknown) => DeadLetterReason | undefined;

/** Watching across nodes, as a host asks for it; `remote.ts` provides it. */
export interface RemotePort {
  send: RemoteSend;
  watch(target: Address, watcher: Address, notify: (terminated: Terminated) => void): void;
  unwatch(target: Address, watcher: Address): void;
}

/**
 * One node's actors. Both hosts (nact in production, virtual time in `sim/`) prove the same
 * conformance suite, `test/conformance/host-suite.ts`.
 */
export interface ActorHost {
  readonly node: NodeId;
  /** This node's epoch; 0 until it joined. Changes on a re-join (`remote.ts`). */
  epoch: number;
  spawn<S, M>(spec: ActorSpec<S, M>, name: string): Ref<M>;
  /**
   * A ref whose receiver is ordinary code: how an adapter (engine, gateway, store) appears to
   * actors. `receive` runs within the drain turn, must not throw and must not block.
   */
  port<M>(name: string, receive: (message: M) => void): Ref<M>;
  closePort(port: Address): void;
  /** From the outside world into an actor, local or remote. Never blocks, never throws. */
  tell<M>(to: Ref<M>, message: M): void;
  /**
   * Watch from the outside, e.g. a composition root waiting for its root actor. `notify` is called
   * once, later, within the drain turn; the function returned calls the watch off.
   */
  watch(target: Address, notify: (terminated: Terminated) => void): () => void;
  stop(target: Address): void;
  /** Where refs of other nodes go; without one they are dead letters. */
  connectRemote(remote: RemotePort): void;
  /** Delivers what arrived from another node. */
  deliver(path: string, message: unknown): DeadLetterReason | undefined;
  readonly deadLetters: DeadLetterCounter;
  /** Stops every actor, parents after their children, and resolves when all `onStop` ran. */
  shutdown(): Promise<void>;
}

export interface DeadLetterCounter {
  readonly total: number;
  countOf(reason: DeadLetterReason): number;
  /** The most recent ones, for `explain` and tests; bounded. */
  readonly recent: readonly DeadLetter[];
}

/** True when both name the same actor. */
export function sameAddress(a: Address, b: Address): boolean {
  return a.path === b.path && a.node === b.node && a.epoch === b.epoch;
}

/** `node#epoch/path`: the form used in logs and as a map key. */
export function formatAddress(address: Address): string {
  return `${address.node}#${String(address.epoch)}${address.path}`;
}

/** A ref made of plain data, e.g. a well-known actor of another node. */
export function refOf<M>(node: NodeId, epoch: number, path: string): Ref<M> {
  return { node, epoch, path };
}
