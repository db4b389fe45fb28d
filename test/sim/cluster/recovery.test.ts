/** What the fault runs found first, each once more by itself. */

import { expect } from 'chai';

import type { QueryRequest } from '../../../actors/domain/query.ts';
import { defaultStateRules } from '../../../actors/domain/instance.ts';
import { reloadPolicy } from '../../../actors/worker/behaviour.ts';
import { bodyDecoders } from '../../../nodes/wire-schemas.ts';
import { scalingBy } from '../../../sim/cluster/scaling.ts';
import { Cluster, type ClusterConfig, type SpecWrap } from '../../../sim/cluster/cluster.ts';
import { controllerRef } from '../../../sim/cluster/joining.ts';
import { Watchtower } from '../../../sim/faults/sabotage.ts';
import { inputsOf, stock } from '../../../sim/faults/stock.ts';

const config: ClusterConfig = {
  controller: { mailboxMax: 100, nodesMax: 10 },
  dispatcher: {
    ...{ mailboxMax: 100, inFlightMax: 100, inFlightPerTenantMax: 100, batchMax: 8 },
    ...{ attemptsMax: 2, lossesMax: 8, selection: 'cheapest', hopMs: 1, explainedMax: 0 },
  },
  worker: {
    ...{ mailboxMax: 100, instancesMax: 8, preload: { small: 1 }, baseMemoryBytes: 1 },
    reload: reloadPolicy,
    ...{ evictAfterMs: 10_000, heldMax: 100, scaling: scalingBy('static') },
    instance: { queueMax: 10, mailboxMax: 20, batching: 'adaptive', hangMs: 500, hangFactor: 10 },
    monitor: { windowMs: 250, reportMs: 100, rules: defaultStateRules, mailboxMax: 100 },
  },
};

const request: QueryRequest = {
  ...{ id: 'q', selector: { by: 'variant', variant: 'small' }, slo: {}, onMiss: 'best-effort' },
  ...{ timeoutMs: 300, priority: 0, inputs: inputsOf(1, 1), outputs: undefined },
};

/** A controller, a gateway `g1` and a worker `w1`, with one variant loaded; beats every 50 ms. */
class Recovering {
  readonly outcomes: string[] = [];
  readonly cluster: Cluster;

  constructor(seed: number, wrap?: SpecWrap) {
    this.cluster = new Cluster({
      ...{ seed, config, variants: stock, ...(wrap === undefined ? {} : { wrap }) },
      network: {
        ...{ kind: 'bus', latencyMs: 0.2, jitterMs: 0.1, beatMs: 50, missedMax: 3 },
        decoders: bodyDecoders,
      },
      onAnswer: (_, answer) => {
        this.outcomes.push(answer.ok ? 'ok' : answer.error.code);
      },
    });
    this.cluster.startController();
    this.cluster.startGateway('g1');
    this.startWorker();
    this.run(1_000);
  }

  startWorker(): void {
    const hardware = {
      kind: 'cpu',
      units: 1,
      memoryBytes: 2 ** 30,
      costUsdPerUnitHour: 1,
    } as const;
    this.cluster.startWorker({ name: 'w1', hardware: [hardware] });
  }

  run(ms: number): void {
    this.cluster.simulation.run(this.cluster.nowMs() + ms);
  }

  ask(gateway = 'g1'): void {
    const { desk } = this.cluster.gateways.get(gateway)!;
    desk.submit(`q${String(this.outcomes.length)}`, request);
    this.run(400);
  }
}

/** With a tower on each node, from which its actors are seen, and made to fail. */
function watched(seed: number) {
  const towers = new Map<string, Watchtower>();
  const stage = new Recovering(seed, (spec, node) => {
    const tower = towers.get(node.name) ?? new Watchtower();
    towers.set(node.name, tower);
    return tower.wrap(spec);
  });
  return { stage, towers };
}

for (const seed of [1, 2, 3]) {
  describe(`a system of seed ${seed} comes back to itself`, () => {
    it('when only the controller saw a silence', () => {
      // About three beats: whether it counts as silence depends on where in a beat it began.
      for (let silentMs = 140; silentMs < 260; silentMs += 8) {
        const stage = new Recovering(seed);
        const { network } = stage.cluster;
        network.bus?.partition(new Map([['g1', 1]]));
        stage.run(silentMs);
        network.bus?.partition(new Map());
        stage.run(1_000);
        // A new worker has nobody but the controller to hear of the gateway from.
        stage.cluster.crash('w1');
        stage.startWorker();
        stage.run(2_500);
        stage.ask();
        expect(stage.outcomes, `silent for ${silentMs} ms`).to.deep.equal(['ok']);
      }
    });

    it('when what the controller says once is lost with a connection', () => {
      for (let afterMs = 0; afterMs < 4; afterMs += 0.3) {
        const stage = new Recovering(seed);
        const connection = stage.cluster.nodeOf('w1')?.connection;
        stage.cluster.startGateway('g2');
        stage.run(afterMs);
        // The worker is not there when it is told of the new gateway.
        connection?.cut();
        stage.run(0.5);
        connection?.restore();
        stage.run(2_000);
        stage.ask('g2');
        expect(stage.outcomes, `cut after ${afterMs} ms`).to.deep.equal(['ok']);
      }
    });

    it('when a restarted controller asks who is there and nobody hears it', () => {
      const { stage, towers } = watched(seed);
      const bus = stage.cluster.network.bus!;
      const { disturbance } = bus;
      bus.disturbance = { ...disturbance, lossShare: 1 };
      towers.get('controller')?.condemn('/controller');
      const { host } = stage.cluster.nodeOf('controller')!;
      host.tell(controllerRef, { type: 'controller.confirm-due' });
      // Shorter than a silence that anybody would notice.
      stage.run(10);
      bus.disturbance = disturbance;
      stage.run(4_000);
      // A new worker hears of the gateway from the controller alone.
      stage.cluster.crash('w1');
      stage.startWorker();
      stage.run(2_500);
      stage.ask();
      expect(stage.outcomes).to.deep.equal(['ok']);
    });

    it('when a monitor is started anew while its instances are idle', () => {
      const { stage, towers } = watched(seed);
      towers.get('w1')?.condemn('/worker/monitor');
      stage.run(1_000);
      const dispatching = towers.get('g1')?.states.get('/dispatcher') as {
        readonly index: { readonly workers: ReadonlyMap<string, { readonly instances: unknown }> };
      };
      expect(dispatching.index.workers.get('w1')?.instances).to.have.property('size', 1);
    });

    it("when a worker's clock jumped while its process stood still", () => {
      const stage = new Recovering(seed);
      stage.cluster.nodeOf('w1')?.host.jumpClock(2_000);
      stage.run(2_000);
      stage.ask();
      expect(stage.outcomes).to.deep.equal(['ok']);
    });

    it('when that happened before the worker had joined', () => {
      const stage = new Recovering(seed);
      stage.cluster.crash('w1');
      stage.run(1_000);
      // Nobody grants it an epoch yet, but it hears the others.
      stage.cluster.crash('controller');
      stage.startWorker();
      stage.run(300);
      stage.cluster.nodeOf('w1')?.host.jumpClock(2_000);
      stage.cluster.startController();
      stage.run(2_500);
      stage.ask();
      expect(stage.outcomes).to.deep.equal(['ok']);
    });
  });
}
