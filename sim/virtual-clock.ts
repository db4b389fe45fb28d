/**
 * Virtual time: it stands still while an event runs and jumps to the next one. All hosts of a
 * simulation share one clock, and everything that happens is an event of it.
 */

import { assert } from '../runtime/assert.ts';
import type { Cancel, Clock } from '../runtime/clock.ts';
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

class ClockTimer implements SimEvent {
  callback: (() => void) | undefined;

  constructor(callback: () => void) {
    this.callback = callback;
  }

  fire(): void {
    this.callback?.();
  }
}

export class VirtualClock implements Clock {
  readonly #heap = new EventHeap();
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

  schedule(delayMs: number, callback: () => void): Cancel {
    const timer = new ClockTimer(callback);
    this.push(delayMs, timer);
    return () => {
      if (timer.callback === undefined) return;
      timer.callback = undefined;
      this.#cancelled += 1;
      this.#sweep();
    };
  }

  /** An event after `delayMs` that cannot be called off; allocates nothing. */
  push(delayMs: number, event: SimEvent): void {
    assert(delayMs >= 0, `an event cannot be due ${String(delayMs)} ms from now`);
    const tie = this.#tieBreak === undefined ? 0 : this.#tieBreak();
    this.#heap.push(this.#nowMs + delayMs, tie, event);
  }

  /** When the next event is due; Infinity when there is none. */
  get nextDueMs(): number {
    return this.#heap.nextDueMs;
  }

  /** Runs the next event and moves time to it. False when there is none. */
  step(): boolean {
    if (this.#heap.size === 0) return false;
    const dueMs = this.#heap.nextDueMs;
    if (dueMs > this.#nowMs) {
      this.#nowMs = dueMs;
      this.#eventsNow = 0;
    }
    this.#eventsNow += 1;
    assert(
      this.#eventsNow <= this.#eventsPerInstantMax,
      `time stands still at ${String(this.#nowMs)} ms: too many events at one instant`,
    );
    const event = this.#heap.pop();
    if (event instanceof ClockTimer) this.#fireTimer(event);
    else event.fire();
    return true;
  }

  /** Moves time on to `untilMs`, when no event is due before. */
  advanceTo(untilMs: number): void {
    assert(untilMs <= this.#heap.nextDueMs, 'an event is due before that');
    if (untilMs <= this.#nowMs) return;
    this.#nowMs = untilMs;
    this.#eventsNow = 0;
  }

  #fireTimer(timer: ClockTimer): void {
    const { callback } = timer;
    if (callback === undefined) {
      this.#cancelled -= 1;
      return;
    }
    timer.callback = undefined;
    callback();
  }

  /** Long timeouts are mostly cancelled: without sweeping they would fill the heap. */
  #sweep(): void {
    if (this.#cancelled < SWEEP_MIN || this.#cancelled * 2 < this.#heap.size) return;
    this.#heap.sweep((event) => !(event instanceof ClockTimer) || event.callback !== undefined);
    this.#cancelled = 0;
  }
}
