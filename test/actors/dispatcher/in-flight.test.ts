/** Exactly one answer a query, whatever arrives: faults, stale news, cancellations, deadlines. */

import { expect } from 'chai';

import type { QueryOutcome } from '../../../actors/worker/protocol.ts';
import { DispatcherStage } from '../../support/dispatcher-stage.ts';
import { variantOf } from '../../support/variants.ts';

const refused: QueryOutcome = {
  ok: false,
  error: { code: 'overloaded', message: 'full', retryable: true, details: {} },
  retry: 'refused',
};
const failed: QueryOutcome = {
  ok: false,
  error: { code: 'inference_failed', message: 'a NaN', retryable: false, details: {} },
  retry: 'never',
};

function ready(config = {}): DispatcherStage {
  const stage = new DispatcherStage(config).knows(variantOf('v'));
  return stage.report('w1', { 'v-1': {} }).report('w2', { 'v-1': { backlogMs: 5 } });
}

describe('a query in flight', () => {
  let stage: DispatcherStage;

  beforeEach(() => {
    stage = ready();
  });

  it('is answered once, however often its result arrives', () => {
    stage.submit('q1').finish('q1').finish('q1').finish('q1', failed);
    expect(stage.answers).to.deep.equal(['q1 ok']);
    expect(stage.counted('infaas_stale_answers_total')).to.equal(2);
  });

  it('is answered once, however often it is submitted meanwhile', () => {
    stage.submit('q1').submit('q1').finish('q1');
    expect(stage.placed).to.deep.equal(['q1#1 w1/v-1']);
    expect(stage.answers).to.deep.equal(['q1 ok']);
    expect(stage.end('w1')).to.equal(true);
    expect(stage.placed).to.have.length(1);
  });

  it('fails with the reason when it was run and failed', () => {
    stage.submit('q1').finish('q1', failed);
    expect(stage.answers).to.deep.equal(['q1 inference_failed']);
  });

  it('is placed again elsewhere when it was refused, and then once only', () => {
    stage.submit('q1').finish('q1', refused);
    expect(stage.placed).to.deep.equal(['q1#1 w1/v-1', 'q1#2 w2/v-1']);
    stage.finish('q1', refused);
    expect(stage.answers).to.deep.equal(['q1 overloaded']);
    expect(stage.placed).to.have.length(2);
  });

  it('is placed as often as it is configured to be', () => {
    const patient = ready({ attemptsMax: 4 }).submit('q1');
    for (let at = 0; at < 4; at += 1) patient.finish('q1', refused);
    expect(patient.runs.map(({ run }) => run.delivery.attempt)).to.deep.equal([1, 2, 3, 4]);
    expect(patient.answers).to.deep.equal(['q1 overloaded']);
  });

  it('goes to another worker when the first could not load its variant', () => {
    const cold = new DispatcherStage().knows(variantOf('v')).report('w1').report('w2');
    cold.submit('q1').finish('q1', refused, { instanceId: 'w1' });
    expect(cold.placed).to.deep.equal(['q1#1 w1 v', 'q1#2 w2 v']);
  });

  it('does not take an older attempt’s answer for the newer one’s', () => {
    stage.submit('q1').finish('q1', refused);
    stage.finish('q1', undefined, { attempt: 1 }).finish('q1', failed, { attempt: 1 });
    expect(stage.answers).to.deep.equal([]);
    expect(stage.counted('infaas_stale_answers_total')).to.equal(2);
    stage.finish('q1', undefined, { attempt: 2 });
    expect(stage.answers).to.deep.equal(['q1 ok']);
  });

  it('is placed again when its instance ends', () => {
    stage.submit('q1');
    expect(stage.end('w1', 'v-1')).to.equal(true);
    expect(stage.placed).to.deep.equal(['q1#1 w1/v-1', 'q1#2 w2/v-1']);
    stage.finish('q1', undefined, { attempt: 1 }).finish('q1');
    expect(stage.answers).to.deep.equal(['q1 ok']);
  });

  it('is placed again when its worker ends, and nothing goes there any more', () => {
    stage.submit('q1');
    expect(stage.end('w1', undefined, 'node-down')).to.equal(true);
    stage.submit('q2');
    expect(stage.placed).to.deep.equal(['q1#1 w1/v-1', 'q1#2 w2/v-1', 'q2#1 w2/v-1']);
  });

  it('survives the loss of a worker and then of the engine that ran it', () => {
    const third = ready()
      .report('w3', { 'v-1': { backlogMs: 9 } })
      .submit('q1');
    third.end('w1', undefined, 'node-down');
    third.finish('q1', { ...refused, retry: 'suspect' }).finish('q1');
    expect(third.placed).to.deep.equal(['q1#1 w1/v-1', 'q1#2 w2/v-1', 'q1#3 w3/v-1']);
    expect(third.answers).to.deep.equal(['q1 ok']);
  });

  it('runs with others until it may have killed its engine, and alone from then on', () => {
    stage
      .submit('q1')
      .finish('q1', refused)
      .finish('q1', { ...refused, retry: 'suspect' });
    expect(stage.runs.map(({ run }) => run.batchKey)).to.deep.equal(['', '', 'q1']);
  });

  it('is not blamed for what it waited on when that ends', () => {
    stage.submit('q1').finish('q1', { ...refused, retry: 'lost' });
    stage.finish('q1', { ...refused, retry: 'lost' }).finish('q1');
    expect(stage.answers).to.deep.equal(['q1 ok']);
    expect(stage.runs.map(({ run }) => run.batchKey)).to.deep.equal(['', '', '']);
  });

  it('fails as unavailable when its holders keep ending', () => {
    const falling = ready({ lossesMax: 2 }).submit('q1');
    falling.end('w1', 'v-1');
    falling.end('w2');
    expect(falling.answers).to.deep.equal(['q1 unavailable']);
  });

  it('is placed again when the instance ends that its worker loaded for it', () => {
    const cold = new DispatcherStage().knows(variantOf('v')).report('w1').submit('q1');
    const delivery = cold.runs[0]!.run.delivery;
    const assigned = { queryId: 'q1', delivery, instanceId: 'w1/v-1', path: '/worker/v-1' };
    cold.send({ type: 'dispatcher.query-assigned', ...assigned });
    expect(cold.end('w1', 'v-1')).to.equal(true);
    expect(cold.placed).to.deep.equal(['q1#1 w1 v', 'q1#2 w1 v']);
  });

  it('stays where it is when an instance of the same name ends on another worker', () => {
    const shared = new DispatcherStage().knows(variantOf('v'));
    shared.report('node', { 'v-1': {} }, 1, '/a').report('node', { 'v-1': {} }, 1, '/b');
    shared.submit('q1').submit('q2');
    expect(shared.endAt('node', '/a/v-1')).to.equal(true);
    expect(shared.placed.slice(0, 2).sort()).to.deep.equal(['q1#1 a/v-1', 'q2#1 b/v-1']);
    expect(shared.placed.slice(2)).to.deep.equal(['q1#2 b/v-1']);
  });

  it('moves on to a worker’s new life with what its old one held', () => {
    const single = new DispatcherStage().knows(variantOf('v')).report('w1', { 'v-1': {} }, 1);
    single.submit('q1').report('w1', { 'v-1': {} }, 2);
    expect(single.placed).to.deep.equal(['q1#1 w1/v-1', 'q1#2 w1/v-1']);
    expect(single.end('w1', undefined, 'node-down', 1)).to.equal(true);
    single.report('w1', {}, 1).finish('q1').submit('q2');
    expect(single.answers).to.deep.equal(['q1 ok']);
    expect(single.placed.at(-1)).to.equal('q2#1 w1/v-1');
  });

  it('is placed again by what the fleet is then, not by what it was', () => {
    stage.submit('q1').knows(variantOf('v'));
    stage.end('w2', undefined, 'node-down');
    stage.end('w1', undefined, 'node-down');
    // There is no worker at all: it waits for one, and then for one no longer.
    expect(stage.answers).to.deep.equal([]);
    expect(stage.advance(10_000).answers).to.deep.equal(['q1 unavailable']);
  });

  it('is answered when the client cancels it, and taken from its instance', () => {
    stage.submit('q1').send({ type: 'dispatcher.cancel-query', queryId: 'q1' });
    expect(stage.answers).to.deep.equal(['q1 cancelled']);
    expect(stage.commands).to.deep.equal(['w1 cancel-query']);
    stage.finish('q1').send({ type: 'dispatcher.cancel-query', queryId: 'q1' });
    expect(stage.answers).to.deep.equal(['q1 cancelled']);
  });

  it('cannot be overtaken by its own cancellation', () => {
    const types = ['submit-query', 'cancel-query', 'query-finished', 'bus-changed'] as const;
    const lanes = types.map((type) => stage.spec.laneOf?.({ type: `dispatcher.${type}` } as never));
    expect(lanes).to.deep.equal(['work', 'work', 'control', 'control']);
  });

  it('is refused at its latency, and never served after it, when its SLO is hard', () => {
    const hard = { slo: { latencyMs: 40 }, onMiss: 'reject' } as const;
    stage.submit('q1', hard).advance(40);
    expect(stage.answers).to.deep.equal(['q1 deadline_exceeded']);
    expect(stage.allAnswers[0])
      .to.have.nested.property('error.message')
      .match(/latencyMs 40/);
    stage.submit('q2', { ...hard, receivedAgoMs: 30 });
    stage.nowMs += 11;
    stage.finish('q2');
    expect(stage.answers.at(-1)).to.equal('q2 deadline_exceeded');
  });

  it('says that it cost more than it was to', () => {
    stage.submit('q1', { slo: { costUsdMax: 1e-4 } });
    stage.finish('q1', {
      ok: true,
      outputs: {},
      batchSize: 1,
      batchReason: '',
      queueMs: 0,
      inferMs: 3_600_000,
    });
    expect(stage.allAnswers[0]).to.have.deep.property('slo', {
      met: false,
      missed: ['costUsdMax'],
    });
  });

  it('is answered at its deadline, whoever holds it, and no sooner', () => {
    stage.submit('q1', { timeoutMs: 100 }).submit('q2', { timeoutMs: 50 }).submit('q3');
    stage.advance(49);
    expect(stage.answers).to.deep.equal([]);
    stage.advance(1);
    expect(stage.answers).to.deep.equal(['q2 deadline_exceeded']);
    stage.advance(50);
    expect(stage.answers).to.deep.equal(['q2 deadline_exceeded', 'q1 deadline_exceeded']);
    expect(stage.commands).to.deep.equal(['w2 cancel-query', 'w1 cancel-query']);
    stage.finish('q3');
    expect(stage.answers.at(-1)).to.equal('q3 ok');
  });
});
