/**
 * The NATS bus against a real server that is killed, hangs, comes back on the same port, or was
 * never there; and the launcher that starts such servers.
 */

import { existsSync } from 'node:fs';
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { expect } from 'chai';

import { connectNatsBus, type NatsBus } from '../../nodes/adapters/nats-bus.ts';
import {
  findNatsServer,
  type NatsServer,
  startNatsServer,
} from '../../nodes/adapters/nats-server.ts';
import { BusUnreachable } from '../../runtime/errors.ts';
import { silentLogger } from '../../runtime/log.ts';
import { eventually } from '../conformance/bus-harness.ts';

const log = silentLogger;
const patienceMs = 10_000;

/** The error a promise is rejected with. */
async function failureOf(promise: Promise<unknown>): Promise<unknown> {
  return promise.then(
    () => expect.fail('it did not fail'),
    (error: unknown) => error,
  );
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

describe('the NATS bus', function () {
  this.timeout(30_000);
  let server: NatsServer;
  let bus: NatsBus;

  beforeEach(async () => {
    server = await startNatsServer({ log });
    bus = await connectNatsBus({ url: server.url, name: 'test', log });
  });

  afterEach(async () => {
    await bus.close();
    await server.stop();
  });

  it('outlives its server: refuses meanwhile, and works again on the same port', async () => {
    const heard: number[] = [];
    bus.subscribe('test.subject', ({ payload }) => heard.push(payload[0] ?? -1));
    bus.publish('test.subject', Uint8Array.of(1));
    await eventually('it arrives', () => heard.length === 1, patienceMs);

    process.kill(server.pid, 'SIGKILL');
    await eventually('the bus notices', () => bus.status === 'disconnected', patienceMs);
    for (let attempt = 0; attempt < 20; attempt += 1) {
      expect(bus.publish('test.subject', Uint8Array.of(2))).to.equal('bus-refused');
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    await server.stop();
    server = await startNatsServer({ log, port: Number(new URL(server.url).port) });
    await eventually('the bus is back', () => bus.status === 'connected', patienceMs);

    expect(bus.publish('test.subject', Uint8Array.of(3))).to.equal(undefined);
    await eventually('it arrives again', () => heard.length >= 2, patienceMs);
    expect(heard).to.deep.equal([1, 3]);
    let told = false;
    bus.publish('test.nobody', Uint8Array.of(1), () => (told = true));
    await eventually('no responders works again', () => told, patienceMs);
  });

  it('notices a server that hangs', async () => {
    process.kill(server.pid, 'SIGSTOP');
    try {
      await eventually('the bus notices', () => bus.status === 'disconnected', 20_000);
      expect(bus.publish('test.subject', Uint8Array.of(1))).to.equal('bus-refused');
    } finally {
      process.kill(server.pid, 'SIGCONT');
    }
    await eventually('the bus is back', () => bus.status === 'connected', patienceMs);
  });

  it('remembers many unanswered publishes without mistaking one for another', async () => {
    const wrong: number[] = [];
    bus.subscribe('test.somebody', () => undefined);
    for (let index = 0; index < 40_000; index += 1) {
      bus.publish('test.somebody', Uint8Array.of(1), () => wrong.push(index));
    }
    let told = 0;
    bus.publish('test.nobody', Uint8Array.of(1), () => (told += 1));
    await eventually('the last is told', () => told > 0, patienceMs);
    expect([told, wrong]).to.deep.equal([1, []]);
  });

  it('shares its connection with whoever needs NATS itself', async () => {
    await bus.connection.flush();
    expect(bus.connection.info?.max_payload).to.equal(bus.payloadMax);
    expect(bus.payloadMax).to.equal(8 * 1024 * 1024);
  });
});

describe('connecting to NATS', function () {
  this.timeout(30_000);

  it('fails with what to do when nobody is there', async () => {
    const server = await startNatsServer({ log });
    await server.stop();
    const error = await failureOf(connectNatsBus({ url: server.url, name: 'test', log }));
    expect(error).to.be.instanceOf(BusUnreachable);
    expect(error).to.have.property('address', server.url);
    expect((error as Error).message)
      .to.include(server.url)
      .and.to.include('start nats-server');
  });

  it('takes a token, and fails without it', async () => {
    const server = await startNatsServer({ log, token: 'sesame' });
    try {
      const error = await failureOf(connectNatsBus({ url: server.url, name: 'test', log }));
      expect(error).to.be.instanceOf(BusUnreachable);
      const bus = await connectNatsBus({ url: server.url, name: 'test', token: 'sesame', log });
      expect(bus.status).to.equal('connected');
      await bus.close();
    } finally {
      await server.stop();
    }
  });

  it('takes any of several servers', async () => {
    const [gone, server] = [await startNatsServer({ log }), await startNatsServer({ log })];
    await gone.stop();
    try {
      const url = `${gone.url}, ${server.url}`;
      const bus = await connectNatsBus({ url, name: 'test', log });
      expect(bus.status).to.equal('connected');
      await bus.close();
    } finally {
      await server.stop();
    }
  });
});

describe('the nats-server launcher', function () {
  this.timeout(30_000);

  it('starts a server on a port of its own and leaves nothing behind', async () => {
    expect(findNatsServer()).to.be.a('string');
    // A folder of its own: other systems on this machine make and remove theirs meanwhile.
    const folder = await mkdtemp(join(tmpdir(), 'infaas-test-'));
    const before = process.env['TMPDIR'];
    process.env['TMPDIR'] = folder;
    const [one, two] = [await startNatsServer({ log }), await startNatsServer({ log })];
    expect(one.url).to.match(/^nats:\/\/127\.0\.0\.1:\d+$/);
    expect(one.url).to.not.equal(two.url);
    expect(isAlive(one.pid)).to.equal(true);
    await one.stop();
    await one.stop();
    await two.stop();
    expect([isAlive(one.pid), isAlive(two.pid)]).to.deep.equal([false, false]);
    if (before === undefined) delete process.env['TMPDIR'];
    else process.env['TMPDIR'] = before;
    expect(await readdir(folder)).to.deep.equal([]);
    await rm(folder, { recursive: true });
  });

  it('gives JetStream a folder when it has one, and keeps that folder', async () => {
    const dataDir = await mkdtemp(join(tmpdir(), 'infaas-test-'));
    const server = await startNatsServer({ log, dataDir });
    const bus = await connectNatsBus({ url: server.url, name: 'test', log });
    try {
      const streams = await bus.connection.jetstreamManager();
      expect((await streams.getAccountInfo()).streams).to.equal(0);
    } finally {
      await bus.close();
      await server.stop();
      expect(existsSync(dataDir)).to.equal(true);
      await rm(dataDir, { recursive: true });
    }
  });

  it('says why a server did not start', async () => {
    const server = await startNatsServer({ log });
    try {
      const port = Number(new URL(server.url).port);
      const error = await failureOf(startNatsServer({ log, port }));
      expect(error).to.be.instanceOf(BusUnreachable);
      expect((error as Error).message).to.include('address already in use');
    } finally {
      await server.stop();
    }
  });
});
