/**
 * Clients that drive a server over one WebSocket, the same for ours and for the peers but for the
 * frames they send: closed-loop, with a fixed number in flight.
 */

import { Packr } from 'msgpackr';
import { WebSocket } from 'ws';

const packr = new Packr({ useRecords: false });

export interface Query {
  readonly id: number;
}

/** How a server's protocol wants a query, and whether an answer is good. */
export interface Dialect {
  frame(id: number): unknown;
  idOf(answer: unknown): number;
  failed(answer: unknown): string | undefined;
}

export interface Driven {
  readonly perSecond: number;
  /** Milliseconds, ascending. */
  readonly latencies: Float64Array;
}

/** Keeps `inFlight` queries going for `seconds` after a warm-up of a fifth of that. */
export async function drive(
  url: string,
  dialect: Dialect,
  inFlight: number,
  seconds: number,
): Promise<Driven> {
  const socket = await open(url);
  const sentMs = new Map<number, number>();
  const latencies: number[] = [];
  let next = 0;
  let measuring = false;
  let running = true;
  const send = (): void => {
    next += 1;
    sentMs.set(next, performance.now());
    socket.send(packr.pack(dialect.frame(next)));
  };
  return new Promise((resolve, reject) => {
    let startedMs = 0;
    socket.on('message', (data: Buffer) => {
      const answer: unknown = packr.unpack(data);
      const failure = dialect.failed(answer);
      if (failure !== undefined) {
        socket.close();
        reject(new Error(`${url}: ${failure}`));
        return;
      }
      const id = dialect.idOf(answer);
      if (measuring) latencies.push(performance.now() - (sentMs.get(id) ?? 0));
      sentMs.delete(id);
      if (running) send();
    });
    socket.on('error', reject);
    for (let index = 0; index < inFlight; index += 1) send();
    setTimeout(() => {
      measuring = true;
      startedMs = performance.now();
    }, seconds * 200);
    setTimeout(() => {
      running = false;
      measuring = false;
      const elapsed = (performance.now() - startedMs) / 1_000;
      socket.close();
      resolve({
        perSecond: latencies.length / elapsed,
        latencies: Float64Array.from(latencies).sort(),
      });
    }, seconds * 1_200);
  });
}

export function open(url: string): Promise<WebSocket> {
  const socket = new WebSocket(url, { perMessageDeflate: false });
  return new Promise((resolve, reject) => {
    socket.once('open', () => {
      resolve(socket);
    });
    socket.once('error', reject);
  });
}

/** Ours (INTERFACE.md). */
export function infaasDialect(variant: string, inputs: Readonly<Record<string, unknown>>): Dialect {
  return {
    frame: (id) => ({ id: String(id), variant, inputs }),
    idOf: (answer) => Number((answer as { id: string }).id),
    failed: (answer) => {
      const { ok, error } = answer as { ok: boolean; error?: { code: string; message: string } };
      return ok ? undefined : `${error?.code ?? ''}: ${error?.message ?? ''}`;
    },
  };
}

/** The hand-written server's: an id and the bytes of its one input. */
export function plainDialect(data: Uint8Array): Dialect {
  return {
    frame: (id) => ({ id, data }),
    idOf: (answer) => (answer as { id: number }).id,
    failed: (answer) => (answer as { error?: string }).error,
  };
}
