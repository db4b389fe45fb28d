/**
 * Hosts that break one promise each, to prove that the suite would notice. They wrap a good host
 * and bend the specs that are spawned on it, since the promises are kept around a spec.
 */

import type {
  ActorContext,
  ActorHost,
  ActorSpec,
  DeadLetterCounter,
  Ref,
} from '../../runtime/actor.ts';

type Spec = ActorSpec<unknown, unknown>;
type Context = ActorContext<unknown>;

export interface AlteredHost {
  readonly name: string;
  readonly wrap: (host: ActorHost) => ActorHost;
}

export interface BrokenHost extends AlteredHost {
  /** The case of the suite that must fail on it. */
  readonly foundBy: string;
}

/** A host whose specs are bent, those of children too. */
function bend(host: ActorHost, change: (spec: Spec) => Spec): ActorHost {
  const bendSpec = (spec: Spec): Spec => {
    const bent = change(spec);
    return {
      ...bent,
      start: (ctx) => bent.start(bendSpawn(ctx, bendSpec)),
      behaviour: (state, message, ctx) => bent.behaviour(state, message, bendSpawn(ctx, bendSpec)),
      // Policies may be getters that throw: they are kept as they are.
      supervision: bent.supervision,
    };
  };
  return extended(host, {
    spawn: <S, M>(spec: ActorSpec<S, M>, name: string): Ref<M> =>
      host.spawn(bendSpec(spec as unknown as Spec), name) as Ref<M>,
  });
}

function bendSpawn(ctx: Context, bendSpec: (spec: Spec) => Spec): Context {
  return extended(ctx, {
    spawn: <S, C>(spec: ActorSpec<S, C>, name: string): Ref<C> =>
      ctx.spawn(bendSpec(spec as unknown as Spec), name) as Ref<C>,
  });
}

/** `base` with some members replaced; the others keep their own `this`. */
function extended<T extends object>(base: T, members: Partial<T>): T {
  return new Proxy(base, {
    get: (target, key) => {
      if (key in members) return members[key as keyof T];
      const member: unknown = Reflect.get(target, key, target);
      return typeof member === 'function' ? (member.bind(target) as unknown) : member;
    },
    set: (target, key, value) => Reflect.set(target, key, value, target),
  });
}

/** Bends what a behaviour can do. */
function bendContext(host: ActorHost, change: (ctx: Context) => Partial<Context>): ActorHost {
  return bend(host, (spec) => ({
    ...spec,
    start: (ctx) => spec.start(extended(ctx, change(ctx))),
    behaviour: (state, message, ctx) => spec.behaviour(state, message, extended(ctx, change(ctx))),
  }));
}

function withPolicy(host: ActorHost, policy: Partial<Spec['supervision']>): ActorHost {
  return bend(host, (spec) => ({ ...spec, supervision: { ...spec.supervision, ...policy } }));
}

function remembersState(spec: Spec): Spec {
  let kept: { readonly state: unknown } | undefined;
  return {
    ...spec,
    start: (ctx) => {
      kept ??= { state: spec.start(ctx) };
      return kept.state;
    },
  };
}

function resumesAfterThrow(spec: Spec): Spec {
  return {
    ...spec,
    behaviour: (state, message, ctx) => {
      try {
        return spec.behaviour(state, message, ctx);
      } catch {
        return state;
      }
    },
  };
}

function losesQueuedOnStop(host: ActorHost): ActorHost {
  const hidden: DeadLetterCounter = extended(host.deadLetters, {
    countOf: (reason) => (reason === 'actor-stopped' ? 0 : host.deadLetters.countOf(reason)),
  });
  const mute = bend(host, (spec) => {
    const { refuse, ...rest } = spec;
    if (refuse === undefined) return spec;
    return {
      ...rest,
      refuse: (message, reason) =>
        reason === 'actor-stopped' ? undefined : refuse(message, reason),
    };
  });
  return extended(mute, { deadLetters: hidden });
}

/** The wrappers alone, with nothing broken: what they find out must not be their own doing. */
export const unbrokenHosts: readonly AlteredHost[] = [
  { name: 'bends no spec', wrap: (host) => bend(host, (spec) => spec) },
  { name: 'bends no context', wrap: (host) => bendContext(host, () => ({})) },
  { name: 'extends nothing', wrap: (host) => extended(host, {}) },
];

let timersSet = 0;

export const brokenHosts: readonly BrokenHost[] = [
  {
    name: 'has one lane only',
    foundBy: 'lets control overtake work that was queued before it',
    wrap: (host) => bend(host, ({ laneOf: _, ...spec }) => spec),
  },
  {
    name: 'reverses the order of messages',
    foundBy: 'delivers the messages of one sender in the order they were told',
    wrap: (host) => bend(host, (spec) => ({ ...spec, laneOf: alternating() })),
  },
  {
    name: 'has mailboxes without a bound',
    foundBy: 'bounds the control lane apart from the work lane',
    wrap: (host) => bend(host, (spec) => ({ ...spec, mailboxMax: 1e9 })),
  },
  {
    name: 'forgets to refuse',
    foundBy: 'refuses with the typed refusal what a full mailbox cannot hold',
    wrap: (host) => bend(host, ({ refuse: _, ...spec }) => spec),
  },
  {
    name: 'runs an actor within the tell that reaches it',
    foundBy: 'never runs an actor within the tell or spawn that reaches it',
    wrap: (host) =>
      bend(host, (spec) => {
        // As good as synchronous: the first turn happens within spawn.
        spec.start(startedAtOnce(host));
        return spec;
      }),
  },
  {
    name: 'lets effects out before the behaviour returns',
    foundBy: 'discards the effects of a turn that throws',
    wrap: (host) =>
      bendContext(host, () => ({
        tell: (to, message) => {
          host.tell(to, message);
        },
      })),
  },
  {
    name: 'restarts with the same state object',
    foundBy: 'discards the state of a turn that throws and starts with a fresh one',
    wrap: (host) => bend(host, remembersState),
  },
  {
    name: 'resumes with the old state after a throw',
    foundBy: 'ends the timers of an actor that stops or restarts',
    wrap: (host) => bend(host, resumesAfterThrow),
  },
  {
    name: 'restarts without back-off',
    foundBy:
      'waits its back-off before a restart, longer each time, and keeps the mailbox meanwhile',
    wrap: (host) => withPolicy(host, { backoff: { initialMs: 0, factor: 1, maxMs: 0 } }),
  },
  {
    name: 'restarts far beyond the intensity',
    foundBy: 'ends a restart storm at its intensity',
    wrap: (host) => withPolicy(host, { restartsMax: 100 }),
  },
  {
    name: 'never escalates',
    foundBy: 'treats the parent as failed when a child escalates, and the parent’s policy decides',
    wrap: (host) => withPolicy(host, { onFailure: 'restart' }),
  },
  {
    name: 'skips last words',
    foundBy: 'stops children before their parents, the youngest first, then lets them speak',
    wrap: (host) => bend(host, ({ onStop: _, ...spec }) => spec),
  },
  {
    name: 'loses silently what an actor fails on',
    foundBy: 'refuses the message that failed to its sender, and nothing that has none',
    wrap: (host) => bend(host, ({ refuse: _, ...spec }) => spec),
  },
  {
    name: 'loses silently what is queued on stop',
    foundBy: 'refuses what is still queued when an actor stops, and what comes later',
    wrap: losesQueuedOnStop,
  },
  {
    name: 'notifies twice',
    foundBy: 'tells each watcher of an end exactly once, in its own message type',
    wrap: (host) =>
      bendContext(host, (ctx) => ({
        watch: (target, as) => {
          ctx.watch(target, (terminated) => {
            host.tell(ctx.self, as(terminated));
            return as(terminated);
          });
        },
      })),
  },
  {
    name: 'never notifies',
    foundBy: 'answers a watch of a dead or unknown actor with not-found, and not within the call',
    wrap: (host) => bendContext(host, () => ({ watch: () => undefined })),
  },
  {
    name: 'ignores unwatch',
    foundBy: 'is silent after unwatch, also when the notice is queued already',
    wrap: (host) => bendContext(host, () => ({ unwatch: () => undefined })),
  },
  {
    name: 'does not replace a timer that is set again',
    foundBy: 'replaces a timer that is set again, and keeps those under other keys',
    wrap: (host) =>
      bendContext(host, (ctx) => ({
        after: (delayMs, key, message) => {
          timersSet += 1;
          ctx.after(delayMs, `${key} ${String(timersSet)}`, message);
        },
      })),
  },
  {
    name: 'takes any epoch for the present one',
    foundBy: 'keeps refs of this process good when the node re-joins under a newer epoch',
    wrap: (host) =>
      extended(host, {
        tell: (to, message) => {
          host.tell(anyEpoch(host, to), message);
        },
      }),
  },
  {
    name: 'never gets round to shutting down everything',
    foundBy: 'shuts down: everything is stopped, children first, and last words reach the ports',
    wrap: (host) => extended(host, { shutdown: () => Promise.resolve() }),
  },
];

/** Every second message goes to the lane that overtakes. */
function alternating(): () => 'control' | 'work' {
  let told = 0;
  return () => ((told += 1) % 2 === 0 ? 'control' : 'work');
}

/** A context for calling `start` at the wrong time: it carries nothing out. */
function startedAtOnce(host: ActorHost): Context {
  const nothing = (): undefined => undefined;
  const self = { node: host.node, epoch: 0, path: '/' };
  return {
    self,
    nowMs: 0,
    random: () => 0,
    spawn: () => self,
    tell: nothing,
    after: nothing,
    cancel: nothing,
    stop: nothing,
    watch: nothing,
    unwatch: nothing,
  } as unknown as Context;
}

/** Leaves refs of this process alone: those are good whatever the epoch. */
function anyEpoch<M>(host: ActorHost, to: Ref<M>): Ref<M> {
  const plain = Object.getPrototypeOf(to) === Object.prototype;
  return plain && to.node === host.node ? { ...to, epoch: 0 } : to;
}
