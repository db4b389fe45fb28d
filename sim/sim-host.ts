/**
 * The simulator's host: the same cells as in production, their turns events of virtual time.
 *
 * A message makes its receiver's turn an event at the same virtual time; which of several turns due
 * at one time comes first is drawn from the seed. So interleavings differ from seed to seed and
 * replay with it, while messages from one actor to another keep their order (they lie in one
 * mailbox). Randomness is split by purpose: interleaving and each actor draw from their own stream.
 */

import type { ActorHost, DeadLetterReason, NodeId } from '../runtime/actor.ts';
import type { HostLimits } from '../runtime/actor-tree.ts';
import { ActorTree } from '../runtime/actor-tree.ts';
import { assert, AssertionFailed } from '../runtime/assert.ts';
import type { Cell, CellScheduler } from '../runtime/cell.ts';
import type { Cancel, Clock } from '../runtime/clock.ts';
import type { Logger } from '../runtime/log.ts';
import { silentLogger } from '../runtime/log.ts';
import type { Metrics } from '../runtime/metrics.ts';
import { silentMetrics } from '../runtime/metrics.ts';
import { splitRandom } from '../runtime/random.ts';
import type { SimEvent } from './event-heap.ts';
import { VirtualClock } from './virtual-clock.ts';

/** One turn of an actor, before it runs. */
export interface TraceEntry {
  readonly atMs: number;
  readonly node: NodeId;
  readonly path: string;
  /** Undefined for a start. Not to be kept beyond the call: its owner may go on to change it. */
  readonly message: unknown;
}

export interface SimulationOptions {
  readonly seed: number;
  /** `random` (default): drawn from the seed. `fifo`: first in, first out. */
  readonly interleaving?: 'random' | 'fifo';
  /**
   * Virtual time from a message to its turn, default 0. Above 0, actors that tell each other
   * messages for ever let time pass, as they would in reality.
   */
  readonly turnMs?: number;
  /** A failed assertion in an actor ends the run: it is a programmer's error. Default: true. */
  readonly failOnAssertion?: boolean;
  readonly eventsPerInstantMax?: number;
  readonly trace?: (entry: TraceEntry) => void;
}

export interface SimHostOptions {
  readonly log?: Logger;
  readonly metrics?: Metrics;
  readonly limits?: Partial<HostLimits>;
  /** How far this node's clock is ahead of virtual time, ms; no two nodes agree on zero. */
  readonly aheadMs?: number;
}

export interface SimHost extends ActorHost {
  /** This node's view of the time; its timers end when it crashes. */
  readonly clock: Clock;
  /** The process stands still for so long: turns and timers that fall due wait until it goes on. */
  freeze(forMs: number): void;
  /** Its clock jumps ahead; timers stay as long as they were. */
  jumpClock(byMs: number): void;
  /** The process is gone at once: no last words, no notices, nothing runs or arrives any more. */
  crash(): void;
}

export interface Simulation {
  readonly seed: number;
  readonly clock: VirtualClock;
  nowMs(): number;
  host(node: NodeId, options?: SimHostOptions): SimHost;
  /** Runs everything that is due up to and including `untilMs`; returns the number of events. */
  run(untilMs: number): number;
  /** Runs until no event is left, or `eventsMax` of them ran; returns the number of events. */
  runUntilIdle(eventsMax?: number): number;
  /** Runs until no actor has anything to do; timers that lie ahead stay. Returns the events. */
  settle(eventsMax?: number): number;
}

/** The turn of one cell as an event; one object for all its turns. */
class CellTurn implements SimEvent {
  readonly #scheduler: SimScheduler;
  readonly #cell: Cell;

  constructor(scheduler: SimScheduler, cell: Cell) {
    this.#scheduler = scheduler;
    this.#cell = cell;
  }

  fire(): void {
    this.#scheduler.runTurn(this.#cell);
  }
}

/** Turns that wait, over all hosts of a simulation. */
interface Pending {
  turns: number;
}

class SimScheduler implements CellScheduler {
  readonly #clock: VirtualClock;
  readonly #turnMs: number;
  readonly #pending: Pending;
  #waiting = 0;
  #crashed = false;
  #thawsAtMs = 0;
  #onIdle: (() => void) | undefined;

  constructor(clock: VirtualClock, turnMs: number, pending: Pending) {
    this.#clock = clock;
    this.#turnMs = turnMs;
    this.#pending = pending;
  }

  get crashed(): boolean {
    return this.#crashed;
  }

  /** How long this node still stands still, ms. */
  get frozenMs(): number {
    return this.#thawsAtMs - this.#clock.nowMs();
  }

  freeze(forMs: number): void {
    this.#thawsAtMs = Math.max(this.#thawsAtMs, this.#clock.nowMs() + forMs);
  }

  ready(cell: Cell): void {
    if (this.#crashed) return;
    this.#waiting += 1;
    this.#pending.turns += 1;
    cell.attachment ??= new CellTurn(this, cell);
    this.#clock.push(this.#turnMs, cell.attachment as CellTurn);
  }

  runTurn(cell: Cell): void {
    if (this.#thawsAtMs > 0 && this.frozenMs > 0 && !this.#crashed) {
      this.#clock.push(this.frozenMs, cell.attachment as CellTurn);
      return;
    }
    this.#waiting -= 1;
    this.#pending.turns -= 1;
    if (this.#crashed) return;
    cell.run(1);
    if (this.#waiting === 0) this.#settle();
  }

  entered(): void {
    // The tree of cells is all there is: no second one to keep in step with it.
  }

  left(): void {
    // As above.
  }

  whenIdle(then: () => void): void {
    this.#onIdle = then;
    if (this.#waiting === 0)
      this.#clock.schedule(0, () => {
        this.#settle();
      });
  }

  crash(): void {
    this.#crashed = true;
  }

  #settle(): void {
    const then = this.#onIdle;
    this.#onIdle = undefined;
    then?.();
  }
}

class VirtualHost extends ActorTree implements SimHost {
  readonly clock: NodeClock;
  readonly #scheduler: SimScheduler;
  #shutdown: Promise<void> | undefined;

  constructor(
    node: NodeId,
    seed: number,
    clock: NodeClock,
    scheduler: SimScheduler,
    options: SimHostOptions,
  ) {
    const log = options.log ?? silentLogger;
    const metrics = options.metrics ?? silentMetrics;
    super({ node, clock, seed, log, metrics, limits: options.limits ?? {} }, scheduler);
    this.clock = clock;
    this.#scheduler = scheduler;
  }

  override deliver(path: string, message: unknown): DeadLetterReason | undefined {
    return this.#scheduler.crashed ? 'node-unreachable' : super.deliver(path, message);
  }

  crash(): void {
    this.#scheduler.crash();
  }

  freeze(forMs: number): void {
    this.#scheduler.freeze(forMs);
  }

  jumpClock(byMs: number): void {
    this.clock.aheadMs += byMs;
  }

  shutdown(): Promise<void> {
    this.#shutdown ??= new Promise((resolve) => {
      this.stopAll();
      this.#scheduler.whenIdle(() => {
        this.closePorts();
        resolve();
      });
    });
    return this.#shutdown;
  }
}

class VirtualWorld implements Simulation {
  readonly seed: number;
  readonly clock: VirtualClock;
  readonly #options: SimulationOptions;
  readonly #pending: Pending = { turns: 0 };
  readonly #nodes = new Set<NodeId>();
  #defect: AssertionFailed | undefined;

  constructor(options: SimulationOptions) {
    this.seed = options.seed;
    this.#options = options;
    const random = options.interleaving !== 'fifo';
    this.clock = new VirtualClock({
      ...(random ? { tieBreak: splitRandom(options.seed, 'interleaving') } : {}),
      ...(options.eventsPerInstantMax === undefined
        ? {}
        : { eventsPerInstantMax: options.eventsPerInstantMax }),
    });
  }

  nowMs(): number {
    return this.clock.nowMs();
  }

  host(node: NodeId, options: SimHostOptions = {}): SimHost {
    // A node that crashed may come back, so a name is not taken for ever; the seed must differ.
    const life = this.#nodes.has(node) ? `${node} again at ${String(this.nowMs())}` : node;
    this.#nodes.add(node);
    const scheduler = new SimScheduler(this.clock, this.#options.turnMs ?? 0, this.#pending);
    const seed = Math.floor(splitRandom(this.seed, `host ${life}`)() * 2 ** 32);
    const clock = new NodeClock(this.clock, scheduler, options.aheadMs ?? 0);
    const host = new VirtualHost(node, seed, clock, scheduler, options);
    this.#observe(host);
    return host;
  }

  run(untilMs: number): number {
    let events = 0;
    while (this.clock.nextDueMs <= untilMs) events += this.#step();
    this.clock.advanceTo(untilMs);
    return events;
  }

  runUntilIdle(eventsMax = Infinity): number {
    let events = 0;
    while (events < eventsMax && this.clock.nextDueMs < Infinity) events += this.#step();
    return events;
  }

  settle(eventsMax = Infinity): number {
    let events = 0;
    while (events < eventsMax && this.#hasTurnOrIsDue()) events += this.#step();
    return events;
  }

  #hasTurnOrIsDue(): boolean {
    return this.#pending.turns > 0 || this.clock.nextDueMs <= this.clock.nowMs();
  }

  #step(): number {
    assert(this.clock.step(), 'a turn was pending but no event was');
    if (this.#defect !== undefined) throw this.#defect;
    return 1;
  }

  #observe(host: VirtualHost): void {
    const { trace, failOnAssertion } = this.#options;
    if (trace !== undefined) {
      host.observe = (cell, message) => {
        trace({ atMs: this.nowMs(), node: host.node, path: cell.path, message });
      };
    }
    if (failOnAssertion === false) return;
    host.incidents.observe = (error) => {
      if (error instanceof AssertionFailed) this.#defect ??= error;
    };
  }
}

/** Virtual time as one node sees it. */
class NodeClock implements Clock {
  aheadMs: number;
  readonly #clock: VirtualClock;
  readonly #scheduler: SimScheduler;

  constructor(clock: VirtualClock, scheduler: SimScheduler, aheadMs: number) {
    this.#clock = clock;
    this.#scheduler = scheduler;
    this.aheadMs = aheadMs;
  }

  nowMs(): number {
    return this.#clock.nowMs() + this.aheadMs;
  }

  wallMs(): number {
    return this.#clock.wallMs() + this.aheadMs;
  }

  schedule(delayMs: number, callback: () => void): Cancel {
    return this.#clock.schedule(delayMs, callback, this.#scheduler);
  }
}

/** A world of virtual time that any number of hosts share. */
export function createSimulation(options: SimulationOptions): Simulation {
  return new VirtualWorld(options);
}
