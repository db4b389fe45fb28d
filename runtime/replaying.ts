/**
 * Plays recorded turns (`recording.ts`) again: each actor is given what it was given then, at the
 * time it was then, and what it tells is handed back. Timers and watches do nothing here: what they
 * led to was recorded as messages.
 */

import type { ActorContext, ActorSpec, Ref } from './actor.ts';
import { refOf } from './actor.ts';
import { assert } from './assert.ts';
import type { Logger } from './log.ts';
import type { Metrics } from './metrics.ts';
import type { Told, TurnBegun } from './recording.ts';

export interface ReplayedTurn extends TurnBegun {
  readonly drawn: readonly number[];
}

export interface Replayed {
  readonly told: readonly Told[];
  readonly threw: boolean;
}

type AnySpec = ActorSpec<unknown, unknown>;

interface Player {
  readonly spec: AnySpec;
  state: unknown;
}

/** The actors of one node. Time, chance and refs are those of the recording. */
export class ReplayHost {
  readonly #log: Logger;
  readonly #metrics: Metrics;
  readonly #players = new Map<string, Player>();

  constructor(log: Logger, metrics: Metrics) {
    this.#log = log;
    this.#metrics = metrics;
  }

  /** An actor that nobody spawns within the recording. */
  add<S, M>(path: string, spec: ActorSpec<S, M>): void {
    this.#players.set(path, { spec: spec as unknown as AnySpec, state: undefined });
  }

  has(path: string): boolean {
    return this.#players.has(path);
  }

  play(turn: ReplayedTurn): Replayed {
    const player = this.#players.get(turn.self.path);
    assert(player !== undefined, `nobody is at ${turn.self.path} in this recording`);
    const told: Told[] = [];
    const ctx = this.#contextOf(turn, told);
    try {
      if (turn.kind === 'start') player.state = player.spec.start(ctx);
      else if (turn.kind === 'stop') player.spec.onStop?.(player.state, ctx);
      else player.state = player.spec.behaviour(player.state, turn.message, ctx);
    } catch {
      player.state = undefined;
      return { told: [], threw: true };
    }
    return { told, threw: false };
  }

  #contextOf(turn: ReplayedTurn, told: Told[]): ActorContext<unknown> {
    const nothing = (): void => undefined;
    const { self, nowMs, drawn } = turn;
    const { node, epoch, path } = self;
    let draws = 0;
    return {
      ...{ self, nowMs, log: this.#log, metrics: this.#metrics },
      random: () => {
        const number = drawn[draws];
        assert(number !== undefined, 'it draws more random numbers than were recorded');
        draws += 1;
        return number;
      },
      tell: (to, message) => {
        told.push([to, message]);
      },
      spawn: <S, C>(spec: ActorSpec<S, C>, name: string): Ref<C> => {
        this.add(`${path}/${name}`, spec);
        return refOf(node, epoch, `${path}/${name}`);
      },
      ...{ after: nothing, cancel: nothing, stop: nothing, watch: nothing, unwatch: nothing },
    };
  }
}
