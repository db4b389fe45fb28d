/**
 * What a behaviour sees of the runtime: the implementation of `ActorContext` that both hosts share.
 *
 * Everything it does goes into the turn's effect buffer. It checks at once what would be a
 * programmer's error (a taken name, somebody else's child, a use outside the turn), so that the
 * assertion fails inside the behaviour that made it and its supervision policy applies.
 */

import type { ActorContext, ActorSpec, Address, Ref, Terminated, TimerKey } from './actor.ts';
import { assert } from './assert.ts';
import type { EffectChild } from './effects.ts';
import * as effects from './effects.ts';
import type { Logger } from './log.ts';
import type { Metrics } from './metrics.ts';
import type { Random } from './random.ts';
import type { Turns } from './turns.ts';

/** What a context needs of the actor it belongs to. */
export interface ContextOwner {
  readonly ref: Ref<unknown>;
  readonly path: string;
  conceive<S, C>(spec: ActorSpec<S, C>, name: string): EffectChild & { readonly ref: Address };
  isAt(address: Address): boolean;
  /** The living child there, undefined when it has ended; asserts that it is a child. */
  childAt(address: Address): EffectChild | undefined;
}

export class CellContext implements ActorContext<unknown> {
  readonly #cell: ContextOwner;
  readonly #turns: Turns;
  #random: Random | undefined;
  #log: Logger | undefined;

  constructor(cell: ContextOwner, turns: Turns) {
    this.#cell = cell;
    this.#turns = turns;
  }

  get self(): Ref<unknown> {
    return this.#cell.ref;
  }

  get nowMs(): number {
    return this.#turns.nowMs();
  }

  /** Made when first used; it goes on through restarts, lest a crash replays its own cause. */
  get random(): Random {
    this.#random ??= this.#turns.randomFor(this.#cell.path);
    return this.#random;
  }

  get log(): Logger {
    this.#log ??= this.#turns.log.child({ actor: this.#cell.path });
    return this.#log;
  }

  get metrics(): Metrics {
    return this.#turns.metrics;
  }

  tell<T>(to: Ref<T>, message: T): void {
    assert(this.#turns.running === this.#cell, 'a context was used outside its turn');
    this.#turns.effects.pushTell(to, message);
  }

  after(delayMs: number, key: TimerKey, message: unknown): void {
    this.#assertFullTurn();
    assert(delayMs >= 0 && delayMs < Infinity, 'a timer needs a finite delay, ms', delayMs);
    this.#turns.effects.push(effects.AFTER, delayMs, key, message);
  }

  cancel(key: TimerKey): void {
    this.#assertFullTurn();
    this.#turns.effects.push(effects.CANCEL, key);
  }

  spawn<S, C>(spec: ActorSpec<S, C>, name: string): Ref<C> {
    this.#assertFullTurn();
    const child = this.#cell.conceive(spec, name);
    this.#turns.effects.push(effects.SPAWN, child);
    return child.ref;
  }

  stop(child?: Address): void {
    this.#assertFullTurn();
    if (child === undefined || this.#cell.isAt(child)) {
      this.#turns.effects.push(effects.STOP_SELF);
      return;
    }
    const found = this.#cell.childAt(child);
    // One that ended by itself meanwhile is not an error: the news may still be on its way.
    if (found !== undefined) this.#turns.effects.push(effects.STOP_CHILD, found);
  }

  watch(target: Address, as: (terminated: Terminated) => unknown): void {
    this.#assertFullTurn();
    this.#turns.effects.push(effects.WATCH, target, as);
  }

  unwatch(target: Address): void {
    this.#assertFullTurn();
    this.#turns.effects.push(effects.UNWATCH, target);
  }

  #assertFullTurn(): void {
    assert(this.#turns.running === this.#cell, 'a context was used outside its turn');
    assert(!this.#turns.lastWords, 'the last words of an actor may tell, nothing else');
  }
}
