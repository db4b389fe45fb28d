/** The client over WebSocket and NATS, and what each does when its gateway is lost. */

import { connect as connectTcp, createServer, type Socket } from 'node:net';

import { expect } from 'chai';
import { connect as connectNats } from 'nats';

import { ClientError, connect, InfaasClient } from '../../client/index.ts';
import { openNats } from '../../client/nats-transport.ts';
import { type NatsServer, startNatsServer } from '../../nodes/adapters/nats-server.ts';
import { silentLogger } from '../../runtime/log.ts';
import { startGateways } from '../nodes/gateways/start-gateways.ts';
import { until } from '../nodes/gateways/until.ts';
import { clientSuite } from './client-suite.ts';

const image = { shape: [1, 1, 28, 28], data: new Float32Array(784) } as const;
const good = { task: 'digit-classification', dataset: 'mnist', inputs: { image } } as const;
const slow = { ...good, dataset: 'slow' } as const;

async function failureOf(attempt: Promise<unknown>): Promise<ClientError> {
  const failure = await attempt.catch((error: unknown) => error);
  expect(failure).to.be.instanceOf(ClientError);
  return failure as ClientError;
}

clientSuite({
  name: 'WebSocket',
  urlOf: ({ wsUrl }) => wsUrl,
  natsUrl: () => undefined,
});

describe('the client and NATS', () => {
  let server: NatsServer;

  before(async () => {
    server = await startNatsServer({ log: silentLogger });
  });

  after(() => server.stop());

  /** Asks after its queries often. */
  async function connectProbing(): Promise<InfaasClient> {
    const options = { connectTimeoutMs: 1_000, probeMs: 50 };
    return new InfaasClient(await openNats(server.url, options));
  }

  clientSuite({ name: 'NATS', urlOf: () => server.url, natsUrl: () => server.url });

  it('answers unavailable at once where no gateway listens', async () => {
    const client = await connect(server.url);
    const answer = await client.query(good);
    expect(answer.ok || answer.error).to.include({ code: 'unavailable', retryable: true });
    await client.close();
  });

  it('answers unavailable when the gateway of a query dies, and others live', async () => {
    const dying = await connectNats({ servers: server.url });
    let taken = 0;
    dying.subscribe('infaas.v1.query', { queue: 'q', callback: () => (taken += 1) });
    await dying.flush();
    const client = await connectProbing();
    const answer = client.query(slow);
    await until(() => taken === 1);
    const gateways = await startGateways({ natsUrl: server.url });
    await dying.close();
    const lost = await answer;
    expect(lost.ok || lost.error.message).to.match(/gateway that took the query is gone/);
    expect((await client.query(good)).ok).to.equal(true);
    await client.close();
    await gateways.close();
  });

  it('leaves a query alone whose gateway lives and is slow', async () => {
    const gateways = await startGateways({ natsUrl: server.url });
    const client = await connectProbing();
    const other = await connectNats({ servers: server.url });
    let probes = 0;
    other.subscribe('infaas.v1.held', { callback: () => (probes += 1) });
    let answered = false;
    const answer = client.query({ id: 'slow', ...slow }).finally(() => (answered = true));
    await until(() => probes >= 6);
    expect(answered).to.equal(false);
    await other.close();
    client.cancel('slow');
    expect((await answer).ok).to.equal(false);
    await client.close();
    await gateways.close();
  });

  it('says too_large instead of what the server would refuse', async () => {
    const gateways = await startGateways({ natsUrl: server.url });
    const client = await connect(server.url);
    const big = { shape: [1, 9_000_000], data: new Uint8Array(9_000_000) };
    const answer = await client.query({ ...good, inputs: { image: big } });
    expect(answer.ok || answer.error.code).to.equal('too_large');
    expect((await client.query(good)).ok).to.equal(true);
    await client.close();
    await gateways.close();
  });
});

describe('the client and a lost WebSocket', () => {
  it('answers unavailable what was in flight, and connects again for later queries', async () => {
    const gateways = await startGateways();
    const relay = await startRelay(Number(new URL(gateways.httpUrl).port));
    const client = await connect(relay.url);
    const inFlight = [client.query(slow), client.query(slow)];
    await until(() => gateways.seen.held.size === 2);
    relay.cut();
    for (const answer of await Promise.all(inFlight)) {
      expect(answer.ok || answer.error).to.include({ code: 'unavailable', retryable: true });
    }
    expect((await client.query(good)).ok).to.equal(true);
    await client.close();
    await relay.close();
    await gateways.close();
  });

  it('answers unavailable while its gateway cannot be reached', async () => {
    const gateways = await startGateways();
    const client = await connect(gateways.wsUrl, { connectTimeoutMs: 100 });
    await gateways.close();
    const answer = await client.query(good);
    expect(answer.ok || answer.error.code).to.equal('unavailable');
    await client.close();
  });

  it('answers too_large for a frame that ends the connection', async () => {
    const gateways = await startGateways({ config: { payloadBytesMax: 10_000 } });
    const client = await connect(gateways.wsUrl);
    const big = { shape: [1, 100_000], data: new Uint8Array(100_000) };
    const answer = await client.query({ ...good, inputs: { image: big } });
    expect(answer.ok || answer.error.code).to.equal('too_large');
    expect((await client.query(good)).ok).to.equal(true);
    await client.close();
    await gateways.close();
  });
});

describe('connecting', () => {
  it('presents a token, and says unauthorized without', async () => {
    const gateways = await startGateways({ config: { token: 'open-sesame' } });
    const client = await connect(gateways.wsUrl, { token: 'open-sesame' });
    expect((await client.query(good)).ok).to.equal(true);
    await client.close();
    expect((await failureOf(connect(gateways.wsUrl))).code).to.equal('unauthorized');
    const wrong = await failureOf(connect(gateways.wsUrl, { token: 'guess' }));
    expect(wrong.code).to.equal('unauthorized');
    expect(wrong.message).to.not.match(/guess|sesame/);
    await gateways.close();
  });

  it('says unavailable where nobody listens, bad_input for what is no URL', async () => {
    expect((await failureOf(connect('ws://127.0.0.1:1'))).code).to.equal('unavailable');
    expect((await failureOf(connect('nats://127.0.0.1:1'))).code).to.equal('unavailable');
    expect((await failureOf(connect('ftp://127.0.0.1'))).code).to.equal('bad_input');
    expect((await failureOf(connect('127.0.0.1:8080'))).code).to.equal('bad_input');
  });

  it('takes an http URL for the same gateway', async () => {
    const gateways = await startGateways();
    const client = await connect(gateways.httpUrl);
    expect((await client.query(good)).ok).to.equal(true);
    await client.close();
    await gateways.close();
  });
});

interface Relay {
  readonly url: string;
  /** Ends all connections, as a gateway that dies does. */
  cut(): void;
  close(): Promise<void>;
}

async function startRelay(port: number): Promise<Relay> {
  const sockets = new Set<Socket>();
  const server = createServer((near) => {
    const far = connectTcp(port, '127.0.0.1');
    for (const socket of [near, far]) sockets.add(socket.on('error', () => undefined));
    near.pipe(far).pipe(near);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port: own } = server.address() as { port: number };
  const cut = (): void => {
    for (const socket of sockets) socket.destroy();
    sockets.clear();
  };
  return {
    url: `ws://127.0.0.1:${own}`,
    cut,
    close: async () => {
      cut();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
