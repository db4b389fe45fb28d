/**
 * An instance's life: loading, refusing, cancelling, draining, losing its engine, what it reports.
 */

import { expect } from 'chai';

import { offlinePriority } from '../../../actors/domain/offline-job.ts';
import type { InstanceMessage } from '../../../actors/instance/protocol.ts';
import { waitingOf } from '../../../actors/instance/queue.ts';
import { refOf } from '../../../runtime/actor.ts';
import { InstanceStage } from '../../support/instance-stage.ts';
import { cancelQuery, dispatcherRef, outcomesOf, runQuery } from '../../support/run-queries.ts';
import { mebibyte, perBatch, perQuery, variantOf } from '../../support/variants.ts';

const engineLost = { type: 'instance.engine-lost', message: 'killed' } as const;

describe('an instance that loads', () => {
  it('keeps what comes until it is loaded, and then runs it', () => {
    const stage = new InstanceStage();
    expect(stage.commands).to.deep.equal(['load-variant']);
    stage.send(runQuery('q1'));
    expect(stage.commands).to.deep.equal(['load-variant']);
    stage.load();
    expect(stage.finishBatch()).to.deep.equal(['q1 ok']);
  });

  it('gives up at its bound what waits, for the load may hang and its gateway be gone', () => {
    const stage = new InstanceStage();
    stage.send(runQuery('short', { budgetMs: 50 }), runQuery('long')).advance(49);
    expect(outcomesOf(stage)).to.deep.equal([]);
    stage.advance(2);
    expect(outcomesOf(stage)).to.deep.equal(['short deadline_exceeded']);
    expect(stage.load().finishBatch()).to.include('long ok');
  });

  it('keeps offline work, which is never due, until it is loaded', () => {
    const stage = new InstanceStage();
    stage.send(runQuery('offline', { priority: offlinePriority })).advance(60_000);
    expect(outcomesOf(stage)).to.deep.equal([]);
    expect(stage.load().finishBatch()).to.deep.equal(['offline ok']);
  });

  it('answers all that waited when the load fails, and then fails itself', () => {
    const stage = new InstanceStage();
    stage.send(runQuery('q1'), runQuery('q2'));
    const failed = { type: 'instance.load-failed', message: 'no such file' } as const;
    expect(() => stage.send(failed)).to.throw('no such file');
    expect(outcomesOf(stage)).to.deep.equal(['q1 unavailable refused', 'q2 unavailable refused']);
    expect(stage.accounts.at(-1)).to.include({ state: 'failed', urgent: true });
  });

  it('unloads when it is drained before it is loaded', () => {
    const stage = new InstanceStage();
    stage.send(runQuery('q1'), { type: 'instance.drain' });
    expect(outcomesOf(stage)).to.deep.equal(['q1 unavailable lost']);
    stage.load();
    expect(stage.commands).to.deep.equal(['load-variant', 'unload-variant']);
    stage.send({ type: 'instance.variant-unloaded' });
    expect(stage.stopped).to.equal(true);
  });
});

describe('an instance with more queries than it can serve', () => {
  it('refuses what its queue cannot hold, so that it can be placed elsewhere', () => {
    const stage = new InstanceStage({}, { queueMax: 2 }).load();
    stage.send(...['q0', 'q1', 'q2', 'q3'].map((id) => runQuery(id)));
    expect(outcomesOf(stage)).to.deep.equal(['q3 overloaded refused']);
  });

  it('serves late what cannot be in time, after what can', () => {
    const stage = new InstanceStage({ latency: perQuery(20) }).load();
    stage.send(
      runQuery('q0'),
      runQuery('hopeless', { sloBudgetMs: 15 }),
      runQuery('in time', { sloBudgetMs: 50 }),
    );
    const order = [20, 20, 20].flatMap((ms) => stage.finishBatch(ms));
    expect(order).to.deep.equal(['q0 ok', 'in time ok', 'hopeless ok']);
  });

  it('drops what would be late and would rather be rejected, with a typed error', () => {
    const stage = new InstanceStage({ latency: perQuery(20) }).load();
    stage.send(runQuery('q0'), runQuery('strict', { sloBudgetMs: 30, rejectLate: true }));
    expect(stage.finishBatch(20)).to.deep.equal(['q0 ok', 'strict deadline_exceeded']);
    expect(stage.commands).to.deep.equal([]);
  });

  it('drops what is past its hard bound', () => {
    const stage = new InstanceStage().load();
    stage.send(runQuery('q0'), runQuery('old', { budgetMs: 20 }));
    expect(stage.finishBatch(25)).to.deep.equal(['q0 ok', 'old deadline_exceeded']);
  });

  it('takes a cancelled query out of its queue, and finishes one that runs', () => {
    const stage = new InstanceStage().load();
    stage.send(runQuery('q0'), runQuery('q1'), runQuery('q2'));
    stage.send(cancelQuery('q1'), cancelQuery('q0'), cancelQuery('unknown'));
    expect(stage.finishBatch()).to.deep.equal(['q0 ok']);
    expect(stage.finishBatch()).to.deep.equal(['q2 ok']);
    expect(stage.commands).to.deep.equal([]);
  });

  it('takes a cancelled query out of those that are run again one by one', () => {
    const stage = new InstanceStage({ latency: perBatch(20, 1) }).load();
    stage.send(runQuery('q0'), runQuery('q1'), runQuery('q2'), runQuery('q3'));
    stage.finishBatch();
    stage.failBatch();
    stage.send(cancelQuery('q2'));
    expect(stage.finishBatch()).to.deep.equal(['q1 ok']);
    expect(stage.finishBatch()).to.deep.equal(['q3 ok']);
  });

  it('lets a cancellation queue behind its query, and the engine before both', () => {
    const { spec } = new InstanceStage();
    const lanes = [
      runQuery('q1'),
      cancelQuery('q1'),
      engineLost,
      { type: 'instance.drain' } as const,
    ].map((message) => spec.laneOf?.(message));
    expect(lanes).to.deep.equal(['work', 'work', 'control', 'control']);
  });

  it('refuses in words of its own what its mailbox cannot take', () => {
    const { spec } = new InstanceStage();
    const refusal = spec.refuse?.(runQuery('q1'), 'mailbox-full');
    expect(refusal?.message).to.deep.include({ queryId: 'q1', instanceId: 'w1/v-1', epoch: 3 });
    expect(refusal?.message).to.have.nested.property('outcome.retry', 'refused');
    expect(spec.refuse?.(cancelQuery('q1'), 'mailbox-full')).to.equal(undefined);
  });
});

describe('an instance that drains', () => {
  it('hands back what waits, finishes what runs, and then unloads and stops', () => {
    const stage = new InstanceStage().load().forget();
    stage.send(runQuery('q0'), runQuery('q1'), { type: 'instance.drain' });
    expect(outcomesOf(stage)).to.deep.equal(['q1 unavailable lost']);
    expect(stage.commands).to.deep.equal(['run-batch']);
    stage.send(runQuery('q2'));
    expect(outcomesOf(stage)).to.deep.equal(['q1 unavailable lost', 'q2 unavailable lost']);
    expect(stage.finishBatch()).to.deep.equal(['q0 ok']);
    expect(stage.commands).to.deep.equal(['unload-variant']);
    stage.send({ type: 'instance.variant-unloaded' });
    expect(stage.stopped).to.equal(true);
  });

  it('finishes the queries of a failed batch one by one first', () => {
    const stage = new InstanceStage({ latency: perBatch(20, 1) }).load();
    stage.send(runQuery('q0'), runQuery('q1'), runQuery('q2'));
    stage.finishBatch();
    stage.send({ type: 'instance.drain' });
    stage.failBatch();
    expect(stage.finishBatch()).to.deep.equal(['q1 ok']);
    expect(stage.finishBatch()).to.deep.equal(['q2 ok']);
    expect(stage.commands).to.deep.equal(['unload-variant']);
  });

  it('has its engine release the model when it is stopped without having drained', () => {
    const stage = new InstanceStage().load().forget();
    stage.shutDown();
    expect(stage.commands).to.deep.equal(['unload-variant']);
    const drained = new InstanceStage().load();
    drained.send({ type: 'instance.drain' }, { type: 'instance.variant-unloaded' }).forget();
    drained.shutDown();
    expect(drained.commands).to.deep.equal([]);
  });

  it('unloads once, however often it is told', () => {
    const stage = new InstanceStage().load().forget();
    stage.send({ type: 'instance.drain' }, { type: 'instance.drain' });
    expect(stage.commands).to.deep.equal(['unload-variant']);
  });
});

describe('an instance that hands over', () => {
  const successor = refOf<InstanceMessage>('worker', 1, '/worker/v-2');
  const handOver = { type: 'instance.hand-over', successorId: 'w1/v-2', successor } as const;
  let stage: InstanceStage;

  beforeEach(() => {
    stage = new InstanceStage().load();
    stage.send(runQuery('q1'), runQuery('q2', { budgetMs: 700 }), runQuery('q3')).advance(5);
    stage.forget().send(handOver);
  });

  const assigned = (): string[] =>
    stage.toldTo(dispatcherRef).flatMap((told) => {
      return told.type === 'dispatcher.query-assigned' ? [`${told.queryId} ${told.path}`] : [];
    });
  const taken = (): string[] =>
    stage
      .toldTo(successor)
      .flatMap((told) =>
        told.type === 'instance.take-over' ? told.waiting.map(({ query }) => query.queryId) : [],
      );

  it('gives what waits to its successor, and says so to the dispatchers first', () => {
    expect(assigned()).to.deep.equal(['q2 /worker/v-2', 'q3 /worker/v-2']);
    expect(taken()).to.deep.equal(['q2', 'q3']);
    expect(outcomesOf(stage)).to.deep.equal([]);
    const types = stage.told.map(({ message }) => (message as { type: string }).type);
    expect(types.indexOf('instance.take-over')).to.be.above(
      types.lastIndexOf('dispatcher.query-assigned'),
    );
  });

  it('finishes what runs, and then unloads', () => {
    expect(stage.accounts.at(-1)?.state).to.equal('migrating');
    expect(stage.commands).to.deep.equal([]);
    expect(stage.finishBatch()).to.deep.equal(['q1 ok']);
    expect(stage.commands).to.deep.equal(['unload-variant']);
  });

  it('passes on what was on its way to it', () => {
    stage.forget().send(runQuery('q4'));
    expect(taken()).to.deep.equal(['q4']);
    expect(assigned()).to.deep.equal(['q4 /worker/v-2']);
  });

  it('takes over with deadlines as they were, and refuses without blame what is too much', () => {
    const heir = new InstanceStage({}, { queueMax: 1 }).load();
    const waiting = [waitingOf(runQuery('q2', { budgetMs: 1 }), heir.nowMs - 500)];
    heir.forget().send({ type: 'instance.take-over', waiting });
    expect(outcomesOf(heir)).to.deep.equal(['q2 deadline_exceeded']);
    const three = ['a', 'b', 'c'].map((id) => waitingOf(runQuery(id), heir.nowMs));
    heir.forget().send({ type: 'instance.take-over', waiting: three });
    expect(outcomesOf(heir).filter((outcome) => outcome.includes('overloaded'))).to.have.length(2);
  });
});

describe('an instance and its engine', () => {
  it('do not survive each other', () => {
    const stage = new InstanceStage().load();
    expect(() => stage.send(engineLost)).to.throw('killed');
    expect(stage.accounts.at(-1)).to.include({ state: 'failed', urgent: true });
    expect(stage.spec.supervision.onFailure).to.equal('stop');
  });

  it('part with blame for what ran, and none for what waited', () => {
    const stage = new InstanceStage({ latency: perBatch(20, 1) }).load();
    stage.send(runQuery('ran'), runQuery('waited'));
    expect(() => stage.send(engineLost)).to.throw('killed');
    expect(outcomesOf(stage)).to.deep.equal(['ran unavailable suspect', 'waited unavailable lost']);
  });

  it('part without blame for what is to be run again one by one', () => {
    const stage = new InstanceStage({ latency: perBatch(20, 1) }).load();
    stage.send(runQuery('q0'), runQuery('q1'), runQuery('q2'), runQuery('q3'));
    stage.finishBatch();
    stage.failBatch();
    stage.forget();
    expect(() => stage.send(engineLost)).to.throw('killed');
    expect(outcomesOf(stage)).to.deep.equal([
      'q1 unavailable suspect',
      'q2 unavailable lost',
      'q3 unavailable lost',
    ]);
  });

  it('agree on when a batch hangs: by the larger of a time and a multiple of its own', () => {
    const hangs = [10, 500].map((ms) => {
      const stage = new InstanceStage({ latency: perQuery(ms) }).load();
      return stage.send(runQuery('q0')).running.hangMs;
    });
    expect(hangs).to.deep.equal([1_000, 5_000]);
  });
});

describe('an instance’s account of itself', () => {
  it('says at once that it loads, how long still, and when it is loaded', () => {
    const stage = new InstanceStage({ loadMs: 300 });
    expect(stage.accounts).to.have.length(1);
    expect(stage.accounts[0]).to.include({ state: 'loading', loadLeftMs: 300, urgent: true });
    stage.forget().load();
    const loaded = { state: 'active', loadLeftMs: 0, memoryBytes: 2 * mebibyte, urgent: true };
    expect(stage.accounts[0]).to.include(loaded);
  });

  it('counts what is queued and running as backlog, as it comes and goes', () => {
    const stage = new InstanceStage({ latency: perQuery(10) }).load();
    const backlog = (): number | undefined => stage.accounts.at(-1)?.backlogMs;
    stage.send(runQuery('q0'), runQuery('q1'), runQuery('q2'));
    expect(backlog()).to.equal(30);
    stage.advance(5).send(cancelQuery('q2'));
    expect(backlog()).to.equal(15);
    stage.finishBatch(5);
    expect(backlog()).to.equal(10);
  });

  it('tells of a short batch when it is over, of a long one when it begins', () => {
    const short = new InstanceStage({ latency: perQuery(2) }).load().forget();
    expect(short.send(runQuery('q')).accounts).to.deep.equal([]);
    short.finishBatch(2);
    expect(short.accounts).to.have.length(1);
    const long = new InstanceStage({ latency: perQuery(20) }).load().forget();
    expect(long.send(runQuery('q')).accounts).to.have.length(1);
  });

  it('tells of a batch that failed that it runs no more', () => {
    const stage = new InstanceStage({ latency: perQuery(20) }).load();
    stage.send(runQuery('q'));
    expect(stage.accounts.at(-1)?.running).to.equal(1);
    stage.failBatch();
    expect(stage.accounts.at(-1)).to.include({ running: 0, queued: 0 });
  });

  it('tells of a queue as it grows, however fast it does', () => {
    const stage = new InstanceStage({ latency: perQuery(2) }).load().forget();
    const told: number[] = [];
    for (let at = 0; at <= 100; at += 1) {
      stage.send(runQuery(`q${at}`));
      const { queued = 0 } = stage.accounts.at(-1) ?? {};
      expect(at, 'waiting').to.be.at.most(Math.max(1, 1.25 * queued));
      if (queued > (told.at(-1) ?? 0)) told.push(queued);
    }
    expect(told.length).to.be.below(25);
  });

  it('gives the time of each batch against the profile', () => {
    const stage = new InstanceStage({ latency: perQuery(10) }).load();
    stage.send(runQuery('q0')).finishBatch(15);
    const [account] = stage.accounts;
    expect(account).to.include({ finished: 1, busyMs: 15, ratio: 1.5, urgent: false });
  });

  it('repeats the state it was judged to be in, but none after it drains', () => {
    const stage = new InstanceStage().load();
    stage.send({ type: 'instance.state-judged', state: 'overloaded' }, runQuery('q0'));
    expect(stage.accounts.at(-1)?.state).to.equal('overloaded');
    stage.send({ type: 'instance.drain' }, { type: 'instance.state-judged', state: 'active' });
    stage.send({ type: 'instance.variant-loaded', loadMs: 1, memoryBytes: 1, measured: [] });
    expect(stage.accounts.at(-1)?.state).to.equal('draining');
  });
});

describe('an instance whose profile was measured anew', () => {
  it('expects what the new one says, and what it really takes stays what it was', () => {
    const stage = new InstanceStage({ latency: perQuery(10) }).load(20);
    const variant = variantOf('v', { latency: perQuery(20) });
    stage.send({ type: 'instance.profile-changed', variant }).forget();
    stage.send(runQuery('q'));
    expect(stage.accounts.at(-1)?.saturationQps).to.equal(50);
    stage.finishBatch(20);
    expect(stage.accounts.at(-1)?.ratio).to.equal(1);
  });
});
