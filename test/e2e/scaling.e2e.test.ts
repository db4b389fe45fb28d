/**
 * Scaling with real processes and real models on a real nats-server: workers that an agent starts
 * and removes as load asks, an instance that leaves a disturbed core, and workers that are killed.
 */

import { type ChildProcess, spawn } from 'node:child_process';

import { expect } from 'chai';

import { type NatsServer, startNatsServer } from '../../nodes/adapters/nats-server.ts';
import { silentLogger } from '../../runtime/log.ts';
import { childrenOf, eventually, isAlive, type Process, Stage } from './processes.ts';
import { QueryStream } from './stream.ts';

/** Only the heavy architecture is that accurate: 14 ms on an idle core. */
const heavy = { slo: { accuracyMin: 99.5 }, timeoutMs: 60_000 };
const light = { slo: { accuracyMin: 98 }, timeoutMs: 20_000 };

const quick = {
  // Processes that start take the others' cores for longer than three beats on a busy machine.
  bus: { missedMax: 12 },
  // How workers come and go, and not when the default policy has planned for a lull that lasts.
  fleet: { policy: 'infaas-paper', tickMs: 500, youngMs: 1_000, rules: { releaseAfterMs: 3_000 } },
  dispatcher: { selection: 'cheapest' },
  // As much of a core as the neighbours get, so that a busy machine slows it and no more.
  engine: { nice: 0 },
  monitor: { rules: { batchesMin: 3 } },
  worker: {
    scaling: {
      policy: 'steady',
      rules: { rememberMs: 3_000, downSlotsMin: 2, idleAfterMs: 3_000 },
    },
  },
};

describe('a system that scales', function () {
  this.timeout(120_000);
  let stage: Stage;
  let server: NatsServer;
  let nats: string[];
  const neighbours: ChildProcess[] = [];

  beforeEach(async () => {
    stage = new Stage();
    server = await startNatsServer({ log: silentLogger });
    nats = ['--nats', server.url];
  });

  afterEach(async () => {
    for (const neighbour of neighbours.splice(0)) neighbour.kill('SIGKILL');
    await stage.end();
    await server.stop();
  });

  async function startSystem(min: number, agentConfig: object = {}): Promise<[Process, Process]> {
    const fleet = { ...quick.fleet, limits: { cpu: { min, max: 2 } } };
    const args = ['controller', ...nats, '--zoo', '--port', '0', '--data', stage.folder()];
    const controller = await stage.infaas(args, { ...quick, fleet });
    const agent = await stage.infaas(['agent', ...nats, '--cores', '0-1', '--memory', '2GiB'], {
      ...quick,
      ...agentConfig,
    });
    return [controller, agent];
  }

  async function namesOf(controller: Process): Promise<string[]> {
    const response = await fetch(`${String(controller.ready['httpUrl'])}/v1/instances`);
    const { instances } = (await response.json()) as {
      instances: { readonly worker: string; readonly state: string }[];
    };
    return [
      ...new Set(instances.flatMap(({ worker, state }) => (state === 'loading' ? [] : [worker]))),
    ];
  }

  async function workersOf(controller: Process): Promise<number> {
    const response = await fetch(`${String(controller.ready['httpUrl'])}/v1/workers`);
    return ((await response.json()) as { workers: unknown[] }).workers.length;
  }

  async function everyQueryHasOneAnswer(stream: QueryStream): Promise<void> {
    stream.pause();
    await eventually('every query is answered', () => stream.answered === stream.sent, 65_000);
    expect(stream.doubled()).to.deep.equal([]);
  }

  it('starts a worker by its agent under load and removes it after, losing no query', async () => {
    const [controller, agent] = await startSystem(1);
    await eventually('the first worker joins', async () => (await workersOf(controller)) === 1);
    const stream = await QueryStream.open(String(controller.ready['url']));
    stream.start(110, heavy);
    await eventually(
      'another worker joins',
      async () => (await workersOf(controller)) === 2,
      40_000,
    );
    expect(childrenOf(agent.pid)).to.have.length(2);
    await everyQueryHasOneAnswer(stream);
    stream.start(2, light);
    await eventually('it is removed', async () => (await workersOf(controller)) === 1, 40_000);
    await eventually('its process has ended', () => childrenOf(agent.pid).length === 1);
    await everyQueryHasOneAnswer(stream);
    const served = [...stream.workers()].filter((name) => name !== undefined);
    expect(served).to.have.length(2);
    stream.close();
  });

  it('moves an instance whose core a neighbour takes to another worker', async () => {
    const args = ['controller', ...nats, '--zoo', '--port', '0', '--data', stage.folder()];
    const controller = await stage.infaas(args, quick);
    const cores = { 'worker-a': '0', 'worker-b': '1' };
    for (const [name, core] of Object.entries(cores)) {
      await stage.infaas(['worker', ...nats, '--name', name, '--cores', core], quick);
    }
    await eventually('both workers join', async () => (await workersOf(controller)) === 2);
    const stream = await QueryStream.open(String(controller.ready['url']));
    stream.start(6, heavy);
    const last = (): string | undefined =>
      [...stream.answers.values()].at(-1)?.[0]?.servedBy?.worker;
    await eventually('queries are answered', () => stream.answered > 10);
    const disturbed = last() as keyof typeof cores;
    for (let count = 0; count < 3; count += 1) {
      const loop = ['-c', cores[disturbed], process.execPath, '-e', 'for (;;);'];
      neighbours.push(spawn('taskset', loop, { stdio: 'ignore' }));
    }
    await eventually('another worker answers', () => last() !== disturbed, 40_000);
    await everyQueryHasOneAnswer(stream);
    expect(stream.failures()).to.deep.equal([]);
    stream.close();
  });

  it('answers every query once while workers are killed, and starts others for them', async () => {
    const preload = { worker: { ...quick.worker, preload: { 'cnn-small-fp32': 1 } } };
    const [controller, agent] = await startSystem(2, preload);
    await eventually('two workers join', async () => (await workersOf(controller)) === 2);
    const stream = await QueryStream.open(String(controller.ready['url']));
    stream.start(50, light);
    await eventually('queries are answered', () => stream.answered > 50);
    for (let kills = 0; kills < 3; kills += 1) {
      await eventually('both serve', async () => (await namesOf(controller)).length === 2, 40_000);
      const before = await namesOf(controller);
      const [victim = 0] = childrenOf(agent.pid);
      process.kill(victim, 'SIGKILL');
      await eventually('it is gone', () => !isAlive(victim));
      await eventually(
        'another takes its place',
        async () => (await namesOf(controller)).some((name) => !before.includes(name)),
        40_000,
      );
    }
    await everyQueryHasOneAnswer(stream);
    const why = [...new Set(stream.failures())].join('; ');
    expect(stream.failures().length / stream.sent, why).to.be.at.most(0.01);
    stream.close();
  });
});
