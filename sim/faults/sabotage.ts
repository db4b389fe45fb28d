/**
 * Puts every actor of a node under observation: its state can be looked at between turns, and it
 * can be made to throw at its next message, as a defect in it would. Children are taken along.
 */

import type { ActorContext, ActorSpec, Ref } from '../../runtime/actor.ts';
import { DelegatedContext } from '../../runtime/delegated-context.ts';

/** Thrown in the place of whatever a behaviour would have done. */
export class InjectedFailure extends Error {
  override readonly name = 'InjectedFailure';
}

export class Watchtower {
  /** The newest state of each actor of this node, by path; actors that ended are left in. */
  readonly states = new Map<string, unknown>();
  private readonly condemned = new Set<string>();
  private readonly afterTurn: ((path: string, state: unknown) => void) | undefined;

  constructor(afterTurn?: (path: string, state: unknown) => void) {
    this.afterTurn = afterTurn;
  }

  /** The actor throws at its next message; true when there is one of that path. */
  condemn(path: string): boolean {
    if (!this.states.has(path)) return false;
    this.condemned.add(path);
    return true;
  }

  /** Whoever was condemned and got no message since is let go. */
  pardon(): void {
    this.condemned.clear();
  }

  wrap<S, M>(spec: ActorSpec<S, M>): ActorSpec<S, M> {
    const contexts = new WeakMap<ActorContext<M>, ActorContext<M>>();
    const within = (ctx: ActorContext<M>): ActorContext<M> => {
      let watched = contexts.get(ctx);
      if (watched === undefined) {
        watched = new WatchedContext(ctx, this);
        contexts.set(ctx, watched);
      }
      return watched;
    };
    const seen = (ctx: ActorContext<M>, state: S): S => {
      const { path } = ctx.self;
      this.states.set(path, state);
      this.afterTurn?.(path, state);
      return state;
    };
    return {
      ...spec,
      start: (ctx) => seen(ctx, spec.start(within(ctx))),
      behaviour: (state, message, ctx) => {
        if (this.condemned.size > 0 && this.condemned.delete(ctx.self.path)) {
          throw new InjectedFailure(`${ctx.self.path} was made to fail`);
        }
        return seen(ctx, spec.behaviour(state, message, within(ctx)));
      },
    };
  }
}

/** An actor's own context, but for what it spawns. */
class WatchedContext<M> extends DelegatedContext<M> {
  private readonly tower: Watchtower;

  constructor(inner: ActorContext<M>, tower: Watchtower) {
    super(inner);
    this.tower = tower;
  }

  override spawn<S, C>(spec: ActorSpec<S, C>, name: string): Ref<C> {
    return super.spawn(this.tower.wrap(spec), name);
  }
}
