/**
 * The distributed system with real processes on a real nats-server: three ways in, and everything
 * that can be killed is killed under load, counting answers.
 */

import { expect } from 'chai';
import { connect } from 'nats';

import { type NatsServer, startNatsServer } from '../../nodes/adapters/nats-server.ts';
import { silentLogger } from '../../runtime/log.ts';
import { childrenOf, eventually, isAlive, pause, type Process, Stage } from './processes.ts';
import { digitQuery, QueryStream } from './stream.ts';

const variant = 'cnn-small-fp32';
const preloaded = { worker: { preload: { [variant]: 1 } } };
/** One that has much to do, or is slowed, serves too. */
const serving = ['active', 'overloaded', 'interfered'];
const asked = { slo: { accuracyMin: 98 }, timeoutMs: 20_000 };

interface Listed {
  readonly workers: readonly { readonly name: string; readonly epoch: number }[];
  readonly instances: readonly { readonly state: string; readonly worker: string }[];
}

async function list(httpUrl: unknown, what: 'workers' | 'instances'): Promise<Listed> {
  return (await (await fetch(`${String(httpUrl)}/v1/${what}`)).json()) as Listed;
}

async function bothServe(gateway: Process): Promise<void> {
  await eventually('both workers serve', async () => {
    const { instances } = await list(gateway.ready['httpUrl'], 'instances');
    return instances.filter(({ state }) => serving.includes(state)).length >= 2;
  });
}

describe('a distributed system', function () {
  this.timeout(90_000);
  let stage: Stage;
  let server: NatsServer;
  let nats: string[];

  beforeEach(async () => {
    stage = new Stage();
    server = await startNatsServer({ log: silentLogger });
    nats = ['--nats', server.url];
  });

  afterEach(async () => {
    await stage.end();
    await server.stop();
  });

  async function startController(data = stage.folder()): Promise<Process> {
    return stage.infaas(['controller', ...nats, '--zoo', '--port', '0', '--data', data]);
  }

  async function startWorkers(): Promise<readonly [Process, Process]> {
    return Promise.all([
      stage.infaas(['worker', ...nats, '--name', 'worker-a', '--cores', '0'], preloaded),
      stage.infaas(['worker', ...nats, '--name', 'worker-b', '--cores', '0'], preloaded),
    ]);
  }

  it('answers over WebSocket, as a NATS service, and over HTTP', async () => {
    const controller = await startController();
    await startWorkers();
    await bothServe(controller);

    const stream = await QueryStream.open(String(controller.ready['url']));
    const id = stream.send(asked);
    await eventually('an answer over WebSocket', () => stream.answers.has(id));
    expect(stream.failures()).to.deep.equal([]);
    stream.close();

    const client = await connect({ servers: server.url });
    const query = JSON.stringify({
      ...digitQuery('n1', 1, asked),
      inputs: { image: { datatype: 'FP32', shape: [1, 1, 28, 28], data: Array(784).fill(0) } },
    });
    const { headers } = await import('nats');
    const json = headers();
    json.set('Content-Type', 'application/json');
    const reply = await client.request('infaas.v1.query', query, {
      headers: json,
      timeout: 10_000,
    });
    expect(reply.json<{ ok: boolean }>().ok).to.equal(true);
    await client.close();

    const response = await fetch(`${String(controller.ready['httpUrl'])}/v1/query`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: query,
    });
    expect(((await response.json()) as { ok: boolean }).ok).to.equal(true);
  });

  it('loses no query when a worker and then an engine host are killed under load', async () => {
    const controller = await startController();
    const [first, second] = await startWorkers();
    await bothServe(controller);
    const stream = await QueryStream.open(String(controller.ready['url']));
    stream.start(200, asked);
    await eventually('both workers answer', () => stream.workers().size === 2);
    first.kill('SIGKILL');
    const sentAtKill = stream.sent;
    await eventually('400 more queries', () => stream.sent > sentAtKill + 400);
    const [engineHost] = childrenOf(second.pid);
    expect(engineHost, 'the engine host of worker-b').to.be.a('number');
    process.kill(engineHost ?? 0, 'SIGKILL');
    const sentAtSecond = stream.sent;
    await eventually('400 more queries', () => stream.sent > sentAtSecond + 400);
    stream.pause();
    await eventually('every query is answered', () => stream.answered === stream.sent);
    expect(stream.failures()).to.deep.equal([]);
    expect(stream.doubled()).to.deep.equal([]);
    stream.close();
  });

  it('serves on while the controller is killed and restarted', async () => {
    const data = stage.folder();
    const controller = await startController(data);
    await startWorkers();
    const gateway = await stage.infaas(['gateway', ...nats, '--port', '0']);
    await bothServe(gateway);
    const stream = await QueryStream.open(String(gateway.ready['url']));
    stream.start(200, asked);
    await eventually('answers flow', () => stream.answered > 100);
    controller.kill('SIGKILL');
    await controller.exited;
    const atKill = stream.answered;
    await eventually('answers flow without a controller', () => stream.answered > atKill + 200);
    const again = await startController(data);
    await bothServe(again);
    stream.pause();
    await eventually('every query is answered', () => stream.answered === stream.sent);
    expect(stream.failures()).to.deep.equal([]);
    expect(stream.doubled()).to.deep.equal([]);
    stream.close();
  });

  it('recovers by itself when the nats-server is killed and restarted', async () => {
    const controller = await startController();
    await startWorkers();
    await bothServe(controller);
    const stream = await QueryStream.open(String(controller.ready['url']));
    stream.start(200, asked);
    await eventually('answers flow', () => stream.answered > 100);
    const port = Number(new URL(server.url).port);
    process.kill(server.pid, 'SIGKILL');
    await server.stop();
    await pause(500);
    server = await startNatsServer({ log: silentLogger, port });
    const atRestart = stream.sent;
    await eventually('600 more queries', () => stream.sent > atRestart + 600);
    stream.pause();
    await eventually('every query is answered', () => stream.answered === stream.sent);
    expect(stream.doubled()).to.deep.equal([]);
    const codes = new Set(stream.failures().map((failure) => failure.split(':')[0]));
    expect(
      [...codes].filter((code) => !['unavailable', 'deadline_exceeded'].includes(code ?? '')),
    ).to.deep.equal([]);
    const id = stream.send(asked);
    await eventually('service after the restart', () => stream.answers.has(id));
    expect(stream.answers.get(id)?.[0]?.ok).to.equal(true);
    stream.close();
  });

  it('says to clients, probes and on stderr that its broker is dead', async () => {
    const controller = await startController();
    await startWorkers();
    await bothServe(controller);
    const httpUrl = String(controller.ready['httpUrl']);
    const readiness = async (): Promise<string> => {
      const response = await fetch(`${httpUrl}/readyz`);
      return `${String(response.status)} ${await response.text()}`;
    };
    await eventually('it is ready', async () => (await readiness()) === '200 ready\n');
    const port = Number(new URL(server.url).port);
    process.kill(server.pid, 'SIGKILL');
    await server.stop();
    await eventually('it is not ready', async () => (await readiness()).startsWith('503'));
    expect(await readiness()).to.contain(`NATS at ${server.url} cannot be reached`);
    const stream = await QueryStream.open(String(controller.ready['url']));
    const id = stream.send(asked);
    await eventually('a refusal', () => stream.answers.has(id));
    expect(stream.failures()[0]).to.match(/^unavailable: NATS at nats:/);
    server = await startNatsServer({ log: silentLogger, port });
    await eventually('it is ready again', async () => (await readiness()).startsWith('200'));
    stream.close();
    for (const said of ['NATS is lost', 'NATS is back']) {
      expect(controller.errors()).to.contain(said);
    }
  });

  it('takes a worker that stood still for 5 s back in, answering each query once', async () => {
    const controller = await startController();
    const [first] = await startWorkers();
    await bothServe(controller);
    const stream = await QueryStream.open(String(controller.ready['url']));
    stream.start(100, asked);
    await eventually('both workers answer', () => stream.workers().size === 2);
    first.kill('SIGSTOP');
    await pause(5_000);
    first.kill('SIGCONT');
    await bothServe(controller);
    stream.pause();
    await eventually('every query is answered', () => stream.answered === stream.sent);
    expect(stream.failures()).to.deep.equal([]);
    expect(stream.doubled()).to.deep.equal([]);
    stream.close();
  });

  it('refuses a node whose name is taken, and takes it once its bearer is dead', async () => {
    const controller = await startController();
    const named = ['worker', ...nats, '--name', 'worker-a', '--cores', '0'];
    const first = await stage.infaas(named);
    const second = await stage.refused(named);
    expect(second).to.include({ code: 1 });
    expect(second.err).to.contain('"worker-a"').and.to.contain('is running already');
    const other = await stage.refused([
      ...['controller', ...nats, '--port', '0', '--data', stage.folder()],
    ]);
    expect(other).to.include({ code: 1 });
    expect(other.err).to.contain('a controller is running already');
    expect([first.pid, controller.pid].every(isAlive)).to.equal(true);
    first.kill('SIGKILL');
    await first.exited;
    await stage.infaas(named);
    await eventually('it serves in the place of the dead one', async () => {
      const { workers } = await list(controller.ready['httpUrl'], 'workers');
      return workers.some(({ name, epoch }) => name === 'worker-a' && epoch === 2);
    });
  });

  it('spawns a worker process of `up` again, and gives up when it ends too often', async () => {
    const system = await stage.infaas(
      ['up', '--zoo', ...nats, '--workers', '2', '--port', '0', '--data', stage.folder()],
      { processes: { restartsMax: 1 }, ...preloaded },
    );
    await bothServe(system);
    const stream = await QueryStream.open(String(system.ready['url']));
    stream.start(100, asked);
    const first = childrenOf(system.pid);
    process.kill(first[0] ?? 0, 'SIGKILL');
    await eventually('it is said', () => /worker-\d is back/.test(system.errors()));
    await eventually('it serves in the place of the dead one', async () => {
      const { workers } = await list(system.ready['httpUrl'], 'workers');
      return workers.length === 2 && workers.some(({ epoch }) => epoch === 2);
    });
    stream.pause();
    await eventually('every query is answered', () => stream.answered === stream.sent);
    expect(stream.failures()).to.deep.equal([]);
    stream.close();
    const again = childrenOf(system.pid).find((pid) => !first.includes(pid));
    process.kill(again ?? 0, 'SIGKILL');
    expect(await system.exited).to.equal(1);
    expect(system.errors()).to.match(/cannot go on: worker-\d ended more than 1 times/);
  });

  it('leaves no process behind when it is told to end', async () => {
    const system = await stage.infaas([
      ...['up', '--zoo', ...nats, '--workers', '2', '--port', '0', '--data', stage.folder()],
    ]);
    const pids = childrenOf(system.pid).flatMap((pid) => [pid, ...childrenOf(pid)]);
    expect(pids).to.have.length.greaterThan(1);
    system.kill('SIGINT');
    expect(await system.exited).to.equal(0);
    await eventually('all its processes are gone', () => !pids.some(isAlive));
  });
});
