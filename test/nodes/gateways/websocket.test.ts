/** The WebSocket gateway as a connection: many queries, cancelling, ending, and bad neighbours. */

import { connect as connectTcp, type Socket } from 'node:net';

import { expect } from 'chai';
import type WebSocket from 'ws';

import { decode, encode } from '../../../runtime/wire/codec.ts';
import { goodJsonQuery, goodQuery, nextAnswer, openWebSocket, type RawAnswer } from './callers.ts';
import { startGateways, type StartedGateways, type StartOptions } from './start-gateways.ts';
import { until } from './until.ts';

/** Never answered unless it is cancelled. */
function slowQuery(id: string | number): Uint8Array {
  return encode({ ...goodQuery(), id, dataset: 'slow' });
}

/** An answer with as many bytes of output. */
function wideQuery(id: string, bytes: number): Uint8Array {
  const elements = { datatype: 'INT32', shape: [1], data: [bytes] };
  return encode({ id, task: 'wide', inputs: { elements } });
}

function ask(socket: WebSocket, request: object): Promise<RawAnswer> {
  const answer = nextAnswer(socket);
  socket.send(JSON.stringify(request));
  return answer;
}

function closing(socket: WebSocket): Promise<number> {
  return new Promise((resolve) => socket.once('close', resolve));
}

/** Answers by id, as they come. */
function gather(socket: WebSocket): Map<unknown, RawAnswer> {
  const answers = new Map<unknown, RawAnswer>();
  socket.on('message', (data: Buffer) => {
    const answer = decode(data) as RawAnswer;
    answers.set(answer.id, answer);
  });
  return answers;
}

describe('the WebSocket gateway', () => {
  const opened: { close(): unknown }[] = [];
  let gateways: StartedGateways;

  async function start(config: StartOptions['config'] = {}): Promise<WebSocket> {
    gateways = await startGateways({ config });
    return open();
  }

  async function open(options?: WebSocket.ClientOptions): Promise<WebSocket> {
    const socket = await openWebSocket(gateways, options);
    opened.push({ close: () => socket.terminate() });
    return socket;
  }

  afterEach(async () => {
    for (const socket of opened.splice(0)) socket.close();
    // No query outlives its client.
    await until(() => gateways.seen.held.size === 0);
    await gateways.close();
  });

  it('answers many queries on one connection, each under its id', async () => {
    const socket = await start();
    const answers = gather(socket);
    for (let id = 0; id < 500; id += 1) {
      const pixels = new Float32Array(784).fill(id);
      const image = { datatype: 'FP32', shape: [1, 1, 28, 28], data: pixels };
      socket.send(encode({ ...goodQuery(), id, inputs: { image } }));
    }
    await until(() => answers.size === 500);
    for (const [id, answer] of answers) {
      const bytes = (answer.outputs['logits']?.data as Uint8Array).slice();
      expect(new Float32Array(bytes.buffer)[0]).to.equal(784 * Number(id));
    }
  });

  it('does not let a slow query hold up a quick one', async () => {
    const socket = await start();
    socket.send(slowQuery('slow'));
    expect((await ask(socket, goodJsonQuery('quick'))).id).to.equal('quick');
  });

  it('answers in the kind of the request, and echoes the id as it came', async () => {
    const socket = await start();
    expect(await ask(socket, { ...goodJsonQuery(), id: 12 })).to.include({ id: 12, ok: true });
    expect(await ask(socket, { op: 'ping', id: 13 })).to.deep.equal({
      id: 13,
      op: 'pong',
      ok: true,
    });
    expect(await ask(socket, { op: 'ping' })).to.deep.equal({ op: 'pong', ok: true });
  });

  it('refuses an id that is in flight, and takes it again afterwards', async () => {
    const socket = await start();
    socket.send(slowQuery('twice'));
    const refused = nextAnswer(socket);
    socket.send(slowQuery('twice'));
    expect((await refused).error).to.include({ code: 'bad_input' });
    expect((await refused).error.message).to.match(/"twice".*in flight/);
    await until(() => gateways.seen.held.size === 1);
    expect((await ask(socket, { op: 'cancel', id: 'twice' })).error.code).to.equal('cancelled');
    expect(await ask(socket, goodJsonQuery('twice'))).to.include({ id: 'twice', ok: true });
  });

  it('cancels a query, whose own answer says so', async () => {
    const socket = await start();
    socket.send(slowQuery(5));
    await until(() => gateways.seen.held.size === 1);
    const answer = nextAnswer(socket);
    socket.send(encode({ op: 'cancel', id: 5 }));
    expect(await answer).to.deep.include({ id: 5, ok: false });
    expect((await answer).error.code).to.equal('cancelled');
    expect((await answer).op).to.equal(undefined);
  });

  it('refuses to cancel what is not in flight, or has no id', async () => {
    const socket = await start();
    const unknown = await ask(socket, { op: 'cancel', id: 'ghost' });
    expect(unknown).to.include({ op: 'cancel', id: 'ghost', ok: false });
    expect(unknown.error.message).to.match(/no query "ghost"/);
    expect((await ask(socket, { op: 'cancel' })).error.message).to.match(/^id: /);
  });

  it("does not let a connection cancel another's query", async () => {
    const socket = await start();
    const other = await open();
    socket.send(slowQuery('mine'));
    await until(() => gateways.seen.held.size === 1);
    expect((await ask(other, { op: 'cancel', id: 'mine' })).error.code).to.equal('bad_input');
    expect(gateways.seen.held.size).to.equal(1);
  });

  it('describes the fleet, filtered', async () => {
    const socket = await start();
    const all = await ask(socket, { op: 'variants', id: 1 });
    expect(all).to.include({ id: 1, op: 'variants', ok: true });
    expect(all['variants']).to.have.length(1);
    const none = await ask(socket, { op: 'variants', architecture: 'other' });
    expect(none['variants']).to.deep.equal([]);
    const wrong = await ask(socket, { op: 'tasks', tusk: 'x' });
    expect(wrong.error.message).to.match(/tusk.*known: task, dataset, architecture/);
    expect((await ask(socket, { op: 'workers', task: 3 })).error.message).to.match(/^task: .*3/);
  });

  it('cancels the queries of a client that vanishes', async () => {
    const socket = await start();
    for (const id of ['a', 'b', 'c']) socket.send(slowQuery(id));
    await until(() => gateways.seen.held.size === 3);
    socket.terminate();
    await until(() => gateways.seen.held.size === 0);
    expect(gateways.seen.cancelled).to.equal(3);
    expect(await ask(await open(), goodJsonQuery())).to.include({ ok: true });
  });

  it('ends a client that reads nothing, and cancels its queries; others are served', async () => {
    const deaf = await start({ bufferedBytesMax: 1_000_000 });
    (deaf as unknown as { readonly _socket: Socket })._socket.pause();
    deaf.send(slowQuery('waiting'));
    await until(() => gateways.seen.held.size === 1);
    for (let index = 0; index < 40; index += 1) deaf.send(wideQuery(`wide-${index}`, 500_000));
    await until(() => gateways.seen.cancelled === 1);
    expect(await ask(await open(), goodJsonQuery())).to.include({ ok: true });
  });

  it('ends a connection that does not answer pings', async () => {
    await start({ idlePingMs: 30 });
    const silent = await open({ autoPong: false });
    const code = closing(silent);
    silent.send(slowQuery('waiting'));
    expect(await code).to.equal(1006);
    await until(() => gateways.seen.cancelled === 1);
  });

  it('bounds what one connection has in flight', async () => {
    const socket = await start({ inFlightPerConnectionMax: 2 });
    socket.send(slowQuery('a'));
    socket.send(slowQuery('b'));
    const third = await ask(socket, goodJsonQuery('c'));
    expect(third).to.deep.include({ id: 'c', ok: false });
    expect(third.error).to.include({ code: 'overloaded', retryable: true });
    expect(await ask(await open(), goodJsonQuery())).to.include({ ok: true });
  });

  it('bounds what all requests in flight hold', async () => {
    const socket = await start({ inFlightBytesMax: 6_000 });
    socket.send(slowQuery('a'));
    const other = await open();
    const refused = nextAnswer(other);
    other.send(slowQuery('b'));
    expect((await refused).error.message).to.match(/inFlightBytesMax/);
  });

  it('answers a frame over the limit under its id, and goes on', async () => {
    const socket = await start({ payloadBytesMax: 10_000 });
    const answer = nextAnswer(socket);
    socket.send(encode({ ...goodQuery('big'), extra: new Uint8Array(10_000) }));
    expect(await answer).to.deep.include({ id: 'big', ok: false });
    expect((await answer).error.code).to.equal('too_large');
    expect(await ask(socket, { op: 'ping' })).to.include({ ok: true });
  });

  it('ends a connection with a frame far over the limit: 1009', async () => {
    const socket = await start({ payloadBytesMax: 10_000 });
    socket.send(new Uint8Array(100_000));
    expect(await closing(socket)).to.equal(1009);
    expect(await ask(await open(), goodJsonQuery())).to.include({ ok: true });
  });

  it('ends a connection with a text frame that is not UTF-8: 1007', async () => {
    const socket = await start();
    socket.send(Uint8Array.of(0x7b, 0xff), { binary: false });
    expect(await closing(socket)).to.equal(1007);
    expect(await ask(await open(), goodJsonQuery())).to.include({ ok: true });
  });

  it('survives bytes that are no WebSocket', async () => {
    await start();
    const port = Number(new URL(gateways.httpUrl).port);
    const socket = connectTcp(port, '127.0.0.1');
    socket.on('error', () => undefined).resume();
    socket.write('\x16\x03\x01\x02\x00 not HTTP at all\r\n\r\n');
    await new Promise((resolve) => socket.once('close', resolve));
    expect(await ask(await open(), goodJsonQuery())).to.include({ ok: true });
  });

  it('takes no more connections than it may', async () => {
    await start({ connectionsMax: 1 });
    expect(await refusalOf(open())).to.match(/503/);
  });

  it('refuses an upgrade elsewhere, without a token, or by a foreign page', async () => {
    gateways = await startGateways({ config: { token: 'open-sesame' } });
    expect(await refusalOf(open())).to.match(/401/);
    expect(await refusalOf(open({ headers: { Authorization: 'Bearer wrong' } }))).to.match(/401/);
    const socket = await open({ headers: { Authorization: 'Bearer open-sesame' } });
    expect(await ask(socket, goodJsonQuery())).to.include({ ok: true });
    await gateways.close();
    gateways = await startGateways();
    expect(await refusalOf(open({ origin: 'https://evil.example' }))).to.match(/403/);
    expect(await refusalOf(open({ headers: { Host: 'evil.example' } }))).to.match(/403/);
    const { wsUrl } = gateways;
    expect(await refusalOf(openWebSocket({ wsUrl: `${wsUrl}/elsewhere` }))).to.match(/404/);
  });

  it('answers what is in flight when it closes, and says 1001', async () => {
    const socket = await start({ drainMs: 50 });
    const answers = gather(socket);
    socket.send(slowQuery('slow'));
    await until(() => gateways.seen.held.size === 1);
    const code = closing(socket);
    await gateways.close();
    expect(await code).to.equal(1001);
    expect(answers.get('slow')?.error).to.include({ code: 'unavailable', retryable: true });
    gateways.seen.held.clear();
  });

  it('takes nothing more while it closes, and waits for what is in flight', async () => {
    const socket = await start({ drainMs: 5_000 });
    const answers = gather(socket);
    socket.send(slowQuery('slow'));
    await until(() => gateways.seen.held.size === 1);
    const code = closing(socket);
    const closed = gateways.close();
    socket.send(encode(goodQuery('late')));
    await until(() => answers.has('late'));
    expect(answers.get('late')?.error.code).to.equal('unavailable');
    socket.send(encode({ op: 'cancel', id: 'slow' }));
    await closed;
    expect(answers.get('slow')?.error.code).to.equal('cancelled');
    expect(await code).to.equal(1001);
  });

  it('answers unavailable when its dispatcher ends', async () => {
    const socket = await start();
    socket.send(slowQuery('orphan'));
    await until(() => gateways.seen.held.size === 1);
    const answer = nextAnswer(socket);
    gateways.host.stop(gateways.dispatcher);
    expect((await answer).error).to.include({ code: 'unavailable' });
    gateways.seen.held.clear();
  });
});

async function refusalOf(opening: Promise<unknown>): Promise<string> {
  return opening.then(
    () => 'it was let in',
    (error: unknown) => String(error),
  );
}
