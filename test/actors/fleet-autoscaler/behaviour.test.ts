/** The fleet-autoscaler: whom it asks for workers, what it does when they fail, what it places. */

import { expect } from 'chai';

import {
  type FleetConfig,
  fleetAutoscalerSpec,
} from '../../../actors/fleet-autoscaler/behaviour.ts';
import type {
  FleetInstance,
  FleetMessage,
  ProvisionerCommand,
} from '../../../actors/fleet-autoscaler/protocol.ts';
import type { DecisionMade } from '../../../actors/domain/decision.ts';
import { defaultFleetRules } from '../../../actors/policy/fleet/view.ts';
import type { WorkerMessage } from '../../../actors/worker/protocol.ts';
import { type Ref, refOf } from '../../../runtime/actor.ts';
import { placed } from '../../support/fleet-scaling.ts';
import { anySpec, Recording } from '../../support/recording-context.ts';
import { mebibyte } from '../../support/variants.ts';
import { cpuOf } from '../../support/worker-stage.ts';

const agent = refOf<ProvisionerCommand>('agent', 0, '/agent');
const command = refOf<ProvisionerCommand>('controller', 1, '/command-provisioner');
const decisions = refOf<DecisionMade>('controller', 1, '/decisions');
const workerRef = (id: string, epoch = 1): Ref<WorkerMessage> => refOf(id, epoch, '/worker');

class FleetStage extends Recording<unknown, FleetMessage> {
  constructor(config: Partial<FleetConfig> = {}, hasCommand = false) {
    super(
      anySpec(
        fleetAutoscalerSpec({
          config: {
            ...{ policy: 'infaas-paper', tickMs: 2_000, mailboxMax: 100 },
            limits: { cpu: { min: 1, max: 3 } },
            rules: { ...defaultFleetRules, releaseAfterMs: 4_000 },
            ...{ workerUnits: 1, workerMemoryBytes: undefined, startTimeoutMs: 30_000 },
            ...{ youngMs: 5_000, backoffMs: 4_000, backoffMaxMs: 60_000 },
            ...{ placeTimeoutMs: 20_000, silentMs: 1_000_000 },
            ...config,
          },
          provisioner: hasCommand ? command : undefined,
          decisions,
        }),
      ),
    );
  }

  hasAgent(units: number, ...workers: string[]): this {
    return this.send({
      type: 'fleet.provisioner-reported',
      name: 'agent',
      provisioner: agent,
      room: [{ kind: 'cpu', units, memoryBytes: 1_000 * mebibyte }],
      workers,
    });
  }

  reports(
    id: string,
    instances: readonly FleetInstance[] = [],
    utilisation = 0.5,
    epoch = 1,
  ): this {
    return this.send({
      type: 'fleet.worker-reported',
      worker: workerRef(id, epoch),
      workerId: id,
      hardware: cpuOf(64 * mebibyte, 1),
      memoryUsedBytes: mebibyte,
      utilisation,
      instances,
    });
  }

  asks(from: string, instanceId?: string): this {
    return this.send({
      type: 'fleet.place-variant',
      worker: workerRef(from),
      workerId: from,
      variantId: 'v',
      hardware: 'cpu',
      memoryBytes: mebibyte,
      instanceId,
    });
  }

  get ordered(): string[] {
    return [...this.toldTo(agent), ...this.toldTo(command)].flatMap((told) =>
      told.type === 'provisioner.add-worker' ? [told.name] : [],
    );
  }

  get removed(): string[] {
    return [...this.toldTo(agent), ...this.toldTo(command)].flatMap((told) =>
      told.type === 'provisioner.remove-worker' ? [told.name] : [],
    );
  }

  get chosen(): string[] {
    return this.toldTo(decisions).map(({ decision }) => decision.chosen);
  }

  toldWorker(id: string): object[] {
    return this.toldTo(workerRef(id));
  }
}

describe('the fleet-autoscaler', () => {
  it('orders of an agent what the owner wants, as far as that has room', () => {
    const stage = new FleetStage({ limits: { cpu: { min: 3, max: 3 } } });
    stage.hasAgent(2).advance(2_000);
    expect(stage.ordered).to.have.length(2);
    expect(stage.chosen).to.deep.equal(['add 2 cpu workers']);
    stage.forget().advance(2_000);
    expect(stage.ordered).to.deep.equal([]);
  });

  it('asks the command when no agent has room', () => {
    const stage = new FleetStage({}, true);
    stage.hasAgent(0).advance(2_000);
    expect(stage.toldTo(command)).to.have.length(1);
    expect(stage.ordered[0]).to.match(/^cloud-/);
  });

  it('pauses for longer and longer after workers that do not come up', () => {
    const stage = new FleetStage();
    const orderedAt: number[] = [];
    const startMs = stage.nowMs;
    for (let second = 0; second < 60; second += 1) {
      stage.hasAgent(1).forget().advance(1_000);
      for (const name of stage.ordered) {
        orderedAt.push(Math.round((stage.nowMs - startMs) / 1_000));
        stage.send({ type: 'fleet.worker-refused', name, why: 'no' });
      }
    }
    expect(orderedAt).to.deep.equal([2, 6, 14, 30]);
    expect(stage.counted('infaas_worker_starts_failed_total')).to.equal(4);
  });

  it('gives up one that never joins, and has it removed', () => {
    const stage = new FleetStage();
    stage.hasAgent(1).advance(2_000);
    const [name] = stage.ordered;
    stage.forget().advance(32_000);
    expect(stage.removed).to.deep.equal([name]);
    expect(stage.chosen).to.deep.equal(['no worker is added for 4.0 s']);
  });

  it('pauses after one that dies young, not after one that had a life', () => {
    for (const [livedMs, pauses] of [
      [1_000, true],
      [9_000, false],
    ] as const) {
      const stage = new FleetStage();
      stage.hasAgent(1).advance(2_000);
      const [name] = stage.ordered;
      stage.hasAgent(0, name!).reports(name!).advance(livedMs).hasAgent(1).forget();
      stage.send({ type: 'fleet.worker-ended', name: name!, how: 'signal SIGKILL' });
      expect(stage.chosen).to.deep.equal(pauses ? ['no worker is added for 4.0 s'] : []);
      stage.forget().advance(2_000);
      expect(stage.ordered).to.have.length(pauses ? 0 : 1);
    }
  });

  it('orders the next at once when one ends, without waiting for its tick', () => {
    const stage = new FleetStage();
    stage.hasAgent(1).advance(2_000);
    const [name] = stage.ordered;
    stage.hasAgent(0, name!).reports(name!).advance(9_500).hasAgent(1).forget();
    stage.send({ type: 'fleet.worker-ended', name: name!, how: 'signal SIGKILL' }).advance(0);
    expect(stage.ordered).to.have.length(1);
    // One tick is still one tick.
    expect(stage.advance(1_999).ordered).to.have.length(1);
  });

  it('does not pause for long while no worker is left of those that came up', () => {
    const stage = new FleetStage();
    for (let death = 0; death < 6; death += 1) {
      stage.hasAgent(1).forget().advance(4_000);
      const [name] = stage.ordered;
      expect(name, `order ${String(death)}`).to.be.a('string');
      stage.hasAgent(0, name!).reports(name!).advance(1_000).hasAgent(1);
      stage.send({ type: 'fleet.worker-ended', name: name!, how: 'signal SIGKILL' });
    }
    expect(new Set(stage.chosen.filter((what) => what.startsWith('no worker')))).to.deep.equal(
      new Set(['no worker is added for 4.0 s']),
    );
  });

  it('ends a long pause when the last worker ends, however long that one lived', () => {
    const stage = new FleetStage({ limits: { cpu: { min: 2, max: 3 } } });
    stage.reports('old');
    for (let death = 0; death < 4; death += 1) {
      stage.hasAgent(1).forget().advance(34_000);
      const [name] = stage.ordered;
      stage.hasAgent(0, name!).reports(name!).reports('old').advance(1_000).hasAgent(1);
      stage.send({ type: 'fleet.worker-ended', name: name!, how: 'signal SIGKILL' });
    }
    stage.hasAgent(1, 'old').forget().advance(5_000);
    expect(stage.ordered).to.deep.equal([]);
    stage.send({ type: 'fleet.worker-ended', name: 'old', how: 'signal SIGKILL' });
    expect(stage.advance(4_000).ordered).to.not.deep.equal([]);
  });

  it('places what a worker has no room for, and says so when it serves there', () => {
    const stage = new FleetStage();
    stage.reports('w1', [placed('v', { state: 'interfered' })]).reports('w2');
    stage.asks('w1', 'w1/v-1');
    expect(stage.toldWorker('w2')).to.deep.equal([
      { type: 'worker.load-variant', variantId: 'v', count: 1 },
    ]);
    stage.reports('w2', [placed('v', { state: 'loading' })]);
    expect(stage.toldWorker('w1')).to.deep.equal([]);
    stage.reports('w2', [placed('v')]);
    expect(stage.toldWorker('w1')).to.deep.equal([
      { type: 'worker.placed-elsewhere', variantId: 'v', instanceId: 'w1/v-1' },
    ]);
    stage
      .forget()
      .reports('w2', [placed('v')])
      .advance(2_000);
    expect(stage.toldWorker('w1')).to.deep.equal([]);
  });

  it('adds a worker for what has no place, and places it there', () => {
    const stage = new FleetStage();
    stage
      .hasAgent(1)
      .reports('w1', [placed('v', { state: 'overloaded' })], 0.9)
      .asks('w1');
    stage.advance(2_000);
    const [name] = stage.ordered;
    stage.hasAgent(0, name!).reports(name!, [], 0).advance(2_000);
    expect(stage.toldWorker(name!)).to.deep.equal([
      { type: 'worker.load-variant', variantId: 'v', count: 1 },
    ]);
  });

  it('takes no report of a worker that has ended, save from a later life of it', () => {
    const stage = new FleetStage();
    stage.hasAgent(0, 'auto-1').reports('auto-1').reports('w1');
    stage.send({ type: 'fleet.worker-ended', name: 'auto-1', how: 'it was told to go' });
    stage.reports('auto-1').asks('w1');
    expect(stage.toldWorker('auto-1')).to.deep.equal([]);
    stage.reports('auto-1', [], 0.1, 2).asks('w1').advance(2_000);
    expect(stage.toldTo(workerRef('auto-1', 2))).to.have.length(1);
  });

  it('does not place it where it is in trouble already', () => {
    const stage = new FleetStage();
    stage.reports('w1').reports('w2', [placed('v', { state: 'interfered' })]);
    stage.asks('w1');
    expect(stage.toldWorker('w2')).to.deep.equal([]);
  });

  it('removes a worker only when what it served serves elsewhere', () => {
    const stage = new FleetStage();
    const serving = placed('v', { unitsUsed: 0.1 });
    stage.hasAgent(1, 'auto-1').reports('w1').reports('auto-1', [serving], 0.1);
    stage.advance(6_000);
    expect(stage.toldWorker('w1')).to.deep.equal([
      { type: 'worker.load-variant', variantId: 'v', count: 1 },
    ]);
    expect(stage.removed).to.deep.equal([]);
    stage.reports('w1', [placed('v')]).advance(2_000);
    expect(stage.removed).to.deep.equal(['auto-1']);
    stage.forget().send({ type: 'fleet.worker-ended', name: 'auto-1', how: 'exit code 0' });
    expect(stage.chosen).to.deep.equal([]);
  });

  it('keeps a worker whose variants found no place in time', () => {
    const stage = new FleetStage();
    stage
      .hasAgent(1, 'auto-1')
      .reports('w1')
      .reports('auto-1', [placed('v')], 0.1);
    stage.advance(6_000).forget().advance(20_000);
    expect(stage.removed).to.deep.equal([]);
  });

  it('forgets a worker that ended, and takes one that is back for another', () => {
    const stage = new FleetStage({ limits: { cpu: { min: 0, max: 3 } } });
    stage.reports('w1').reports('w2', [placed('v')]);
    expect(stage.terminate(workerRef('w2'), 'node-down')).to.equal(true);
    stage.asks('w1');
    expect(stage.toldWorker('w2')).to.deep.equal([]);
    stage.reports('w2', [], 0, 2).advance(2_000);
    expect(stage.toldTo(workerRef('w2', 2))).to.have.length(1);
  });
});
