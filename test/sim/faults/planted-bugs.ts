/** Actors with one bug each, put in the place of the real ones: the fault runs must find them. */

import { controllerSpec } from '../../../actors/controller/behaviour.ts';
import { dispatcherSpec } from '../../../actors/dispatcher/behaviour.ts';
import type { DispatcherMessage, SubmitQuery } from '../../../actors/dispatcher/protocol.ts';
import { refusedAnswer } from '../../../actors/dispatcher/answers.ts';
import { queryError } from '../../../actors/domain/outcome.ts';
import { workerSpec } from '../../../actors/worker/behaviour.ts';
import type { ActorContext, ActorSpec, Ref } from '../../../runtime/actor.ts';
import type { SpecFactories } from '../../../sim/cluster/cluster.ts';
import { DelegatedContext } from '../../../runtime/delegated-context.ts';

export interface PlantedBug {
  readonly name: string;
  readonly specs: Partial<SpecFactories>;
  /** What a finding that names it looks like. */
  readonly foundAs: RegExp;
}

/** Whoever spawns it never looks at its state. */
function anyState<S, M>(spec: ActorSpec<S, M>): ActorSpec<unknown, M> {
  return spec as ActorSpec<unknown, M>;
}

type Dispatching = ReturnType<ReturnType<typeof dispatcherSpec>['start']>;
type DispatcherContext = ActorContext<DispatcherMessage>;

/** The real dispatcher, after `before` has had its way with state and message. */
function bentDispatcher(
  before: (state: Dispatching, message: DispatcherMessage, ctx: DispatcherContext) => void,
): Partial<SpecFactories> {
  return {
    dispatcher: (options) => {
      const spec = dispatcherSpec(options);
      const behaviour: typeof spec.behaviour = (state, message, ctx) => {
        before(state, message, ctx);
        return spec.behaviour(state, message, ctx);
      };
      return anyState({ ...spec, behaviour });
    },
  };
}

/** What an ended worker or instance held is forgotten instead of placed again. */
const losesOnEnd = bentDispatcher((state, message) => {
  if (message.type !== 'dispatcher.actor-terminated') return;
  const { node } = message.terminated.address;
  for (const entry of state.table.onWorker(node)) state.table.remove(entry);
});

/** An answer that comes after the query's own is passed on as well. */
function answersTwice(): Partial<SpecFactories> {
  const askers = new Map<string, SubmitQuery>();
  return bentDispatcher((state, message, ctx) => {
    if (message.type === 'dispatcher.submit-query') askers.set(message.queryId, message);
    if (message.type !== 'dispatcher.query-finished') return;
    const asker = askers.get(message.queryId);
    if (asker === undefined || state.table.get(message.queryId) !== undefined) return;
    ctx.tell(asker.replyTo, {
      type: 'gateway.query-answered',
      queryId: message.queryId,
      answer: refusedAnswer(message.queryId, queryError('internal', 'a second answer')),
    });
  });
}

/** Does not tell its engine to unload. */
class HoardingContext<M> extends DelegatedContext<M> {
  override tell<T>(to: Ref<T>, message: T): void {
    if ((message as { readonly type?: unknown }).type === 'engine.unload-variant') return;
    super.tell(to, message);
  }

  override spawn<S, C>(spec: ActorSpec<S, C>, name: string): Ref<C> {
    return super.spawn(hoarding(spec), name);
  }
}

function hoarding<S, M>(spec: ActorSpec<S, M>): ActorSpec<S, M> {
  const { onStop } = spec;
  return {
    ...spec,
    start: (ctx) => spec.start(new HoardingContext(ctx)),
    behaviour: (state, message, ctx) => spec.behaviour(state, message, new HoardingContext(ctx)),
    ...(onStop === undefined
      ? {}
      : { onStop: (state, ctx) => onStop(state, new HoardingContext(ctx)) }),
  };
}

export const plantedBugs: readonly PlantedBug[] = [
  {
    name: 'an answer lost when what held the query ends',
    specs: losesOnEnd,
    foundAs: /no terminal answer|waits for \d+ answers/,
  },
  { name: 'a double answer', specs: answersTwice(), foundAs: /second answer|terminal answers/ },
  {
    name: 'a leak: sessions are never released',
    specs: { worker: (options) => anyState(hoarding(workerSpec(options))) },
    foundAs: /variants loaded for|more than it has/,
  },
  {
    name: 'an epoch ignored: a node that comes back gets the one it had',
    specs: {
      controller: (options) => {
        const spec = controllerSpec(options);
        const behaviour: typeof spec.behaviour = (state, message, ctx) => {
          if (message.type === 'controller.join-node') state.epochs = {};
          return spec.behaviour(state, message, ctx);
        };
        return anyState({ ...spec, behaviour });
      },
    },
    foundAs: /lives again under epoch/,
  },
  {
    name: 'a bound off by one: a queue takes one more',
    specs: {
      worker: (options) => {
        const { instance } = options.config;
        const config = {
          ...options.config,
          instance: { ...instance, queueMax: instance.queueMax + 1 },
        };
        return anyState(workerSpec({ ...options, config }));
      },
    },
    foundAs: /queues \d+, the limit is/,
  },
];
