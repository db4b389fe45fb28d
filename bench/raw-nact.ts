/**
 * nact alone, as fast as it goes: the peer of `actors.ts`, message for message the same work.
 *
 * nact runs each message in a `setImmediate` of its own, so what else the event loop serves is part
 * of its price: a socket is served meanwhile, as in any process of ours. `withServedSocket` is
 * exported for the other side of the comparison.
 */

import { once } from 'node:events';
import { createServer, type AddressInfo } from 'node:net';
import { Worker } from 'node:worker_threads';

import { dispatch, type Ref, spawn, start, stop } from 'nact';

export interface NactRate {
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

/**
 * `messages` round trips through 4 actors with `inFlight` of them under way at any time. What comes
 * back is counted in a plain call from the first actor: a driver that were an actor too would only
 * add a hop to nact's bill.
 */
export function rawNactChain(options: {
  readonly messages: number;
  readonly inFlight: number;
}): Promise<NactRate> {
  return measure(options.messages, async () => {
    const system = start();
    await new Promise<void>((resolve) => {
      const links: Ref<ChainMessage>[] = [];
      let sent = 0;
      let done = 0;
      const next = (): void => {
        const first = links[0];
        if (sent < options.messages && first !== undefined) {
          dispatch(first, { id: sent, back: false });
          sent += 1;
        }
      };
      const returned = (): void => {
        done += 1;
        if (done === options.messages) resolve();
        else next();
      };
      for (let at = 0; at < CHAIN_ACTORS; at += 1) {
        const pass = (_state: undefined, message: ChainMessage): undefined => {
          const back = message.back || at === CHAIN_ACTORS - 1;
          const to = links[back ? at - 1 : at + 1];
          if (to === undefined) returned();
          else dispatch(to, back === message.back ? message : { ...message, back });
          return undefined;
        };
        links.push(spawn(system, pass, `link-${at}`));
      }
      for (let started = 0; started < options.inFlight; started += 1) next();
    });
    stop(system);
  });
}

/** `messages` one-way messages to an actor that has `children` children. */
export function rawNactWide(options: {
  readonly messages: number;
  readonly children: number;
}): Promise<NactRate> {
  return measure(options.messages, async () => {
    const system = start();
    await new Promise<void>((resolve) => {
      let received = 0;
      const count = (): undefined => {
        received += 1;
        if (received === options.messages) resolve();
        return undefined;
      };
      const parent: Ref<number> = spawn(system, count, 'parent');
      const idle = (): undefined => undefined;
      for (let at = 0; at < options.children; at += 1) spawn(parent, idle, `child-${at}`);
      for (let at = 0; at < options.messages; at += 1) dispatch(parent, at);
    });
    stop(system);
  });
}

/**
 * Runs `work` while a TCP server of this process answers pings on loopback. The client is a thread
 * of its own that asks every millisecond, so that only the serving side costs this loop anything.
 */
export async function withServedSocket<T>(
  work: () => Promise<T>,
): Promise<{ readonly result: T; readonly pings: number }> {
  let pings = 0;
  const server = createServer({ noDelay: true }, (socket) => {
    socket.on('data', (bytes) => {
      pings += bytes.length;
      socket.write(bytes);
    });
    socket.on('error', () => undefined);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  const client = new Worker(PINGING_CLIENT, { eval: true, workerData: port });
  await once(client, 'message');
  const before = pings;
  const result = await work();
  const during = pings - before;
  await client.terminate();
  server.close();
  await once(server, 'close');
  return { result, pings: during };
}

/** Says `answered` once its first ping was. */
const PINGING_CLIENT = `
  const { parentPort, workerData } = require('node:worker_threads');
  const net = require('node:net');
  const socket = net.connect({ port: workerData, host: '127.0.0.1', noDelay: true });
  socket.once('data', () => parentPort.postMessage('answered'));
  socket.on('data', () => undefined);
  socket.on('error', () => undefined);
  setInterval(() => socket.write('p'), 1);
`;

async function measure(messages: number, work: () => Promise<void>): Promise<NactRate> {
  const { result: elapsedMs, pings } = await withServedSocket(async () => {
    const startMs = performance.now();
    await work();
    return performance.now() - startMs;
  });
  return { messages, elapsedMs, perSecond: (messages * 1000) / elapsedMs, pings };
}
