/**
 * Runs one behaviour call as a turn: its effects are carried out when it returns and forgotten when
 * it throws. One per host, since turns do not overlap, except that last words are spoken while the
 * stop that asked for them is carried out.
 */

import type { ActorContext, ActorSpec } from './actor.ts';
import type { Clock } from './clock.ts';
import type { EffectActor, EffectTarget } from './effects.ts';
import { EffectBuffer } from './effects.ts';
import type { Logger } from './log.ts';
import type { Metrics } from './metrics.ts';
import type { Random } from './random.ts';
import { splitRandom } from './random.ts';

export interface TurnPorts {
  readonly clock: Clock;
  readonly seed: number;
  readonly log: Logger;
  readonly metrics: Metrics;
}

/** An actor as a turn sees it. */
export interface TurnTaker extends EffectActor {
  readonly spec: ActorSpec<unknown, unknown>;
  readonly context: ActorContext<unknown>;
}

export class Turns {
  readonly effects = new EffectBuffer();
  readonly clock: Clock;
  readonly log: Logger;
  readonly metrics: Metrics;
  /** The actor whose behaviour is being called. */
  running: object | undefined;
  /** Whether what is being called is its `onStop`. */
  lastWords = false;
  readonly #seed: number;
  readonly #target: EffectTarget;
  #nowMs = Number.NaN;

  constructor(ports: TurnPorts, target: EffectTarget) {
    this.clock = ports.clock;
    this.log = ports.log;
    this.metrics = ports.metrics;
    this.#seed = ports.seed;
    this.#target = target;
  }

  /**
   * The turn's time. Read when first asked for, since most turns never ask and reading the clock
   * costs a fifth of a message; constant afterwards.
   */
  nowMs(): number {
    if (Number.isNaN(this.#nowMs)) this.#nowMs = this.clock.nowMs();
    return this.#nowMs;
  }

  randomFor(path: string): Random {
    return splitRandom(this.#seed, `actor ${path}`);
  }

  /** Calls the behaviour. Effects are out when it returns; an error comes back as it was thrown. */
  runMessage(cell: TurnTaker, state: unknown, message: unknown): unknown {
    const base = this.effects.size;
    this.running = cell;
    this.#nowMs = Number.NaN;
    try {
      const next = cell.spec.behaviour(state, message, cell.context);
      this.running = undefined;
      return next;
    } catch (error) {
      this.running = undefined;
      this.effects.discard(base);
      throw error;
    }
  }

  /** Builds a state, like `runMessage`. */
  runStart(cell: TurnTaker): unknown {
    const base = this.effects.size;
    this.running = cell;
    this.#nowMs = Number.NaN;
    try {
      return cell.spec.start(cell.context);
    } catch (error) {
      this.effects.discard(base);
      throw error;
    } finally {
      this.running = undefined;
    }
  }

  /** Calls `onStop` and carries out what it told; its throw is the caller's to absorb. */
  runLastWords(cell: TurnTaker, state: unknown): void {
    const base = this.effects.size;
    this.running = cell;
    this.lastWords = true;
    this.#nowMs = Number.NaN;
    try {
      cell.spec.onStop?.(state, cell.context);
    } catch (error) {
      this.effects.discard(base);
      throw error;
    } finally {
      this.running = undefined;
      this.lastWords = false;
    }
    this.effects.commit(base, cell, this.#target);
  }

  /** Carries out the effects of the turn that just returned; true when the actor stopped itself. */
  commit(cell: TurnTaker): boolean {
    return this.effects.size !== 0 && this.effects.commit(0, cell, this.#target);
  }
}
