/** Clients over NATS: the bare round trip that ours is counted in, and our service under load. */

import { Packr } from 'msgpackr';
import { connect } from 'nats';

import type { Dialect } from './drive.ts';
import { median } from './statistics.ts';

const packr = new Packr({ useRecords: false });

/** The subject that `bench/peers/nats-responder.ts` answers on. */
export const echoSubject = 'bench.echo';

/** p50 of a request to another process that answers with a few bytes, ms. */
export async function natsRoundTripMs(
  url: string,
  payload: Uint8Array,
  requests: number,
): Promise<number> {
  const connection = await connect({ servers: url });
  const times: number[] = [];
  for (let request = 0; request < requests; request += 1) {
    const startMs = performance.now();
    await connection.request(echoSubject, payload);
    times.push(performance.now() - startMs);
  }
  await connection.close();
  return median(times);
}

/** Queries a second of `infaas.v1.query` with `inFlight` at once. */
export async function driveNats(
  url: string,
  dialect: Dialect,
  inFlight: number,
  seconds: number,
): Promise<number> {
  const connection = await connect({ servers: url });
  const measureFrom = performance.now() + seconds * 200;
  const until = performance.now() + seconds * 1_200;
  let counted = 0;
  let next = 0;
  const worker = async (): Promise<void> => {
    while (performance.now() < until) {
      next += 1;
      const payload = packr.pack(dialect.frame(next));
      const reply = await connection.request('infaas.v1.query', payload, { timeout: 30_000 });
      const failure = dialect.failed(packr.unpack(reply.data));
      if (failure !== undefined) throw new Error(failure);
      if (performance.now() >= measureFrom) counted += 1;
    }
  };
  await Promise.all(Array.from({ length: inFlight }, worker));
  await connection.close();
  return counted / seconds;
}
