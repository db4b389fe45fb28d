/**
 * One actor, as far as it does not depend on the host: state, mailbox, turns, supervision, stop.
 *
 * Both hosts share it, so that what the simulator proves is what production runs. It absorbs what
 * nact 7.6.2 would get wrong: state is rebuilt by `start` on a restart (nact reuses the object),
 * decisions are our own (nact's escalate followed by a resume wedges a child), a throw anywhere
 * ends in a count and a log line (not in an unhandled rejection), and what was queued on stop is
 * refused or counted (not lost). Stopping a subtree is one step, children first: there is no
 * half-stopped actor for others to observe.
 */

import type {
  ActorSpec,
  Address,
  DeadLetterReason,
  Lane,
  NodeId,
  RefusalReason,
  StopReason,
} from './actor.ts';
import { assert } from './assert.ts';
import { Children, childNameOf } from './children.ts';
import type { Cancel } from './clock.ts';
import { CellContext } from './context.ts';
import { messageOf } from './errors.ts';
import { LocalRef } from './local-ref.ts';
import { Mailbox } from './mailbox.ts';
import type { SelfMessageKind } from './self-message.ts';
import { makeSelfMessage, SelfMessage, SelfMessages } from './self-message.ts';
import type { FailureDecision } from './supervision.ts';
import { decideAfterFailure } from './supervision.ts';
import { Timers } from './timers.ts';
import type { Turns } from './turns.ts';
import type { NoticeMapping, Watch, Watchable, WatchGround } from './watch.ts';
import { terminatedOf, Watchers, WatchList } from './watch.ts';

/** Conceived: spawned by a turn that has not returned yet. Waiting: for the end of a back-off. */
const CONCEIVED = 0;
const STARTING = 1;
const RUNNING = 2;
const WAITING = 3;
const STOPPED = 4;

/** What nact accepts as a name; checked here so that both hosts agree. */
const NAME = /^[A-Za-z0-9\-$_.+!*'(),]+$/;

export type AnySpec = ActorSpec<unknown, unknown>;

/** When actors run: the part a host supplies. */
export interface CellScheduler {
  /** The cell has something to do. Told once until its `run` is called. */
  ready(cell: Cell): void;
  /** An actor (not a port) began to live, parents before their children. */
  entered(cell: Cell): void;
  /** An actor or port ended, children before their parents. */
  left(cell: Cell): void;
}

/** What a cell needs of the tree it lives in; `ActorTree` provides it. */
export interface CellGround extends WatchGround {
  readonly node: NodeId;
  readonly epoch: number;
  readonly turns: Turns;
  readonly scheduler: CellScheduler;
  /** Sees each turn before it runs (message undefined: a start). For traces. */
  readonly observe: ((cell: Cell, message: unknown) => void) | undefined;
  enter(cell: Cell): void;
  leave(cell: Cell): void;
  isOurs(address: Address): boolean;
  /** Answers the sender as the spec says, or returns why the message became a dead letter. */
  refuse(cell: Cell, message: unknown, reason: RefusalReason): DeadLetterReason | undefined;
}

export class Cell implements Watchable {
  readonly spec: AnySpec;
  readonly parent: Cell | undefined;
  readonly name: string;
  readonly path: string;
  readonly ref: LocalRef;
  readonly context: CellContext;
  /** What the host keeps about the actor, e.g. nact's own ref of it. */
  attachment: unknown = undefined;

  readonly #tree: CellGround;
  readonly #mailbox: Mailbox;
  #status = CONCEIVED;
  #state: unknown = undefined;
  /** False from a throw until the next start: a discarded state gets no last words. */
  #hasState = false;
  /** In the host's ready queue, or running. */
  #queued = false;
  #stopRequested = false;
  #restarts: readonly number[] = [];
  #cancelBackoff: Cancel | undefined;
  #children: Children<Cell> | undefined;
  #timers: Timers | undefined;
  #watching: WatchList | undefined;
  #watchers: Watchers | undefined;
  /** Fired timers and notices in the mailbox, so that they can still be called off. */
  #selfMessages: SelfMessages | undefined;

  constructor(tree: CellGround, parent: Cell | undefined, spec: AnySpec, name: string) {
    assert(NAME.test(name), `'${name}' is not a name for an actor`);
    assert(spec.mailboxMax >= 1, `the mailbox of '${name}' must hold at least one message`);
    this.#tree = tree;
    this.spec = spec;
    this.parent = parent;
    this.name = name;
    this.path = parent === undefined ? `/${name}` : `${parent.path}/${name}`;
    this.ref = new LocalRef(tree.node, tree.epoch, this.path, this);
    this.context = new CellContext(this, tree.turns);
    this.#mailbox = new Mailbox(spec.mailboxMax);
  }

  /** The cell of a ref of this process, of whichever host; undefined for a plain address. */
  static of(ref: Address): Cell | undefined {
    return LocalRef.cellOf(ref) as Cell | undefined;
  }

  get alive(): boolean {
    return this.#status !== STOPPED;
  }

  belongsTo(tree: CellGround): boolean {
    return this.#tree === tree;
  }

  // --- Messages -----------------------------------------------------------------------------

  /**
   * Queues a message or refuses it; returns the reason when it became a dead letter. Never runs
   * anything and never throws.
   */
  offer(message: unknown): DeadLetterReason | undefined {
    if (this.#status === STOPPED) return this.#tree.refuse(this, message, 'actor-stopped');
    const lane = this.spec.laneOf === undefined ? 'work' : this.#laneOf(message);
    if (!this.#mailbox.offer(lane, message)) {
      return this.#tree.refuse(this, message, 'mailbox-full');
    }
    if (!this.#queued && this.#status === RUNNING) this.#enqueue();
    return undefined;
  }

  /** Lets the actor handle up to `quota` messages; returns how many it did, at least 1. */
  run(quota: number): number {
    let used = 0;
    try {
      while (used < quota && this.#hasWork()) {
        used += 1;
        if (this.#stopRequested) this.stop('stopped', 'stopped from outside');
        else if (this.#status === STARTING) this.#start();
        else this.#handle(this.#mailbox.take());
      }
    } finally {
      // Also when the runtime or a port of it is defective and threw: the actor is not wedged.
      this.#queued = false;
      if (this.#hasWork()) this.#enqueue();
    }
    return used === 0 ? 1 : used;
  }

  #hasWork(): boolean {
    if (this.#status === RUNNING) return this.#mailbox.size > 0 || this.#stopRequested;
    return this.#status === STARTING || (this.#status === WAITING && this.#stopRequested);
  }

  #wake(): void {
    if (!this.#queued && this.#hasWork()) this.#enqueue();
  }

  #enqueue(): void {
    this.#queued = true;
    this.#tree.scheduler.ready(this);
  }

  #handle(queued: unknown): void {
    let message = queued;
    if (this.#selfMessages !== undefined && queued instanceof SelfMessage) {
      this.#selfMessages.remove(queued);
      if (!queued.live) return;
      if (queued.failure !== undefined) {
        this.fail(queued.failure.error, undefined);
        return;
      }
      message = queued.message;
    }
    this.#tree.observe?.(this, message);
    try {
      this.#state = this.#tree.turns.runMessage(this, this.#state, message);
    } catch (error) {
      this.fail(error, message);
      // A timer's message or a notice has no sender that waits.
      if (message === queued) this.#tree.refuse(this, message, 'actor-failed');
      return;
    }
    if (this.#tree.turns.commit(this)) this.stop('stopped', 'stopped itself');
  }

  #start(): void {
    this.#tree.observe?.(this, undefined);
    try {
      this.#state = this.#tree.turns.runStart(this);
    } catch (error) {
      this.fail(error, undefined);
      return;
    }
    this.#hasState = true;
    this.#status = RUNNING;
    if (this.#tree.turns.commit(this)) this.stop('stopped', 'stopped itself');
  }

  #laneOf(message: unknown): Lane {
    try {
      return this.spec.laneOf?.(message) ?? 'work';
    } catch (error) {
      this.#tree.incidents.absorb('laneOf threw', this.path, error);
      return 'work';
    }
  }

  #offerToSelf(kind: SelfMessageKind, key: string, make: () => unknown): void {
    if (this.#status === STOPPED) return;
    const queued = makeSelfMessage(kind, key, make);
    const lane = queued.failure === undefined ? this.#laneOf(queued.message) : 'work';
    this.#selfMessages ??= new SelfMessages();
    this.#selfMessages.add(queued);
    this.#mailbox.force(lane, queued);
    this.#wake();
  }

  // --- Effects of its turns, called while they are carried out -------------------------------

  setTimer(delayMs: number, key: string, message: unknown): void {
    this.#selfMessages?.callOff('timer', key);
    this.#timers ??= new Timers(this.#tree.turns.clock);
    this.#timers.set(delayMs, key, () => {
      this.#offerToSelf('timer', key, () => message);
    });
  }

  cancelTimer(key: string): void {
    this.#selfMessages?.callOff('timer', key);
    this.#timers?.cancel(key);
  }

  watch(target: Address, as: NoticeMapping): void {
    this.#watching ??= new WatchList(this.#tree, this.ref, (key, mapping, terminated) => {
      this.#offerToSelf('notice', key, () => mapping(terminated));
    });
    this.#watching.watch(target, as);
  }

  unwatch(target: Address): void {
    const key = this.#watching?.unwatch(target);
    if (key !== undefined) this.#selfMessages?.callOff('notice', key);
  }

  addWatcher(watch: Watch): boolean {
    if (this.#status === STOPPED) return false;
    this.#watchers ??= new Watchers();
    this.#watchers.add(watch);
    return true;
  }

  // --- Children -----------------------------------------------------------------------------

  /** A child that will live if the turn that spawns it returns. Its name is taken from now on. */
  conceive<S, C>(spec: ActorSpec<S, C>, name: string): Cell {
    assert(this.#children?.has(name) !== true, `${this.path} already has a child '${name}'`);
    const child = new Cell(this.#tree, this, spec as unknown as AnySpec, name);
    this.#children ??= new Children();
    this.#children.add(child);
    return child;
  }

  /** Undoes `conceive`: the turn threw. */
  abandon(): void {
    this.#status = STOPPED;
    this.parent?.forget(this);
    this.#refuseQueued();
  }

  /** Begins to live: it can be found by path and will start in a turn of its own. */
  enter(): void {
    this.#tree.enter(this);
    this.#status = STARTING;
    this.#wake();
  }

  /** Receives from now on, without a start: a port, which has no state. */
  open(): void {
    this.#status = RUNNING;
  }

  forget(child: Cell): void {
    this.#children?.remove(child);
  }

  isAt(address: Address): boolean {
    const cell = Cell.of(address);
    if (cell !== undefined) return cell === this;
    return address.path === this.path && this.#tree.isOurs(address);
  }

  /** The living child at `address`, undefined when it has ended; asserts that it is ours. */
  childAt(address: Address): Cell | undefined {
    const cell = Cell.of(address);
    if (cell !== undefined) {
      assert(cell.parent === this, `${address.path} is not a child of ${this.path}`);
      return cell.alive ? cell : undefined;
    }
    const name = childNameOf(this.path, address);
    assert(address.node === this.#tree.node, `${address.path} is a child on another node`);
    return this.#tree.isOurs(address) ? this.#children?.get(name) : undefined;
  }

  #stopChildren(): void {
    if (this.#children === undefined) return;
    for (const child of this.#children.youngestFirst()) {
      child.stop('stopped', 'stopped by its parent');
    }
  }

  // --- Supervision --------------------------------------------------------------------------

  /** The actor failed with `error`: its policy decides. Its state is gone already. */
  fail(error: unknown, message: unknown): void {
    if (this.#status === STOPPED) return;
    this.#state = undefined;
    this.#hasState = false;
    const decision = this.#decide();
    this.#tree.incidents.reportFailure(this.path, error, message, decision);
    if (decision.do === 'restart') {
      this.#restarts = decision.history;
      this.#restart(decision.afterMs);
    } else {
      this.stop('failed', messageOf(error));
      if (decision.do === 'escalate') this.parent?.fail(error, undefined);
    }
  }

  #decide(): FailureDecision {
    try {
      const nowMs = this.#tree.turns.clock.nowMs();
      return decideAfterFailure(this.spec.supervision, this.#restarts, nowMs);
    } catch (error) {
      this.#tree.incidents.absorb('the supervision policy threw', this.path, error);
      return { do: 'stop', why: 'policy' };
    }
  }

  /** Keeps name, mailbox and watchers; children, timers and watches go with the state. */
  #restart(afterMs: number): void {
    this.#status = WAITING;
    this.#dropOwn();
    const begin = (): void => {
      this.#cancelBackoff = undefined;
      this.#status = STARTING;
      this.#wake();
    };
    if (afterMs > 0) this.#cancelBackoff = this.#tree.turns.clock.schedule(afterMs, begin);
    else begin();
  }

  #dropOwn(): void {
    this.#timers?.cancelAll();
    this.#watching?.clear();
    this.#selfMessages?.callOffAll();
    this.#stopChildren();
  }

  // --- Stop ---------------------------------------------------------------------------------

  /** From outside: the stop happens in a turn of its own, ahead of what is queued. */
  requestStop(): void {
    this.#stopRequested = true;
    this.#wake();
  }

  /** Children first, then last words, then queued messages are refused, then watchers learn. */
  stop(reason: StopReason, detail: string): void {
    if (this.#status === STOPPED) return;
    this.#status = STOPPED;
    this.#cancelBackoff?.();
    this.#dropOwn();
    this.#speakLastWords();
    this.#refuseQueued();
    this.parent?.forget(this);
    this.#tree.leave(this);
    const terminated = terminatedOf(this.ref, reason, detail);
    this.#watchers?.settle(terminated);
  }

  #speakLastWords(): void {
    const state = this.#state;
    this.#state = undefined;
    if (!this.#hasState || this.spec.onStop === undefined) return;
    this.#hasState = false;
    try {
      this.#tree.turns.runLastWords(this, state);
    } catch (error) {
      this.#tree.incidents.absorb('onStop threw', this.path, error);
    }
  }

  #refuseQueued(): void {
    while (this.#mailbox.size > 0) {
      const message = this.#mailbox.take();
      if (message instanceof SelfMessage) continue;
      this.#tree.refuse(this, message, 'actor-stopped');
    }
  }
}
