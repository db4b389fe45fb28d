/**
 * The effects of the turn that is running: buffered until the behaviour returns, then carried out
 * in the order they were asked for, or discarded when it threw.
 *
 * One buffer serves all actors of a host, since turns do not overlap; it is a stack of segments,
 * because carrying out a `stop` runs the last words of the stopped actor within it. The arrays are
 * kept between turns: nothing is allocated for an effect.
 */

import type { Address, StopReason, Terminated, TimerKey } from './actor.ts';

export const TELL = 0;
export const AFTER = 1;
export const CANCEL = 2;
export const SPAWN = 3;
export const STOP_CHILD = 4;
export const STOP_SELF = 5;
export const WATCH = 6;
export const UNWATCH = 7;

export type EffectKind =
  | typeof TELL
  | typeof AFTER
  | typeof CANCEL
  | typeof SPAWN
  | typeof STOP_CHILD
  | typeof STOP_SELF
  | typeof WATCH
  | typeof UNWATCH;

/** Where messages go; the tree of actors. Must not throw. */
export interface EffectTarget {
  tell(to: Address, message: unknown): void;
}

/** Carries out what the actor asked for itself. Must not throw. */
export interface EffectActor {
  setTimer(delayMs: number, key: TimerKey, message: unknown): void;
  cancelTimer(key: TimerKey): void;
  watch(target: Address, as: (terminated: Terminated) => unknown): void;
  unwatch(target: Address): void;
}

/** A child between the `spawn` that conceived it and the end of that turn. */
export interface EffectChild {
  /** The turn returned: it begins to live. */
  enter(): void;
  /** The turn threw: it never lived. */
  abandon(): void;
  stop(reason: StopReason, detail: string): void;
}

export class EffectBuffer {
  readonly #kinds: EffectKind[] = [];
  readonly #firsts: unknown[] = [];
  readonly #seconds: unknown[] = [];
  readonly #thirds: unknown[] = [];
  #size = 0;

  /** Where the next segment starts. */
  get size(): number {
    return this.#size;
  }

  pushTell(to: Address, message: unknown): void {
    const at = this.#size;
    this.#kinds[at] = TELL;
    this.#firsts[at] = to;
    this.#seconds[at] = message;
    this.#size = at + 1;
  }

  push(kind: EffectKind, first?: unknown, second?: unknown, third?: unknown): void {
    const at = this.#size;
    this.#kinds[at] = kind;
    this.#firsts[at] = first;
    this.#seconds[at] = second;
    this.#thirds[at] = third;
    this.#size = at + 1;
  }

  /** Forgets the segment from `base` on; children that were about to be spawned never lived. */
  discard(base: number): void {
    for (let at = base; at < this.#size; at += 1) {
      if (this.#kinds[at] === SPAWN) (this.#firsts[at] as EffectChild).abandon();
    }
    this.#truncate(base);
  }

  /**
   * Carries out the segment from `base` on for `actor`. Returns whether the actor stopped itself:
   * that comes last, so that what it told after `ctx.stop()` still leaves before its last words.
   */
  commit(base: number, actor: EffectActor, target: EffectTarget): boolean {
    const end = this.#size;
    let stopSelf = false;
    try {
      for (let at = base; at < end; at += 1) {
        if (this.#kinds[at] === TELL) {
          target.tell(this.#firsts[at] as Address, this.#seconds[at]);
        } else if (this.#kinds[at] === STOP_SELF) {
          stopSelf = true;
        } else {
          this.#carryOut(at, actor);
        }
      }
    } finally {
      this.#truncate(base);
    }
    return stopSelf;
  }

  #carryOut(at: number, actor: EffectActor): void {
    const first = this.#firsts[at];
    switch (this.#kinds[at]) {
      case AFTER:
        actor.setTimer(first as number, this.#seconds[at] as string, this.#thirds[at]);
        return;
      case CANCEL:
        actor.cancelTimer(first as string);
        return;
      case SPAWN:
        (first as EffectChild).enter();
        return;
      case STOP_CHILD:
        (first as EffectChild).stop('stopped', 'stopped by its parent');
        return;
      case WATCH:
        actor.watch(first as Address, this.#seconds[at] as (terminated: Terminated) => unknown);
        return;
      case UNWATCH:
        actor.unwatch(first as Address);
        return;
      default:
        return;
    }
  }

  /** Lets go of what the segment referred to, so that the buffer keeps no message alive. */
  #truncate(base: number): void {
    for (let at = base; at < this.#size; at += 1) {
      this.#firsts[at] = undefined;
      this.#seconds[at] = undefined;
      if (this.#kinds[at] !== TELL) this.#thirds[at] = undefined;
    }
    this.#size = base;
  }
}
