/**
 * How fast messages travel between local actors on the nact host. Mirrors `raw-nact.ts`, which does
 * the same on nact alone, so that the two can be run alternately and compared.
 *
 * - chain: a message goes through 4 actors and back (6 hops), with a given number in flight, while a
 *   socket in the same process is served;
 * - wide: one-way messages to an actor that has a given number of children (nact copies the map of
 *   children for each message).
 */

import type { ActorHost, ActorSpec, Ref } from '../runtime/actor.ts';
import { silentLogger } from '../runtime/log.ts';
import { silentMetrics } from '../runtime/metrics.ts';
import { createNactHost } from '../runtime/nact-host.ts';
import { restartPolicy } from '../runtime/supervision.ts';
import { createSystemClock } from '../nodes/adapters/system-clock.ts';

/** What `raw-nact.ts` returns too. */
export interface ActorRate {
  readonly messages: number;
  readonly elapsedMs: number;
  /** Round trips (chain) or messages (wide) a second. */
  readonly perSecond: number;
}

interface ChainMessage {
  readonly id: number;
  /** True on the way back. */
  readonly back: boolean;
}

const CHAIN_ACTORS = 4;

function benchHost(): ActorHost {
  return createNactHost({
    node: 'bench',
    clock: createSystemClock(),
    seed: 1,
    log: silentLogger,
    metrics: silentMetrics,
  });
}

function statelessSpec<M>(
  behave: (message: M, tell: (to: Ref<M>, message: M) => void) => void,
  mailboxMax: number,
): ActorSpec<undefined, M> {
  return {
    start: () => undefined,
    behaviour: (state, message, ctx) => {
      behave(message, (to, told) => {
        ctx.tell(to, told);
      });
      return state;
    },
    supervision: restartPolicy,
    mailboxMax,
  };
}

/** Passes messages towards the end of the chain and back; the end turns them round. */
function linkSpec(links: Ref<ChainMessage>[], at: number): ActorSpec<undefined, ChainMessage> {
  return {
    start: () => undefined,
    behaviour: (state, message, ctx) => {
      const back = message.back || at === CHAIN_ACTORS;
      const to = links[back ? at - 1 : at + 1];
      if (to !== undefined) ctx.tell(to, back === message.back ? message : { ...message, back });
      return state;
    },
    supervision: restartPolicy,
    mailboxMax: 4096,
  };
}

/** `messages` round trips through 4 actors with `inFlight` of them under way at any time. */
export async function benchActorChain(options: {
  readonly messages: number;
  readonly inFlight: number;
}): Promise<ActorRate> {
  const host = benchHost();
  const startMs = performance.now();
  await new Promise<void>((resolve) => {
    const links: Ref<ChainMessage>[] = [];
    let sent = 0;
    let done = 0;
    const next = (): void => {
      const first = links[1];
      if (sent < options.messages && first !== undefined) {
        host.tell(first, { id: sent, back: false });
        sent += 1;
      }
    };
    links.push(
      host.port<ChainMessage>('driver', () => {
        done += 1;
        if (done === options.messages) resolve();
        else next();
      }),
    );
    for (let at = 1; at <= CHAIN_ACTORS; at += 1) {
      links.push(host.spawn(linkSpec(links, at), `link-${String(at)}`));
    }
    for (let started = 0; started < options.inFlight; started += 1) next();
  });
  const elapsedMs = performance.now() - startMs;
  await host.shutdown();
  return rateOf(options.messages, elapsedMs);
}

/** `messages` one-way messages to an actor that has `children` children. */
export async function benchActorWide(options: {
  readonly messages: number;
  readonly children: number;
}): Promise<ActorRate> {
  const host = benchHost();
  const idle = statelessSpec<number>(() => undefined, 16);
  let received = 0;
  let done: () => void = () => undefined;
  const spec: ActorSpec<undefined, number> = {
    start: (ctx) => {
      for (let at = 0; at < options.children; at += 1) ctx.spawn(idle, `child-${String(at)}`);
      return undefined;
    },
    behaviour: (state) => {
      received += 1;
      if (received === options.messages) done();
      return state;
    },
    supervision: restartPolicy,
    mailboxMax: options.messages,
  };
  const parent = host.spawn(spec, 'parent');
  await new Promise((resolve) => setTimeout(resolve, 20));
  const startMs = performance.now();
  await new Promise<void>((resolve) => {
    done = resolve;
    for (let at = 0; at < options.messages; at += 1) host.tell(parent, at);
  });
  const elapsedMs = performance.now() - startMs;
  await host.shutdown();
  return rateOf(options.messages, elapsedMs);
}

function rateOf(messages: number, elapsedMs: number): ActorRate {
  return { messages, elapsedMs, perSecond: (messages * 1000) / elapsedMs };
}
