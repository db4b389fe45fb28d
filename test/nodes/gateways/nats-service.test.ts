/** The NATS gateway as a service: discovery, statistics, headers, cancelling and closing. */

import { expect } from 'chai';
import {
  connect,
  headers,
  type Msg,
  type NatsConnection,
  type QueuedIterator,
  RequestStrategy,
} from 'nats';

import { type NatsServer, startNatsServer } from '../../../nodes/adapters/nats-server.ts';
import { silentLogger } from '../../../runtime/log.ts';
import { encode } from '../../../runtime/wire/codec.ts';
import { decodeAnswer, goodJsonQuery, goodQuery, type RawAnswer } from './callers.ts';
import { startGateways, type StartedGateways, type StartOptions } from './start-gateways.ts';
import { until } from './until.ts';

/** One service is started: no need to wait for more. */
const firstAnswer = { strategy: RequestStrategy.Count, maxMessages: 1, maxWait: 5_000 } as const;

const slowQuery = (): Uint8Array => encode({ ...goodQuery(), dataset: 'slow' });

describe('the NATS gateway', () => {
  let server: NatsServer;
  let user: NatsConnection;
  let gateways: StartedGateways;

  before(async () => {
    server = await startNatsServer({ log: silentLogger });
    user = await connect({ servers: server.url });
  });

  after(async () => {
    await user.close();
    await server.stop();
  });

  async function start(config: StartOptions['config'] = {}): Promise<void> {
    gateways = await startGateways({ natsUrl: server.url, config });
  }

  afterEach(() => gateways.close());

  async function call(
    operation: string,
    payload: Uint8Array = new Uint8Array(0),
  ): Promise<RawAnswer> {
    const message = await user.request(`infaas.v1.${operation}`, payload, { timeout: 5_000 });
    return decodeAnswer(message.data, true);
  }

  it('is found by the discovery of ADR-32', async () => {
    await start();
    const client = user.services.client(firstAnswer);
    const [ping] = await all(await client.ping('infaas'));
    expect(ping).to.deep.include({ name: 'infaas', id: 'gateway-1', version: '0.1.0' });
    const [found] = await all(await client.info('infaas', 'gateway-1'));
    const endpoints = found?.endpoints.map(({ name, subject }) => [name, subject]) ?? [];
    expect(Object.fromEntries(endpoints)).to.deep.equal({
      query: 'infaas.v1.query',
      upload: 'infaas.v1.upload',
      register: 'infaas.v1.register',
      unregister: 'infaas.v1.unregister',
      tasks: 'infaas.v1.tasks',
      architectures: 'infaas.v1.architectures',
      variants: 'infaas.v1.variants',
      workers: 'infaas.v1.workers',
      instances: 'infaas.v1.instances',
      explain: 'infaas.v1.explain',
      quote: 'infaas.v1.quote',
      subscribe: 'infaas.v1.subscribe',
      'offline-submit': 'infaas.v1.offline-submit',
      'offline-status': 'infaas.v1.offline-status',
      'offline-cancel': 'infaas.v1.offline-cancel',
      'offline-list': 'infaas.v1.offline-list',
    });
  });

  it('counts requests, errors and the time from request to answer', async () => {
    await start();
    await call('query', encode(goodQuery()));
    await call('query', encode({ ...goodQuery(), task: 'telepathy' }));
    const client = user.services.client(firstAnswer);
    const [stats] = await all(await client.stats('infaas'));
    const query = stats?.endpoints?.find(({ name }) => name === 'query');
    expect(query).to.include({ num_requests: 2, num_errors: 1, queue_group: 'q' });
    expect(query?.last_error).to.match(/telepathy/);
    expect(query?.processing_time).to.be.above(0);
    expect(query?.average_processing_time).to.equal(Math.round(query!.processing_time / 2));
  });

  it('puts errors into the body and into the headers of the convention', async () => {
    await start();
    const bad = encode({ ...goodQuery(), task: 'telepathy' });
    const message = await user.request('infaas.v1.query', bad);
    expect(message.headers?.get('Nats-Service-Error-Code')).to.equal('404');
    expect(message.headers?.get('Nats-Service-Error')).to.match(/telepathy/);
    expect(decodeAnswer(message.data, true).error.code).to.equal('unknown_task');
  });

  it('speaks JSON where the header says so', async () => {
    await start();
    const json = headers();
    json.set('Content-Type', 'application/json');
    const text = JSON.stringify(goodJsonQuery());
    const message = await user.request('infaas.v1.query', text, { timeout: 5_000, headers: json });
    expect(message.headers?.get('Content-Type')).to.equal('application/json');
    expect(message.json<RawAnswer>()).to.include({ id: 'good', ok: true });
  });

  it('takes what begins as JSON for JSON where no header says otherwise', async () => {
    await start();
    const text = JSON.stringify(goodJsonQuery());
    const message = await user.request('infaas.v1.query', text, { timeout: 5_000 });
    expect(message.headers?.get('Content-Type')).to.equal('application/json');
    expect(message.json<RawAnswer>()).to.include({ id: 'good', ok: true });
    const broken = await user.request('infaas.v1.query', '{"id":', { timeout: 5_000 });
    expect(broken.json<RawAnswer>().error.code).to.equal('bad_input');
  });

  it('describes the fleet, with and without a payload', async () => {
    await start();
    expect((await call('variants'))['variants']).to.have.length(1);
    const none = await call('variants', encode({ id: 3, architecture: 'other' }));
    expect(none).to.deep.equal({ id: 3, ok: true, variants: [] });
    expect((await call('tasks', encode({ tusk: 'x' }))).error.message).to.match(/tusk/);
  });

  it('takes a query without an id, and runs none that nobody waits for', async () => {
    await start();
    const { id: _id, ...unnamed } = goodQuery();
    const answer = await call('query', encode(unnamed));
    expect(answer.id).to.equal(answer.queryId);
    user.publish('infaas.v1.query', slowQuery());
    await call('query', encode(goodQuery()));
    expect(gateways.seen.held.size).to.equal(0);
  });

  it('cancels by the reply subject, and says what it holds', async () => {
    await start();
    const inbox = `_INBOX.test.${String(Math.random()).slice(2)}`;
    const answers = user.subscribe(inbox);
    user.publish('infaas.v1.query', slowQuery(), { reply: inbox });
    await until(() => gateways.seen.held.size === 1);
    const held = await call('held', encode({ replies: [inbox, 'somebody.else'] }));
    expect(held).to.deep.equal({ held: [inbox] });
    user.publish('infaas.v1.cancel', encode({ replies: [inbox] }));
    expect((await next(answers)).error.code).to.equal('cancelled');
    answers.unsubscribe();
  });

  it('says too_large where the server would not carry the answer', async () => {
    await start();
    const elements = { datatype: 'INT32', shape: [1], data: [9_000_000] };
    const answer = await call('query', encode({ id: 'x', task: 'wide', inputs: { elements } }));
    expect(answer).to.deep.include({ id: 'x', ok: false });
    expect(answer.error).to.include({ code: 'too_large' });
    expect(answer.error.message).to.match(/max_payload/);
  });

  it('answers what is in flight when it closes, and is gone then', async () => {
    await start({ drainMs: 50 });
    const answer = call('query', slowQuery());
    await until(() => gateways.seen.held.size === 1);
    await gateways.close();
    expect((await answer).error.code).to.equal('unavailable');
    const failure = await call('query', slowQuery()).catch((error: unknown) => String(error));
    expect(failure).to.match(/503/);
  });
});

async function all<T>(iterator: QueuedIterator<T>): Promise<T[]> {
  const found: T[] = [];
  for await (const one of iterator) found.push(one);
  return found;
}

async function next(answers: AsyncIterable<Msg>): Promise<RawAnswer> {
  for await (const message of answers) return decodeAnswer(message.data, true);
  throw new Error('no answer came');
}
