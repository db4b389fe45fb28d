/**
 * The one queue of actors that have something to do, and how much of it a turn of the event loop
 * may take: about 1 ms or N messages, then I/O runs.
 *
 * Actors take turns of a few messages, so that one that floods itself starves nobody. Reading the
 * clock costs a good part of a message, so it is read after chunks that double while they are cheap
 * and start at one message in each turn: a slow behaviour is noticed at once.
 */

import type { Cell } from './cell.ts';
import { Ring } from './mailbox.ts';

export interface DrainLimits {
  /** How long a turn may last before I/O gets its chance, in milliseconds. */
  readonly turnMs: number;
  readonly turnMessagesMax: number;
  /** Most messages an actor handles before the next actor's go. */
  readonly goMessagesMax: number;
}

export const defaultDrainLimits: DrainLimits = {
  turnMs: 1,
  turnMessagesMax: 10_000,
  goMessagesMax: 16,
};

/** Most messages between two readings of the clock. */
const CHUNK_MAX = 64;

export class ReadyQueue {
  readonly #ring = new Ring<Cell>();
  readonly #limits: DrainLimits;

  constructor(limits: DrainLimits) {
    this.#limits = limits;
  }

  get size(): number {
    return this.#ring.size;
  }

  push(cell: Cell): void {
    this.#ring.push(cell);
  }

  /** One turn. Afterwards `size` says whether another is needed. */
  drain(nowMs: () => number): void {
    const { turnMs, turnMessagesMax } = this.#limits;
    const startMs = nowMs();
    let seenMs = startMs;
    let handled = 0;
    let chunk = 1;
    while (this.#ring.size > 0 && handled < turnMessagesMax) {
      handled += this.#runChunk(chunk);
      const atMs = nowMs();
      if (atMs - startMs >= turnMs) return;
      chunk = atMs - seenMs > turnMs / 8 ? 1 : Math.min(CHUNK_MAX, chunk * 2);
      seenMs = atMs;
    }
  }

  #runChunk(messages: number): number {
    const { goMessagesMax } = this.#limits;
    let left = messages;
    while (left > 0 && this.#ring.size > 0) {
      left -= this.#ring.shift().run(left < goMessagesMax ? left : goMessagesMax);
    }
    return messages - left;
  }
}
