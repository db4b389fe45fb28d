/** An agent on its machine: what it starts, what it refuses, and what it says of that. */

import { expect } from 'chai';

import type { FleetMessage, ProvisionerCommand } from '../../actors/fleet-autoscaler/protocol.ts';
import { startAgent } from '../../nodes/adapters/provisioners/agent.ts';
import type { SpawnedWorker, WorkerProcessOptions } from '../../nodes/adapters/worker-process.ts';
import { configSchema } from '../../nodes/config.ts';
import { silentLogger } from '../../runtime/log.ts';
import { createSimulation } from '../../sim/sim-host.ts';
import { mebibyte } from '../support/variants.ts';

interface Spawned extends WorkerProcessOptions {
  readonly end: (how: string) => void;
}

/** Four cores and 2 GiB; processes that end when told. */
function createStage() {
  const simulation = createSimulation({ seed: 1 });
  const host = simulation.host('agent');
  const told: FleetMessage[] = [];
  const spawned: Spawned[] = [];
  const fleet = host.port<FleetMessage>('fleet', (message) => told.push(message));
  const spawn = (options: WorkerProcessOptions): SpawnedWorker => {
    let end: (how: string) => void = () => undefined;
    const exited = new Promise<string>((resolve) => (end = resolve));
    spawned.push({ ...options, end });
    const stop = (): Promise<void> => {
      end('exit code 0');
      return Promise.resolve();
    };
    return { name: options.name, pid: 1, ready: Promise.resolve(), exited, stop };
  };
  const agent = startAgent({
    node: {
      name: 'agent',
      host,
      clock: host.clock,
      log: silentLogger,
      config: configSchema.parse({}),
    },
    ...{ cores: [0, 1, 2, 3], memoryBytes: 2_048 * mebibyte, fleet, spawn },
    workers: { natsUrl: 'nats://nowhere', logLevel: 'silent', configFile: undefined },
  });
  const send = async (command: Omit<ProvisionerCommand, 'replyTo'>): Promise<void> => {
    host.tell<ProvisionerCommand>({ node: 'agent', epoch: 0, path: '/agent' }, {
      ...command,
      replyTo: fleet,
    } as ProvisionerCommand);
    await settle();
  };
  const settle = async (): Promise<void> => {
    simulation.settle();
    await new Promise((resolve) => setImmediate(resolve));
    simulation.settle();
  };
  const add = (name: string, units: number, memoryBytes?: number): Promise<void> => {
    const wanted = { kind: 'cpu', units, memoryBytes } as const;
    return send({ type: 'provisioner.add-worker', name, wanted } as ProvisionerCommand);
  };
  const refusals = (): string[] =>
    told.flatMap((each) => (each.type === 'fleet.worker-refused' ? [each.why] : []));
  return { agent, told, spawned, send, settle, add, refusals };
}

describe('an agent', () => {
  it('gives each worker cores of its own and its share of the memory', async () => {
    const { spawned, add } = createStage();
    await add('a', 1);
    await add('b', 2);
    expect(spawned.map(({ name, cores, memory }) => [name, cores, memory])).to.deep.equal([
      ['a', '0', String(512 * mebibyte)],
      ['b', '1,2', String(1_024 * mebibyte)],
    ]);
  });

  it('refuses what is beyond its cores, its memory, or its kinds of hardware', async () => {
    const { spawned, add, send, refusals } = createStage();
    await add('a', 3, 1_800 * mebibyte);
    await add('b', 2);
    await add('c', 1, 300 * mebibyte);
    await add('a', 1, 248 * mebibyte);
    const wanted = { kind: 'cuda', units: 1, memoryBytes: undefined } as const;
    await send({ type: 'provisioner.add-worker', name: 'd', wanted } as ProvisionerCommand);
    expect(spawned.map(({ name }) => name)).to.deep.equal(['a']);
    expect(refusals()).to.have.length(4);
    expect(refusals().join()).to.match(/1 cores left.*bytes left.*of that name.*no cuda/);
  });

  it('says when a worker ends, and uses its cores again', async () => {
    const { told, spawned, add, send, settle } = createStage();
    await add('a', 3);
    spawned[0]!.end('signal SIGKILL');
    await settle();
    expect(told.filter(({ type }) => type === 'fleet.worker-ended')).to.deep.equal([
      { type: 'fleet.worker-ended', name: 'a', how: 'signal SIGKILL' },
    ]);
    await add('b', 4);
    expect(spawned.map(({ cores }) => cores)).to.deep.equal(['0,1,2', '0,1,2,3']);
    await send({ type: 'provisioner.remove-worker', name: 'b' });
    expect(told.filter(({ type }) => type === 'fleet.worker-ended')).to.have.length(2);
  });

  it('reports what it has left, and ends its workers with itself', async () => {
    const { agent, told, add, settle } = createStage();
    await add('a', 1);
    const reports = told.filter((each) => each.type === 'fleet.provisioner-reported');
    expect(reports.at(-1)).to.deep.include({
      room: [{ kind: 'cpu', units: 3, memoryBytes: 1_536 * mebibyte }],
      workers: ['a'],
    });
    await agent.close();
    await settle();
    expect(told.at(-1)).to.include({ type: 'fleet.worker-ended', name: 'a' });
  });
});
