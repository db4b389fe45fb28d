/** How a worker lets one instance succeed another, and asks for room elsewhere. */

import { expect } from 'chai';

import type { DecisionMade } from '../../../actors/domain/decision.ts';
import type { InstanceState } from '../../../actors/domain/instance.ts';
import type { FleetMessage } from '../../../actors/fleet-autoscaler/protocol.ts';
import type { ScaleAction } from '../../../actors/policy/scaling/view.ts';
import { refOf } from '../../../runtime/actor.ts';
import { dispatcherRef, outcomesOf, runQuery } from '../../support/run-queries.ts';
import { mebibyte, variantOf } from '../../support/variants.ts';
import { WorkerStage } from '../../support/worker-stage.ts';

const v = variantOf('v');
const fleet = refOf<FleetMessage>('controller', 0, '/fleet-autoscaler');

class ScalingStage extends WorkerStage {
  constructor(config = {}, sinks = {}) {
    super(config, 8 * mebibyte, { fleet, ...sinks });
  }

  does(...actions: readonly ScaleAction[]): this {
    return this.send({ type: 'worker.carry-out', actions, decisions: [] });
  }

  /** The monitor reports these instances, by name, with nothing to do. */
  seen(states: Readonly<Record<string, InstanceState>>, running = 0): this {
    const names = Object.entries(states);
    return this.send({
      type: 'worker.report-gathered',
      report: {
        ...{ workerId: 'w1', hardware: [], memoryUsedBytes: 0, utilisation: 0 },
        instances: names.map(([name, state]) => ({
          ...{ id: `w1/${name}`, path: `/worker/${name}`, variantId: name.split('-')[0]!, state },
          ...{ rateQps: 0, queued: 0, backlogMs: 0, slowdown: 1, served: 0, loadLeftMs: 0 },
        })),
      },
      loads: names.map(([name]) => ({ id: `w1/${name}`, running, demand: [] })),
    });
  }

  handsOver(name: string): string[] {
    return this.toldTo(this.instance(name)).flatMap((told) =>
      told.type === 'instance.hand-over' ? [told.successorId] : [],
    );
  }
}

const migrate: ScaleAction = { do: 'migrate', instanceId: 'w1/v-1', cores: [1] };

describe('an instance that is to move', () => {
  let stage: ScalingStage;

  beforeEach(() => {
    stage = new ScalingStage({ preload: { v: 1 } });
    stage.knows(v).seen({ 'v-1': 'interfered' }).does(migrate);
  });

  it('serves on until its successor has loaded', () => {
    expect(stage.loads).to.deep.equal(['v-1', 'v-2']);
    stage.seen({ 'v-1': 'interfered', 'v-2': 'loading' }).forget();
    stage.send(runQuery('q1', { instanceId: 'w1/v-1' }), runQuery('q2'));
    expect(stage.toldInstance('v-1')).to.deep.equal(['worker.run-query q1', 'worker.run-query q2']);
    expect(stage.handsOver('v-1')).to.deep.equal([]);
  });

  it('hands over to it then, once, and what comes for it goes there', () => {
    stage
      .seen({ 'v-1': 'interfered', 'v-2': 'active' })
      .seen({ 'v-1': 'migrating', 'v-2': 'active' });
    expect(stage.handsOver('v-1')).to.deep.equal(['w1/v-2']);
    stage.forget().send(runQuery('q1', { instanceId: 'w1/v-1' }));
    expect(stage.toldInstance('v-2')).to.deep.equal(['worker.run-query q1']);
    expect(stage.assigned).to.deep.equal(['q1 w1/v-2 /worker/v-2']);
  });

  it('stays when its successor does not load, and may have another', () => {
    stage.end('v-2', 'failed', 'no core');
    stage.seen({ 'v-1': 'interfered' }).forget();
    stage.send(runQuery('q1', { instanceId: 'w1/v-1' }));
    expect(stage.toldInstance('v-1')).to.deep.equal(['worker.run-query q1']);
    stage.does(migrate);
    expect(stage.loads).to.deep.equal(['v-1', 'v-2', 'v-3']);
  });

  it('has one successor, however often it is told', () => {
    stage.does(migrate, migrate);
    expect(stage.loads).to.have.length(2);
  });

  it('is not loaded again once it has given way', () => {
    stage.seen({ 'v-1': 'interfered', 'v-2': 'active' });
    stage.end('v-1', 'stopped');
    stage.does({ do: 'load', variantId: 'v', count: 1 });
    expect(stage.loads).to.deep.equal(['v-1', 'v-2', 'v-3']);
  });
});

describe('an instance that is replaced by another variant', () => {
  it('drains when that has loaded, and its queries go back to who knows what they ask', () => {
    const stage = new ScalingStage();
    stage.knows(v, variantOf('w')).send(runQuery('q0')).seen({ 'v-1': 'active' });
    stage.does({ do: 'replace', instanceId: 'w1/v-1', variantId: 'w' });
    stage.seen({ 'v-1': 'active', 'w-2': 'active' }).forget();
    stage.send(runQuery('q1', { instanceId: 'w1/v-1' }));
    expect(outcomesOf(stage)).to.deep.equal(['q1 unavailable lost']);
    stage.end('v-1', 'stopped');
    stage.knows(v, variantOf('w'));
    expect(stage.loads).to.deep.equal(['v-1', 'w-2']);
  });
});

describe('a new profile of a variant', () => {
  it('is told its instances, and nothing is loaded for it', () => {
    const stage = new ScalingStage({ preload: { v: 1 } });
    stage.knows(v).seen({ 'v-1': 'active' }).forget();
    stage.knows({ ...v });
    expect(stage.toldInstance('v-1')).to.deep.equal([]);
    stage.knows({ ...v, profile: { ...v.profile, loadMs: 7 } });
    expect(stage.toldInstance('v-1')).to.deep.equal(['instance.profile-changed']);
    expect(stage.loads).to.deep.equal(['v-1']);
  });
});

describe('a new version of a variant', () => {
  const newer = { ...v, file: { ...v.file, sha256: 'newer' } };

  it('is loaded beside the old one, which then hands over', () => {
    const stage = new ScalingStage({ preload: { v: 1 } });
    stage.knows(v).seen({ 'v-1': 'active' }).knows(newer);
    expect(stage.loads).to.deep.equal(['v-1', 'v-2']);
    stage.seen({ 'v-1': 'active', 'v-2': 'active' }).knows(newer);
    expect(stage.handsOver('v-1')).to.deep.equal(['w1/v-2']);
    expect(stage.loads).to.have.length(2);
  });

  it('takes the place of the old one where there is no room for both', () => {
    const large = variantOf('v', { memoryBytes: 5 * mebibyte });
    const stage = new ScalingStage({ preload: { v: 1 } });
    stage.knows(large).seen({ 'v-1': 'active' });
    stage.knows({ ...large, file: newer.file });
    expect(stage.toldInstance('v-1')).to.deep.equal(['instance.drain']);
    expect(stage.loads).to.deep.equal(['v-1']);
    stage.end('v-1', 'stopped');
    expect(stage.loads).to.deep.equal(['v-1', 'v-2']);
  });
});

describe('a worker without room', () => {
  const elsewhere: ScaleAction = { do: 'place-elsewhere', variantId: 'v', instanceId: 'w1/v-1' };

  it('asks the fleet for it, and lets its own go when told that it serves there', () => {
    const stage = new ScalingStage();
    stage.knows(v).send(runQuery('q0')).seen({ 'v-1': 'interfered' }).forget().does(elsewhere);
    const [asked] = stage.toldTo(fleet);
    expect(asked).to.include({ type: 'fleet.place-variant', variantId: 'v', instanceId: 'w1/v-1' });
    expect(stage.toldInstance('v-1')).to.deep.equal([]);
    stage.send({ type: 'worker.placed-elsewhere', variantId: 'v', instanceId: 'w1/v-1' });
    expect(stage.toldInstance('v-1')).to.deep.equal(['instance.drain']);
    stage.send(runQuery('q1', { instanceId: 'w1/v-1' }));
    expect(outcomesOf(stage)).to.deep.equal(['q1 unavailable lost']);
  });

  it('takes it back for a query that is sent for it: where it went may be gone', () => {
    const stage = new ScalingStage();
    stage.knows(v).send(runQuery('q0')).seen({ 'v-1': 'interfered' }).does(elsewhere);
    stage.send({ type: 'worker.placed-elsewhere', variantId: 'v', instanceId: 'w1/v-1' });
    stage.send({ type: 'worker.load-variant', variantId: 'v', count: 1 });
    expect(stage.loads).to.deep.equal(['v-1']);
    stage.send(runQuery('q1'));
    expect(stage.loads).to.deep.equal(['v-1', 'v-2']);
    expect(outcomesOf(stage)).to.deep.equal([]);
  });

  it('keeps its own when one more was placed', () => {
    const stage = new ScalingStage();
    stage.knows(v).send(runQuery('q0')).seen({ 'v-1': 'overloaded' }).forget();
    stage.send({ type: 'worker.placed-elsewhere', variantId: 'v', instanceId: undefined });
    expect(stage.toldInstance('v-1')).to.deep.equal([]);
  });
});

describe('a load that lacks memory', () => {
  const big = (id: string) => variantOf(id, { memoryBytes: 5 * mebibyte });
  const decisions = refOf<DecisionMade>('gateway', 1, '/records');

  function fullStage(config = {}, idleMs = 6_000): ScalingStage {
    const stage = new ScalingStage(config);
    stage.knows(big('a'), big('b')).send(runQuery('q0', { variantId: 'a' }));
    return stage.advance(idleMs).seen({ 'a-1': 'active' }).forget();
  }

  it('waits until what is idle has given way, and so do its queries', () => {
    const stage = fullStage();
    stage.send(runQuery('q1', { variantId: 'b' }), runQuery('q2', { variantId: 'b' }));
    expect(stage.toldInstance('a-1')).to.deep.equal(['instance.drain']);
    expect(stage.loads).to.deep.equal(['a-1']);
    expect(outcomesOf(stage)).to.deep.equal([]);
    stage.end('a-1', 'stopped');
    expect(stage.loads).to.deep.equal(['a-1', 'b-2']);
    expect(stage.toldInstance('b-2')).to.deep.equal(['worker.run-query q1', 'worker.run-query q2']);
    expect(stage.counted('infaas_evictions_total')).to.equal(1);
  });

  it('gives back what waits for it when the worker is started anew or drains', () => {
    const stage = fullStage();
    stage.send(runQuery('q1', { variantId: 'b' })).forget();
    stage.restart();
    expect(outcomesOf(stage)).to.deep.equal(['q1 unavailable lost']);
    const draining = fullStage();
    draining.send(runQuery('q2', { variantId: 'b' }), { type: 'worker.drain' });
    expect(outcomesOf(draining)).to.deep.equal(['q2 unavailable lost']);
  });

  it('takes what a query waited for it from what it may still take', () => {
    const stage = fullStage();
    stage.send(runQuery('q1', { variantId: 'b', budgetMs: 1_000 }));
    stage.send(runQuery('q2', { variantId: 'b', budgetMs: 400 }));
    stage.advance(400).end('a-1', 'stopped');
    const passed = stage
      .toldTo(stage.instance('b-2'))
      .flatMap((told) => (told.type === 'worker.run-query' ? [told] : []));
    expect(passed.map(({ queryId, delivery }) => [queryId, delivery.budgetMs])).to.deep.equal([
      ['q1', 600],
    ]);
  });

  for (const [why, config, idleMs, running] of [
    ['was used lately', {}, 4_000, 0],
    ['is wanted by the owner', { preload: { a: 1 } }, 6_000, 0],
    ['runs something', {}, 6_000, 1],
  ] as const) {
    it(`does not take the place of what ${why}`, () => {
      const stage = fullStage(config, idleMs).seen({ 'a-1': 'active' }, running).forget();
      stage.send(runQuery('q1', { variantId: 'b' }));
      expect(outcomesOf(stage)).to.deep.equal(['q1 unavailable refused']);
      expect(stage.counted('infaas_evictions_total')).to.equal(0);
    });
  }

  it('lets a query go that is cancelled meanwhile, and gives back others when it closes', () => {
    const stage = fullStage();
    stage.send(runQuery('q1', { variantId: 'b' }), runQuery('q2', { variantId: 'b' }));
    stage.send({
      type: 'worker.cancel-query',
      queryId: 'q1',
      variantId: 'b',
      instanceId: undefined,
    });
    stage.send({ type: 'worker.drain' });
    expect(outcomesOf(stage)).to.deep.equal(['q2 unavailable lost']);
  });

  it('is a decision that says what gave way and why', () => {
    const stage = new ScalingStage({}, { recordsPath: '/records' });
    stage.send({ type: 'worker.dispatchers-changed', dispatchers: [dispatcherRef] });
    stage
      .knows(big('a'), big('b'))
      .send(runQuery('q0', { variantId: 'a' }))
      .advance(6_000);
    stage.seen({ 'a-1': 'active' }).send(runQuery('q1', { variantId: 'b' }));
    const made = stage.toldTo(decisions).find(({ decision }) => decision.kind === 'eviction');
    expect(made?.decision).to.deep.include({
      kind: 'eviction',
      by: 'w1',
      subject: 'w1/a-1',
      chosen: 'unload w1/a-1 for b',
    });
    expect(made?.decision.seen).to.include({ idleMs: 6_000, candidates: 1 });
  });
});
