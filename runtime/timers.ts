/**
 * The timers of one actor, by key: setting a key again replaces its timer, and all of them end with
 * the actor or its restart. Time comes from the clock port.
 */

import type { TimerKey } from './actor.ts';
import type { Cancel, Clock } from './clock.ts';

export class Timers {
  readonly #clock: Clock;
  readonly #running = new Map<TimerKey, Cancel>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  set(delayMs: number, key: TimerKey, fire: () => void): void {
    this.cancel(key);
    const cancel = this.#clock.schedule(delayMs, () => {
      // Also when a clock calls back in spite of a cancel: only the timer that is known may fire.
      if (this.#running.get(key) !== cancel) return;
      this.#running.delete(key);
      fire();
    });
    this.#running.set(key, cancel);
  }

  cancel(key: TimerKey): void {
    const cancel = this.#running.get(key);
    if (cancel === undefined) return;
    this.#running.delete(key);
    cancel();
  }

  cancelAll(): void {
    for (const cancel of this.#running.values()) cancel();
    this.#running.clear();
  }
}
