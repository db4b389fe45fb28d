/**
 * How fast messages travel between local actors on the nact host. Mirrors `raw-nact.ts`, which does
 * the same on nact alone, so that the two can be run alternately and compared; both serve a socket
 * meanwhile.
 *
 * - chain: a message goes through 4 actors and back (7 messages), with a given number in flight.
 *   The driver is a port, so ours pays for an eighth message that nact's plain call does not;
 * - wide: one-way messages to an actor that has a given number of children (nact copies the map of
 *   children for each message).
 */

import { createSystemClock } from '../nodes/adapters/system-clock.ts';
import type { ActorHost, ActorSpec, Ref } from '../runtime/actor.ts';
import { silentLogger } from '../runtime/log.ts';
import { silentMetrics } from '../runtime/metrics.ts';
import { createNactHost } from '../runtime/nact-host.ts';
import { restartPolicy } from '../runtime/supervision.ts';
import { withServedSocket } from './raw-nact.ts';

/** What `raw-nact.ts` returns too. */
export interface ActorRate {
  readonly messages: number;
  readonly elapsedMs: number;
  /** Round trips (chain) or messages (wide) a second. */
  readonly perSecond: number;
  /** Pings that the socket answered meanwhile. */
  readonly pings: number;
}

interface ChainMessage {
  readonly id: number;
  /** True on the way back. */
  readonly back: boolean;
}

const CHAIN_ACTORS = 4;

/** `messages` round trips through 4 actors with `inFlight` of them under way at any time. */
export function benchActorChain(options: {
  readonly messages: number;
  readonly inFlight: number;
}): Promise<ActorRate> {
  return measure(options.messages, (host, resolve) => {
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
    const driver = host.port<ChainMessage>('driver', () => {
      done += 1;
      if (done === options.messages) resolve();
      else next();
    });
    links.push(driver);
    for (let at = 1; at <= CHAIN_ACTORS; at += 1) {
      links.push(host.spawn(linkSpec(links, at), `link-${at}`));
    }
    for (let started = 0; started < options.inFlight; started += 1) next();
  });
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

/** `messages` one-way messages to an actor that has `children` children. */
export function benchActorWide(options: {
  readonly messages: number;
  readonly children: number;
}): Promise<ActorRate> {
  return measure(options.messages, (host, resolve) => {
    const parent = host.spawn(parentSpec(options, resolve), 'parent');
    for (let at = 0; at < options.messages; at += 1) host.tell(parent, at);
  });
}

/** Counts in its state what it receives, above idle children. */
function parentSpec(
  options: { readonly messages: number; readonly children: number },
  done: () => void,
): ActorSpec<number, number> {
  const idle: ActorSpec<undefined, never> = {
    start: () => undefined,
    behaviour: (state) => state,
    supervision: restartPolicy,
    mailboxMax: 16,
  };
  return {
    start: (ctx) => {
      for (let at = 0; at < options.children; at += 1) ctx.spawn(idle, `child-${at}`);
      return 0;
    },
    behaviour: (received) => {
      if (received + 1 === options.messages) done();
      return received + 1;
    },
    supervision: restartPolicy,
    mailboxMax: options.messages,
  };
}

/** Times `work` on a fresh host, from its first spawn to its `resolve`. */
async function measure(
  messages: number,
  work: (host: ActorHost, resolve: () => void) => void,
): Promise<ActorRate> {
  const { result: elapsedMs, pings } = await withServedSocket(async () => {
    const host = createNactHost({
      node: 'bench',
      clock: createSystemClock(),
      seed: 1,
      log: silentLogger,
      metrics: silentMetrics,
    });
    const startMs = performance.now();
    await new Promise<void>((resolve) => {
      work(host, resolve);
    });
    const tookMs = performance.now() - startMs;
    await host.shutdown();
    return tookMs;
  });
  return { messages, elapsedMs, perSecond: (messages * 1000) / elapsedMs, pings };
}
