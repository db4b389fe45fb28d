/**
 * Recording what an actor takes in and what it does, turn by turn, so that it can be played again
 * (`replaying.ts`): a behaviour is synchronous and has time and chance from its context alone, so
 * the same turns have the same effects, bit for bit. What it spawns is recorded with it.
 */

import type { ActorContext, ActorSpec, Address, Ref } from './actor.ts';
import { DelegatedContext } from './delegated-context.ts';
import type { Random } from './random.ts';

export type TurnKind = 'start' | 'message' | 'stop';

export interface TurnBegun {
  readonly kind: TurnKind;
  /** Whose turn it is. */
  readonly self: Address;
  readonly nowMs: number;
  /** Undefined at a start and at a stop. */
  readonly message: unknown;
}

/** What a turn did, in order: to whom, and what. */
export type Told = readonly [to: Address, message: unknown];

export interface TurnEnded {
  readonly told: readonly Told[];
  /** The random numbers that it drew. */
  readonly drawn: readonly number[];
  /** Its effects were discarded. */
  readonly threw: boolean;
}

/** Where turns are written. Turns do not overlap, save that a stop may lie within one. */
export interface TurnRecorder {
  /** False: it takes nothing more, and actors need not go through it. */
  readonly open: boolean;
  /** Before the behaviour runs, which may change what it was given. Must not throw. */
  begin(turn: TurnBegun): void;
  /** Of the turn begun last that has not ended. Must not throw. */
  end(turn: TurnEnded): void;
}

export function recordedSpec<S, M>(spec: ActorSpec<S, M>, recorder: TurnRecorder): ActorSpec<S, M> {
  let seen: RecordingContext<M> | undefined;
  const turnOf = <T>(
    kind: TurnKind,
    ctx: ActorContext<M>,
    message: unknown,
    run: (ctx: ActorContext<M>) => T,
  ): T => {
    if (!recorder.open) return run(ctx);
    if (seen?.of !== ctx) seen = new RecordingContext(ctx, recorder);
    recorder.begin({ kind, self: ctx.self, nowMs: ctx.nowMs, message });
    let threw = true;
    try {
      const result = run(seen);
      threw = false;
      return result;
    } finally {
      recorder.end(seen.take(threw));
    }
  };
  const { onStop } = spec;
  return {
    ...spec,
    start: (ctx) => turnOf('start', ctx, undefined, spec.start),
    behaviour: (state, message, ctx) =>
      turnOf('message', ctx, message, (inner) => spec.behaviour(state, message, inner)),
    ...(onStop === undefined
      ? {}
      : {
          onStop: (state: S, ctx: ActorContext<M>) => {
            turnOf('stop', ctx, undefined, (inner) => {
              onStop(state, inner);
            });
          },
        }),
  };
}

class RecordingContext<M> extends DelegatedContext<M> {
  readonly #recorder: TurnRecorder;
  readonly #draw: Random;
  #told: Told[] = [];
  #drawn: number[] = [];

  constructor(inner: ActorContext<M>, recorder: TurnRecorder) {
    super(inner);
    this.#recorder = recorder;
    this.#draw = () => {
      const drawn = inner.random();
      this.#drawn.push(drawn);
      return drawn;
    };
  }

  get of(): ActorContext<M> {
    return this.inner;
  }

  override get random(): Random {
    return this.#draw;
  }

  override tell<T>(to: Ref<T>, message: T): void {
    this.#told.push([to, message]);
    this.inner.tell(to, message);
  }

  override spawn<S, C>(spec: ActorSpec<S, C>, name: string): Ref<C> {
    return this.inner.spawn(recordedSpec(spec, this.#recorder), name);
  }

  take(threw: boolean): TurnEnded {
    const ended = { told: threw ? [] : this.#told, drawn: this.#drawn, threw };
    if (this.#told.length > 0) this.#told = [];
    if (this.#drawn.length > 0) this.#drawn = [];
    return ended;
  }
}
