/** An instance's batches: in which order, of whom, how large, and what becomes of a failed one. */

import { expect } from 'chai';

import { InstanceStage } from '../../support/instance-stage.ts';
import { finishedOf, outcomesOf, runQuery } from '../../support/run-queries.ts';
import { perBatch, perQuery } from '../../support/variants.ts';

/** 20 ms a batch, 1 ms a query besides: eight at a time. */
const batching = { latency: perBatch(20, 1) };

describe('an instance', () => {
  it('runs the most urgent first when the engine is free', () => {
    const stage = new InstanceStage().load();
    stage.send(
      runQuery('running'),
      runQuery('patient'),
      runQuery('urgent', { sloBudgetMs: 60 }),
      runQuery('soon', { sloBudgetMs: 90 }),
    );
    const order = ['running', 'urgent', 'soon', 'patient'].map(() => stage.finishBatch());
    expect(order.flat()).to.deep.equal(['running ok', 'urgent ok', 'soon ok', 'patient ok']);
  });

  it('runs those of higher priority first, and others with them where there is room', () => {
    const stage = new InstanceStage(batching).load();
    stage.send(runQuery('running'));
    for (let at = 0; at < 6; at += 1) stage.send(runQuery(`low${at}`, { sloBudgetMs: 90 + at }));
    for (let at = 0; at < 6; at += 1) stage.send(runQuery(`high${at}`, { priority: 5 }));
    stage.finishBatch();
    const first = stage.finishBatch();
    expect(first.slice(0, 6)).to.deep.equal([0, 1, 2, 3, 4, 5].map((at) => `high${at} ok`));
    expect(first.slice(6)).to.deep.equal(['low0 ok', 'low1 ok']);
  });

  it('does not let who goes first by priority wait until others are late', () => {
    const stage = new InstanceStage(batching).load();
    stage.send(runQuery('running'));
    stage.advance(2).send(runQuery('high', { priority: 5 }));
    stage.advance(2).send(runQuery('low', { sloBudgetMs: 32.5 }));
    expect(stage.finishBatch(10)).to.deep.equal(['running ok']);
    expect(stage.commands).to.deep.equal(['run-batch']);
  });

  it('tells the monitor when all that waited was given up', () => {
    const stage = new InstanceStage(batching);
    stage
      .send(runQuery('q1', { budgetMs: 50 }))
      .forget()
      .advance(60);
    expect(outcomesOf(stage)).to.deep.equal(['q1 deadline_exceeded']);
    expect(stage.accounts.at(-1)).to.include({ queued: 0, backlogMs: 0 });
  });

  it('gives the engine one batch at a time', () => {
    const stage = new InstanceStage().load();
    stage.send(runQuery('q1'), runQuery('q2'));
    expect(stage.commands.filter((command) => command === 'run-batch')).to.have.length(1);
  });

  it('joins what came while it was busy, as far as batching pays', () => {
    const stage = new InstanceStage(batching).load();
    for (let at = 0; at <= 9; at += 1) stage.send(runQuery(`q${at}`));
    expect(stage.finishBatch()).to.deep.equal(['q0 ok']);
    expect(stage.finishBatch()).to.have.length(8);
    expect(stage.finishBatch()).to.deep.equal(['q9 ok']);
  });

  it('joins only queries with equal shared inputs, and others later', () => {
    const stage = new InstanceStage(batching).load();
    stage.send(runQuery('q0'));
    const keys = ['8k', '16k', '8k', '', '16k'];
    keys.forEach((batchKey, at) => stage.send(runQuery(`q${at + 1}`, { batchKey })));
    stage.finishBatch();
    expect(stage.finishBatch()).to.deep.equal(['q1 ok', 'q3 ok']);
    expect(stage.finishBatch()).to.deep.equal(['q2 ok', 'q5 ok']);
    expect(stage.finishBatch()).to.deep.equal(['q4 ok']);
  });

  it('does not let queries that cannot join stand for ones that can', () => {
    const stage = new InstanceStage(batching).load();
    stage.send(runQuery('q0'));
    stage.send(runQuery('q1', { sloBudgetMs: 47.5 }), runQuery('other', { batchKey: 'k' }));
    stage.send(runQuery('q2', { batch: 2 }));
    stage.finishBatch();
    expect(stage.finishBatch()).to.deep.equal(['q1 ok']);
  });

  it('counts a client’s own batch by its size', () => {
    const stage = new InstanceStage(batching).load();
    stage.send(runQuery('q0'), runQuery('five', { batch: 5 }), runQuery('four', { batch: 4 }));
    stage.finishBatch();
    expect(stage.finishBatch()).to.deep.equal(['five ok']);
    expect(finishedOf(stage)[0]?.outcome).to.include({ batchSize: 5 });
  });

  it('waits for company where batching pays and it is expected, and then no longer', () => {
    const stage = new InstanceStage(batching).load();
    stage.send(runQuery('q0'));
    stage.advance(2).send(runQuery('q1'));
    expect(stage.finishBatch(10)).to.deep.equal(['q0 ok']);
    expect(stage.commands).to.deep.equal([]);
    stage.advance(100);
    expect(stage.commands).to.deep.equal(['run-batch']);
    expect(stage.finishBatch()).to.deep.equal(['q1 ok']);
  });

  it('does not keep a client waiting that sends one query after the other', () => {
    const stage = new InstanceStage(batching).load();
    for (const id of ['q0', 'q1', 'q2']) {
      stage.advance(30).send(runQuery(id));
      expect(stage.finishBatch()).to.deep.equal([`${id} ok`]);
    }
  });

  it('runs another batch when nothing but the profile is swapped', () => {
    const sizes = [perQuery(10), perBatch(3, 1), perBatch(20, 1)].map((latency) => {
      const stage = new InstanceStage({ latency }).load();
      for (let at = 0; at <= 8; at += 1) stage.send(runQuery(`q${at}`));
      stage.finishBatch();
      return stage.finishBatch().length;
    });
    expect(sizes).to.deep.equal([1, 7, 8]);
  });

  it('makes smaller batches for a deadline where the hardware is slower than the profile', () => {
    const urgent = { sloBudgetMs: 89 };
    const sizes = [undefined, 42].map((measuredMs) => {
      const stage = new InstanceStage(batching).load(measuredMs);
      stage.send(runQuery('q0', urgent));
      for (let at = 1; at <= 4; at += 1) stage.send(runQuery(`q${at}`, urgent));
      stage.finishBatch(measuredMs);
      return stage.finishBatch().length;
    });
    expect(sizes).to.deep.equal([4, 3]);
  });

  it('runs the queries of a failed batch one by one, so that the bad one fails alone', () => {
    const stage = new InstanceStage(batching).load();
    stage.send(runQuery('q0'), runQuery('good'), runQuery('bad'), runQuery('fine'));
    stage.finishBatch();
    expect(stage.failBatch('a NaN')).to.deep.equal([]);
    expect(stage.finishBatch()).to.deep.equal(['good ok']);
    expect(stage.failBatch('a NaN')).to.deep.equal(['bad inference_failed']);
    expect(finishedOf(stage)[0]?.outcome).to.have.nested.property('error.message').match(/a NaN/);
    expect(stage.finishBatch()).to.deep.equal(['fine ok']);
  });

  it('says how long a query waited, ran, in what company, and why', () => {
    const stage = new InstanceStage(batching).load();
    stage.send(runQuery('q0'), runQuery('q1'), runQuery('q2'));
    stage.finishBatch(25);
    stage.finishBatch(30);
    const [first] = finishedOf(stage);
    expect(first).to.include({ queryId: 'q1', instanceId: 'w1/v-1', epoch: 3 });
    expect(first?.outcome).to.deep.equal({
      ok: true,
      outputs: {},
      batchSize: 2,
      batchReason: 'no other was expected soon enough to be worth the wait',
      queueMs: 25,
      inferMs: 30,
    });
  });

  it('fails rather than guess when the engine answers for other queries', () => {
    const stage = new InstanceStage().load();
    stage.send(runQuery('q1'));
    const { batchId } = stage.running;
    const none = { type: 'instance.batch-ran', batchId, inferMs: 1, results: [] } as const;
    expect(() => stage.send(none)).to.throw(/one result a query/);
    const other = { ...none, batchId: 99 };
    expect(() => stage.send(other)).to.throw(/the one that runs/);
    expect(outcomesOf(stage)).to.deep.equal([]);
  });
});
