/**
 * The production host: runs the actors of one node on nact. The only file that imports nact.
 *
 * nact supplies the tree, the names, the scheduling and the stop: each actor is an actor of nact
 * under its parent, and the turns of the ready queue are messages to a pump actor of nact, so that
 * a turn begins in the event loop's next check phase and I/O runs between two turns. Everything
 * nact 7.6.2 is not to be trusted with lives in the cell: nact alone pays a `setImmediate`, a fresh
 * context and a copy of the children map for each message, loses messages on stop, and prints
 * payloads when an actor fails. No behaviour ever runs inside a nact actor other than the pump's,
 * and the pump never throws, so none of nact's own supervision applies.
 */

import type { Ref as NactRef } from 'nact';
import * as nact from 'nact';
import type { ActorHost, NodeId } from './actor.ts';
import type { HostLimits } from './actor-tree.ts';
import { ActorTree } from './actor-tree.ts';
import type { Cell, CellScheduler } from './cell.ts';
import type { Clock } from './clock.ts';
import { messageOf } from './errors.ts';
import type { Logger } from './log.ts';
import type { Metrics } from './metrics.ts';
import type { DrainLimits } from './ready-queue.ts';
import { defaultDrainLimits, ReadyQueue } from './ready-queue.ts';

export interface NactHostOptions {
  readonly node: NodeId;
  readonly clock: Clock;
  /** Seeds the random streams of the actors. */
  readonly seed: number;
  readonly log: Logger;
  readonly metrics: Metrics;
  readonly limits?: Partial<HostLimits & DrainLimits>;
}

type NactActor = NactRef<unknown>;

/** Wakes nact's actors; the pump looks at the ready queue, not at the message. */
const WAKE = 'wake';

/** The tree of actors in nact, and the pump. */
class NactScheduler implements CellScheduler {
  readonly #system = nact.start();
  /** Guardian of our actors, so that the pump's name is free. */
  readonly #root: NactActor;
  readonly #pump: NactActor;
  readonly #ready: ReadyQueue;
  readonly #log: Logger;
  #scheduled = false;
  /** Actors that nact has not finished stopping. */
  #living = 0;
  #onIdle: (() => void) | undefined;

  constructor(limits: DrainLimits, log: Logger) {
    this.#ready = new ReadyQueue(limits);
    this.#log = log;
    this.#root = this.#spawn(this.#system, 'actors', () => undefined);
    this.#pump = this.#spawn(this.#system, 'pump', () => {
      this.#turn();
    });
  }

  ready(cell: Cell): void {
    this.#ready.push(cell);
    this.#schedule();
  }

  entered(cell: Cell): void {
    const parent = (cell.parent?.attachment as NactActor | undefined) ?? this.#root;
    this.#living += 1;
    const forward = (message: unknown): void => {
      cell.offer(message);
    };
    cell.attachment = this.#spawn(parent, cell.name, forward, () => {
      this.#living -= 1;
      this.#settle();
    });
  }

  left(cell: Cell): void {
    if (cell.attachment === undefined) return;
    nact.stop(cell.attachment as NactActor);
    cell.attachment = undefined;
  }

  /** Calls back once when nothing is ready and nact has stopped all of our actors. */
  whenIdle(then: () => void): void {
    this.#onIdle = then;
    this.#schedule();
  }

  end(): void {
    nact.stop(this.#system);
  }

  #schedule(): void {
    if (this.#scheduled) return;
    this.#scheduled = true;
    nact.dispatch(this.#pump, WAKE);
  }

  #turn(): void {
    this.#scheduled = false;
    try {
      this.#ready.drain(monotonicMs);
    } catch (error) {
      // A defect of the runtime itself: the pump must survive it, or every actor is wedged.
      this.#log.error('a turn of the ready queue threw', { error: messageOf(error) });
    }
    if (this.#ready.size > 0) this.#schedule();
    else this.#settle();
  }

  #settle(): void {
    if (this.#onIdle === undefined || this.#living > 0 || this.#ready.size > 0) return;
    const then = this.#onIdle;
    this.#onIdle = undefined;
    then();
  }

  #spawn(
    parent: NactActor,
    name: string,
    receive: (message: unknown) => void,
    afterStop: () => void = () => undefined,
  ): NactActor {
    // Told by name, since its types know a generic that its values do not.
    const properties = { afterStop, onCrash: stopOnCrash };
    const behaviour = (_state: unknown, message: unknown): void => {
      receive(message);
    };
    return nact.spawn(parent as never, behaviour as never, name, properties as never);
  }
}

/** Never reached, since receivers do not throw; there so that nact's default prints no payload. */
function stopOnCrash(
  _message: unknown,
  _error: unknown,
  context: { readonly stop: unknown },
): unknown {
  return context.stop;
}

function monotonicMs(): number {
  return performance.now();
}

class NactHost extends ActorTree implements ActorHost {
  readonly #nact: NactScheduler;
  #shutdown: Promise<void> | undefined;

  constructor(options: NactHostOptions) {
    const limits = { ...defaultDrainLimits, ...options.limits };
    const scheduler = new NactScheduler(limits, options.log);
    super(options, scheduler);
    this.#nact = scheduler;
  }

  shutdown(): Promise<void> {
    this.#shutdown ??= new Promise((resolve) => {
      this.stopAll();
      this.#nact.whenIdle(() => {
        this.closePorts();
        this.#nact.end();
        resolve();
      });
    });
    return this.#shutdown;
  }
}

/** A host of one node on nact. Its actors run only within the pump's turns, never in the caller. */
export function createNactHost(options: NactHostOptions): ActorHost {
  return new NactHost(options);
}
