/**
 * Virtual time: it stands still while an event runs and jumps to the next one. All hosts of a
 * simulation share one clock, and everything that happens is an event of it.
 */

import { assert } from '../runtime/assert.ts';
import type { Cancel, Clock } from '../runtime/clock.ts';
import { Ring } from '../runtime/mailbox.ts';
import type { Random } from '../runtime/random.ts';
import type { SimEvent } from './event-heap.ts';
import { EventHeap } from './event-heap.ts';

/** 2020-01-01T00:00:00Z: virtual wall-clock time starts here, so that records look like records. */
const WALL_START_MS = 1_577_836_800_000;

/** Below this many, cancelled timers are left to fall due. */
const SWEEP_MIN = 1024;

export interface VirtualClockOptions {
  /** Breaks ties among events due at the same time; without it they run first in, first out. */
  readonly tieBreak?: Random;
  /**
   * Most events at one virtual instant. More means that actors go round in circles without time
   * passing, which would hang the simulation: an assertion fails instead. Default: 10 million.
   */
  readonly eventsPerInstantMax?: number;
}

/** What may hold a timer up: the process that it belongs to. */
export interface TimerGate {
  /** Gone: its timers never fire. */
  readonly crashed: boolean;
  /** How long it still stands still, ms; its timers wait for that. */
  readonly frozenMs: number;
}

class ClockTimer implements SimEvent {
  callback: (() => void) | undefined;
  readonly #clock: VirtualClock;
  readonly #gate: TimerGate | undefined;

  constructor(clock: VirtualClock, callback: () => void, gate: TimerGate | undefined) {
    this.callback = callback;
    this.#clock = clock;
    this.#gate = gate;
  }

  fire(): void {
    const { callback } = this;
    if (callback === undefined) {
      this.#clock.passCancelled();
      return;
    }
    if (this.#gate !== undefined) {
      if (this.#gate.crashed) return;
      if (this.#gate.frozenMs > 0) {
        this.#clock.push(this.#gate.frozenMs, this);
        return;
      }
    }
    this.callback = undefined;
    callback();
  }

  cancel(): void {
    if (this.callback === undefined) return;
    this.callback = undefined;
    this.#clock.countCancelled();
  }
}

export class VirtualClock implements Clock {
  readonly #heap = new EventHeap();
  /**
   * What became due at this very instant, where events run first in, first out: all that is in the
   * heap for now was pushed before, so a queue has the same order and costs less than a heap.
   */
  readonly #dueNow = new Ring<SimEvent>();
  readonly #tieBreak: Random | undefined;
  readonly #eventsPerInstantMax: number;
  #nowMs = 0;
  #eventsNow = 0;
  #cancelled = 0;

  constructor(options: VirtualClockOptions = {}) {
    this.#tieBreak = options.tieBreak;
    this.#eventsPerInstantMax = options.eventsPerInstantMax ?? 10_000_000;
  }

  nowMs(): number {
    return this.#nowMs;
  }

  wallMs(): number {
    return WALL_START_MS + this.#nowMs;
  }

  /** @param gate Of the process whose timer it is. */
  schedule(delayMs: number, callback: () => void, gate?: TimerGate): Cancel {
    const timer = new ClockTimer(this, callback, gate);
    this.push(delayMs, timer);
    return () => {
      timer.cancel();
    };
  }

  /** An event after `delayMs` that cannot be called off; allocates nothing. */
  push(delayMs: number, event: SimEvent): void {
    assert(delayMs >= 0, 'an event cannot have been due before now, ms', delayMs);
    const dueMs = this.#nowMs + delayMs;
    if (this.#tieBreak !== undefined) this.#heap.push(dueMs, this.#tieBreak(), event);
    else if (dueMs > this.#nowMs) this.#heap.push(dueMs, 0, event);
    else this.#dueNow.push(event);
  }

  /** When the next event is due; Infinity when there is none. */
  get nextDueMs(): number {
    return this.#dueNow.size > 0 ? this.#nowMs : this.#heap.nextDueMs;
  }

  /** Runs the next event and moves time to it. False when there is none. */
  step(): boolean {
    const dueMs = this.#heap.nextDueMs;
    const isQueued = this.#dueNow.size > 0 && dueMs > this.#nowMs;
    if (!isQueued && this.#heap.size === 0) return false;
    if (!isQueued && dueMs > this.#nowMs) {
      this.#nowMs = dueMs;
      this.#eventsNow = 0;
    }
    this.#eventsNow += 1;
    assert(
      this.#eventsNow <= this.#eventsPerInstantMax,
      'time stands still, with too many events at one instant, ms',
      this.#nowMs,
    );
    const event = isQueued ? this.#dueNow.shift() : this.#heap.pop();
    event.fire();
    return true;
  }

  /** Moves time on to `untilMs`, when no event is due before. */
  advanceTo(untilMs: number): void {
    assert(untilMs <= this.nextDueMs, 'an event is due before that');
    if (untilMs <= this.#nowMs) return;
    this.#nowMs = untilMs;
    this.#eventsNow = 0;
  }

  /** A cancelled timer was due, and is gone. */
  passCancelled(): void {
    if (this.#cancelled > 0) this.#cancelled -= 1;
  }

  /** Long timeouts are mostly cancelled: without sweeping they would fill the heap. */
  countCancelled(): void {
    this.#cancelled += 1;
    if (this.#cancelled < SWEEP_MIN || this.#cancelled * 2 < this.#heap.size) return;
    this.#heap.sweep((event) => !(event instanceof ClockTimer) || event.callback !== undefined);
    this.#cancelled = 0;
  }
}
