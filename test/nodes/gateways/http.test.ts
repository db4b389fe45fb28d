/** The HTTP gateway: statuses, kinds of content, probes, and clients that hang up. */

import { request as httpRequest } from 'node:http';

import { expect } from 'chai';

import { gatewayConfigSchema } from '../../../nodes/gateways/config.ts';
import { ConfigInvalid } from '../../../runtime/errors.ts';
import { encode } from '../../../runtime/wire/codec.ts';
import { decodeAnswer, goodJsonQuery, goodQuery, type RawAnswer } from './callers.ts';
import { startGateways, type StartedGateways, type StartOptions } from './start-gateways.ts';
import { until } from './until.ts';

interface Response {
  readonly status: number;
  readonly headers: Headers;
  readonly text: string;
  readonly answer: RawAnswer;
}

describe('the HTTP gateway', () => {
  let gateways: StartedGateways;

  async function start(options: StartOptions = {}): Promise<void> {
    gateways = await startGateways(options);
  }

  afterEach(() => gateways.close());

  async function call(path: string, init: RequestInit = {}): Promise<Response> {
    const response = await fetch(`${gateways.httpUrl}${path}`, init);
    const { status, headers } = response;
    const bytes = new Uint8Array(await response.arrayBuffer());
    const text = Buffer.from(bytes).toString();
    const isBinary = headers.get('content-type') === 'application/msgpack';
    const isText = headers.get('content-type')?.startsWith('text/') ?? true;
    const answer = isText ? ({} as RawAnswer) : decodeAnswer(bytes, isBinary);
    return { status, headers, text, answer };
  }

  function post(fields: object, headers: Record<string, string> = {}): Promise<Response> {
    const body = JSON.stringify({ ...goodJsonQuery(), ...fields });
    const init = { method: 'POST', body };
    return call('/v1/query', {
      ...init,
      headers: { 'Content-Type': 'application/json', ...headers },
    });
  }

  it('answers 200, with or without an id', async () => {
    await start();
    const named = await post({});
    expect(named).to.include({ status: 200 });
    expect(named.answer).to.include({ id: 'good', ok: true });
    const unnamed = await post({ id: undefined });
    expect(unnamed.answer.id).to.equal(unnamed.answer.queryId);
  });

  it('has a status for each kind of refusal', async () => {
    await start();
    const cases: readonly (readonly [object, number])[] = [
      [{ priority: 99 }, 400],
      [{ task: 'telepathy' }, 404],
      [{ architecture: 'gpt-9' }, 404],
      [{ slo: { accuracyMin: 100 } }, 422],
    ];
    for (const [fields, status] of cases) expect((await post(fields)).status).to.equal(status);
  });

  /** A request whose body is sent by hand; its status and answer when they come. */
  function upload(bytes: number, headers: Record<string, string> = {}) {
    const request = httpRequest(`${gateways.httpUrl}/v1/query`, {
      method: 'POST',
      headers: { 'Content-Type': 'application/json', 'Content-Length': bytes, ...headers },
    });
    const answered = new Promise<{ status: number | undefined; text: string }>(
      (resolve, reject) => {
        request.once('error', reject);
        request.once('response', (response) => {
          let text = '';
          response.on('data', (chunk: Buffer) => {
            text += chunk.toString();
          });
          response.once('end', () => {
            resolve({ status: response.statusCode, text });
          });
        });
      },
    );
    request.flushHeaders();
    return { request, answered };
  }

  it('refuses before it reads a body: without a token, or with too much in flight', async () => {
    await start({ config: { token: 'secret', inFlightMax: 1 } });
    const stranger = upload(30_000_000);
    expect(await stranger.answered).to.include({ status: 401 });
    stranger.request.destroy();
    const authorization = { Authorization: 'Bearer secret' };
    void post({ dataset: 'slow' }, authorization).catch(() => undefined);
    await until(() => gateways.seen.held.size === 1);
    const late = upload(30_000_000, authorization);
    const { status, text } = await late.answered;
    expect(status).to.equal(503);
    expect(text).to.contain('inFlightMax');
    late.request.destroy();
  });

  it('bounds what all uploads together may hold, and gives it back', async () => {
    const body = JSON.stringify(goodJsonQuery());
    await start({ config: { uploadBytesMax: Math.ceil(1.5 * body.length) } });
    const first = upload(body.length);
    first.request.write(body.slice(0, 10));
    await until(async () => {
      const second = upload(body.length);
      const { status, text } = await second.answered.finally(() => second.request.destroy());
      return status === 503 && text.includes('uploadBytesMax');
    });
    first.request.end(body.slice(10));
    expect((await first.answered).status).to.equal(200);
    expect((await post({})).status).to.equal(200);
    const cut = upload(body.length);
    cut.request.write(body.slice(0, 10));
    cut.request.destroy();
    await cut.answered.catch(() => undefined);
    await until(async () => (await post({})).status === 200);
  });

  it('speaks msgpack where it is spoken to so, or asked for it', async () => {
    await start();
    const body = encode(goodQuery());
    const headers = { 'Content-Type': 'application/msgpack' };
    const binary = await call('/v1/query', { method: 'POST', body, headers });
    expect(binary.headers.get('content-type')).to.equal('application/msgpack');
    expect(binary.answer.outputs['logits']?.data).to.be.instanceOf(Uint8Array);
    const asked = await post({}, { Accept: 'application/msgpack' });
    expect(asked.headers.get('content-type')).to.equal('application/msgpack');
    const text = await call('/v1/query', {
      method: 'POST',
      body,
      headers: { ...headers, Accept: 'application/json' },
    });
    expect(text.headers.get('content-type')).to.equal('application/json');
  });

  it('refuses other kinds of content, which a form of a web page could send', async () => {
    await start();
    const refused = await post({}, { 'Content-Type': 'text/plain' });
    expect(refused.status).to.equal(415);
    expect(refused.answer.error.message).to.match(/^Content-Type: .*text\/plain/);
  });

  it('describes the fleet, filtered', async () => {
    await start();
    for (const what of ['tasks', 'architectures', 'variants', 'workers', 'instances']) {
      const { status, answer } = await call(`/v1/${what}`);
      expect(status).to.equal(200);
      expect(answer[what], what).to.have.length(1);
    }
    const { answer } = await call('/v1/instances?task=digit-classification&dataset=mnist');
    expect(answer['instances']).to.have.length(1);
    const none = await call('/v1/instances?task=other');
    expect(none.answer['instances']).to.deep.equal([]);
    const wrong = await call('/v1/tasks?tusk=x');
    expect(wrong.status).to.equal(400);
    expect(wrong.answer.error.message).to.match(/tusk/);
  });

  it('says what there is, where there is nothing', async () => {
    await start();
    const nowhere = await call('/v2/models');
    expect(nowhere.status).to.equal(404);
    expect(nowhere.answer.error.message).to.match(/\/v2\/models.*\/v1\/query/);
    const elsewhere = await call('/v1/subscribe');
    expect(elsewhere.answer.error.message).to.match(/offered over WebSocket/);
    const method = await call('/v1/query');
    expect(method.status).to.equal(405);
    expect(method.headers.get('allow')).to.equal('POST');
    expect((await call('/v1/tasks', { method: 'DELETE' })).status).to.equal(405);
    expect((await call('/v1/ws')).status).to.equal(426);
  });

  it('answers probes without a token, everything else with one', async () => {
    await start({ config: { token: 'open-sesame' } });
    expect(await call('/healthz')).to.include({ status: 200, text: 'ok\n' });
    expect(await call('/readyz')).to.include({ status: 200, text: 'ready\n' });
    expect((await call('/metrics')).status).to.equal(401);
    const refused = await call('/v1/tasks');
    expect(refused.status).to.equal(401);
    expect(refused.headers.get('www-authenticate')).to.equal('Bearer');
    expect(refused.answer.error.code).to.equal('unauthorized');
    const headers = { Authorization: 'Bearer open-sesame' };
    expect((await call('/metrics', { headers })).text).to.match(/infaas_up/);
    expect((await post({}, headers)).status).to.equal(200);
    expect((await call('/v1/tasks?token=open-sesame')).status).to.equal(200);
  });

  it('is not ready where the root says so', async () => {
    await start({ notReady: () => 'no worker has joined' });
    expect(await call('/readyz')).to.include({ status: 503, text: 'no worker has joined\n' });
  });

  it('keeps foreign web pages out, and lets its own read', async () => {
    await start();
    expect((await post({}, { Origin: 'https://evil.example' })).status).to.equal(403);
    const own = await post({}, { Origin: 'http://localhost:5173' });
    expect(own.headers.get('access-control-allow-origin')).to.equal('http://localhost:5173');
    const preflight = { method: 'OPTIONS', headers: { Origin: 'http://localhost:5173' } };
    expect((await call('/v1/query', preflight)).status).to.equal(204);
    const foreign = { method: 'OPTIONS', headers: { Origin: 'https://evil.example' } };
    const refused = await call('/v1/query', foreign);
    expect(refused.headers.get('access-control-allow-origin')).to.equal(null);
    expect(refused.status).to.equal(403);
  });

  it('refuses a body over the limit, declared or not', async () => {
    await start({ config: { payloadBytesMax: 10_000 } });
    const declared = await post({ trace: 'x'.repeat(20_000) });
    expect(declared.status).to.equal(413);
    expect(declared.answer.error.code).to.equal('too_large');
    const body = new Blob([new Uint8Array(20_000)]).stream();
    const headers = { 'Content-Type': 'application/msgpack' };
    const init = { method: 'POST', body, headers, duplex: 'half' } as RequestInit;
    expect((await call('/v1/query', init)).status).to.equal(413);
    expect((await post({})).status).to.equal(200);
  });

  it('cancels the query of a client that hangs up', async () => {
    await start();
    const hangUp = new AbortController();
    const body = JSON.stringify({ ...goodJsonQuery(), dataset: 'slow' });
    const headers = { 'Content-Type': 'application/json' };
    const init = { method: 'POST', body, headers, signal: hangUp.signal };
    const failed = fetch(`${gateways.httpUrl}/v1/query`, init).catch(() => 'aborted');
    await until(() => gateways.seen.held.size === 1);
    hangUp.abort();
    expect(await failed).to.equal('aborted');
    await until(() => gateways.seen.held.size === 0);
    expect(gateways.seen.cancelled).to.equal(1);
  });

  it('survives a client that hangs up in the middle of its body', async () => {
    await start();
    const half = httpRequest(`${gateways.httpUrl}/v1/query`, {
      method: 'POST',
      headers: { 'Content-Type': 'application/json', 'Content-Length': '1000' },
    });
    half.on('error', () => undefined);
    await new Promise((resolve) => half.write('{"id":', resolve));
    half.destroy();
    expect((await post({})).status).to.equal(200);
  });

  it('answers what is in flight when it closes', async () => {
    await start({ config: { drainMs: 50 } });
    const answer = post({ dataset: 'slow' });
    await until(() => gateways.seen.held.size === 1);
    await gateways.close();
    expect(await answer).to.include({ status: 503 });
    expect((await answer).headers.get('retry-after')).to.equal('1');
  });

  it('says why it cannot listen', async () => {
    await start();
    const port = Number(new URL(gateways.httpUrl).port);
    const failed = await startGateways({ config: { port } }).catch((error: unknown) => error);
    expect(failed).to.be.instanceOf(ConfigInvalid);
    expect(String(failed)).to.match(/cannot listen on 127\.0\.0\.1:\d+.*in use/);
    const open = await startGateways({ config: { host: '0.0.0.0' } }).catch(String);
    expect(open).to.match(/needs a token/);
  });

  it('refuses a configuration it does not know', async () => {
    await start();
    expect(gatewayConfigSchema.safeParse({ payloadMax: 3 }).success).to.equal(false);
    expect(gatewayConfigSchema.safeParse({ port: 70_000 }).success).to.equal(false);
  });
});
