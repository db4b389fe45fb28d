/**
 * A worker's router: to the instance chosen, to its successor, or to one it loads for the query.
 */

import { expect } from 'chai';

import { instanceSpec } from '../../../actors/instance/behaviour.ts';
import { workerSpec } from '../../../actors/worker/behaviour.ts';
import { type RefusalReason, refOf } from '../../../runtime/actor.ts';
import { cancelQuery, finishedOf, outcomesOf, runQuery } from '../../support/run-queries.ts';
import { mebibyte, variantOf } from '../../support/variants.ts';
import { testWorkerConfig, WorkerStage } from '../../support/worker-stage.ts';

const v = variantOf('v');

describe('the router of a worker', () => {
  let stage: WorkerStage;

  beforeEach(() => {
    stage = new WorkerStage({ preload: { v: 2 } });
    stage.knows(v);
  });

  it('passes a query to the instance that the dispatcher chose', () => {
    stage.send(runQuery('q1', { instanceId: 'w1/v-2' }));
    expect(stage.toldInstance('v-2')).to.deep.equal(['worker.run-query q1']);
    expect(stage.assigned).to.deep.equal([]);
  });

  it('passes it to a successor when that is gone, and says to whom', () => {
    stage.end('v-2', 'stopped');
    stage.send(runQuery('q1', { instanceId: 'w1/v-2' }));
    expect(stage.toldInstance('v-1')).to.deep.equal(['worker.run-query q1']);
    expect(stage.assigned).to.deep.equal(['q1 w1/v-1 /worker/v-1']);
  });

  it('spreads queries without an instance over those of the variant', () => {
    for (let at = 0; at < 30; at += 1) stage.send(runQuery(`q${at}`));
    const shares = ['v-1', 'v-2'].map((name) => stage.toldInstance(name).length);
    expect(shares[0]! + shares[1]!).to.equal(30);
    expect(Math.min(...shares)).to.be.above(5);
  });

  it('loads the variant for a query when no instance is there, and says so', () => {
    stage.end('v-1', 'stopped');
    stage.end('v-2', 'stopped');
    stage.send(runQuery('q1', { instanceId: 'w1/v-1' }), runQuery('q2'));
    expect(stage.loads).to.deep.equal(['v-1', 'v-2', 'v-3']);
    expect(stage.toldInstance('v-3')).to.deep.equal(['worker.run-query q1', 'worker.run-query q2']);
    expect(stage.assigned).to.deep.equal(['q1 w1/v-3 /worker/v-3', 'q2 w1/v-3 /worker/v-3']);
  });

  it('sends nothing to an instance that drains', () => {
    stage.send({ type: 'worker.unload-variant', variantId: 'v' }).forget();
    stage.send(runQuery('q1', { instanceId: 'w1/v-1' }), runQuery('q2'));
    expect(stage.toldInstance('v-1')).to.deep.equal([]);
    expect(stage.toldInstance('v-3')).to.deep.equal(['worker.run-query q1', 'worker.run-query q2']);
  });

  it('hands back a query for a variant that it does not know or has no room for', () => {
    stage.knows(v, variantOf('huge', { memoryBytes: 100 * mebibyte }));
    stage.send(runQuery('q1', { variantId: 'new' }), runQuery('q2', { variantId: 'huge' }));
    expect(outcomesOf(stage)).to.deep.equal(['q1 unavailable refused', 'q2 unavailable refused']);
    const [unknown, large] = finishedOf(stage).map(({ outcome }) => outcome);
    expect(unknown)
      .to.have.nested.property('error.message')
      .match(/does not know variant new/);
    expect(large)
      .to.have.nested.property('error.message')
      .match(/huge needs 104857600 bytes/);
    expect(finishedOf(stage)[0]).to.include({ instanceId: 'w1', epoch: 2 });
  });

  it('passes a cancellation to the instance that has the query', () => {
    stage.send(cancelQuery('q1', 'w1/v-2'));
    expect(stage.toldInstance('v-1')).to.deep.equal([]);
    expect(stage.toldInstance('v-2')).to.deep.equal(['worker.cancel-query q1']);
  });

  it('passes it to every instance of the variant when it chose among them itself', () => {
    stage.send(cancelQuery('q2'), cancelQuery('q3', 'w1/gone'));
    for (const name of ['v-1', 'v-2']) {
      expect(stage.toldInstance(name)).to.deep.equal([
        'worker.cancel-query q2',
        'worker.cancel-query q3',
      ]);
    }
  });

  it('refuses in words of its own what its mailbox cannot take', () => {
    const refusal = stage.spec.refuse?.(runQuery('q1', { attempt: 2 }), 'mailbox-full');
    expect(refusal?.message).to.have.nested.property('delivery.attempt', 2);
    expect(refusal?.message).to.have.nested.property('outcome.error.code', 'overloaded');
    expect(stage.spec.refuse?.(cancelQuery('q1'), 'mailbox-full')).to.equal(undefined);
  });

  it('lets a cancellation queue behind its query, and commands before both', () => {
    const lanes = [
      runQuery('q1'),
      cancelQuery('q1', 'w1/v-1'),
      { type: 'worker.unload-variant', variantId: 'v' } as const,
    ].map((message) => stage.spec.laneOf?.(message));
    expect(lanes).to.deep.equal(['work', 'work', 'control']);
  });
});

describe('a query that did not get past a mailbox', () => {
  const config = testWorkerConfig;
  const worker = workerSpec({
    ...{ id: 'w1', node: 'w1', epoch: () => 2, hardware: [], config },
    engine: refOf('w1', 1, '/engine'),
    controller: refOf('controller', 1, '/controller'),
  });
  const instance = instanceSpec({
    ...{ id: 'w1/v-1', epoch: () => 2, variant: variantOf('v'), config: config.instance },
    engine: refOf('w1', 1, '/engine'),
    monitor: refOf('w1', 1, '/worker/monitor'),
  });

  const retries = { 'mailbox-full': 'refused', 'actor-stopped': 'lost', 'actor-failed': 'suspect' };
  for (const [reason, retry] of Object.entries(retries)) {
    it(`comes back as ${retry} on ${reason}`, () => {
      for (const { refuse } of [worker, instance]) {
        const refused = refuse?.(runQuery('q1'), reason as RefusalReason);
        expect(refused?.message).to.have.nested.property('outcome.retry', retry);
      }
    });
  }
});
