/**
 * The bounded two-lane mailbox of one actor: control messages overtake work.
 *
 * nact's own mailbox is never trusted with a query: it is unbounded, and what it has scheduled is
 * lost on stop. This one refuses when a lane is full, so that overload becomes a typed answer, and
 * can be emptied by its owner on stop, so that nothing is dropped silently. Rings grow lazily to
 * what is needed; an idle actor holds no array, and no message allocates one of its own.
 */

import type { Lane } from './actor.ts';

const CAPACITY_MIN = 8;

/** A FIFO on a power-of-two array that doubles when full and never shrinks. */
export class Ring<T> {
  #slots: (T | undefined)[] = [];
  #head = 0;
  #size = 0;

  get size(): number {
    return this.#size;
  }

  push(item: T): void {
    if (this.#size === this.#slots.length) this.#grow();
    this.#slots[(this.#head + this.#size) & (this.#slots.length - 1)] = item;
    this.#size += 1;
  }

  /** The oldest item. Only to be called when `size` is above 0: items may be undefined. */
  shift(): T {
    const item = this.#slots[this.#head] as T;
    this.#slots[this.#head] = undefined;
    this.#head = (this.#head + 1) & (this.#slots.length - 1);
    this.#size -= 1;
    return item;
  }

  #grow(): void {
    const before = this.#slots;
    const after = new Array<T | undefined>(Math.max(CAPACITY_MIN, before.length * 2));
    for (let index = 0; index < this.#size; index += 1) {
      after[index] = before[(this.#head + index) & (before.length - 1)];
    }
    this.#slots = after;
    this.#head = 0;
  }
}

export class Mailbox {
  readonly #max: number;
  readonly #work = new Ring<unknown>();
  /** Most actors never get a control message, so the second lane is made when it is needed. */
  #control: Ring<unknown> | undefined;

  /** @param max Most messages waiting in each lane. */
  constructor(max: number) {
    this.#max = max;
  }

  get size(): number {
    return this.#work.size + (this.#control === undefined ? 0 : this.#control.size);
  }

  /** Takes the message, or returns false when its lane is full: the caller must then refuse it. */
  offer(lane: Lane, message: unknown): boolean {
    const ring = lane === 'work' ? this.#work : this.#controlLane();
    if (ring.size >= this.#max) return false;
    ring.push(message);
    return true;
  }

  /**
   * Takes the message whatever the bound. For what an actor asked for itself (a timer, a
   * `Terminated`): losing one would end a tick for ever, and their number is its own doing.
   */
  force(lane: Lane, message: unknown): void {
    (lane === 'work' ? this.#work : this.#controlLane()).push(message);
  }

  /** The next message, control before work. Only to be called when `size` is above 0. */
  take(): unknown {
    const control = this.#control;
    if (control !== undefined && control.size > 0) return control.shift();
    return this.#work.shift();
  }

  #controlLane(): Ring<unknown> {
    this.#control ??= new Ring();
    return this.#control;
  }
}
