/** Where a dispatcher sends queries, by what it knows of the fleet. */

import { expect } from 'chai';

import { offlinePriority } from '../../../actors/domain/offline-job.ts';
import type { LoadReported } from '../../../actors/dispatcher/protocol.ts';
import { refOf } from '../../../runtime/actor.ts';
import { DispatcherStage } from '../../support/dispatcher-stage.ts';
import { perQuery, variantOf } from '../../support/variants.ts';

const small = variantOf('small', { accuracy: 90, latency: perQuery(10) });
const large = variantOf('large', { accuracy: 99, latency: perQuery(50) });

describe('a dispatcher that places a query', () => {
  let stage: DispatcherStage;

  beforeEach(() => {
    stage = new DispatcherStage();
    stage.knows(small, large);
  });

  it('sends it to an instance of the variant that the policy selects, with what it needs', () => {
    stage.report('w1', { 'small-1': {} }).report('w2', { 'large-1': {} });
    stage.submit('q1', {
      slo: { accuracyMin: 95, latencyMs: 80 },
      onMiss: 'reject',
      timeoutMs: 500,
      priority: 7,
      outputs: ['y'],
    });
    expect(stage.placed).to.deep.equal(['q1#1 w2/large-1']);
    const [sent] = stage.runs;
    expect(sent?.run).to.deep.include({ sloLeadMs: 0, rejectLate: true, outputs: ['y'] });
    // The SLO is the hard bound: with `reject` nothing is waited for after it.
    expect(sent?.run.delivery).to.include({ budgetMs: 80, priority: 7, tenant: 'default' });
    expect(sent?.run.replyTo).to.equal(stage.self);
  });

  it('serves by name: a task, an architecture, or a variant', () => {
    const twin = variantOf('large-int8', { architecture: 'large', latency: perQuery(20) });
    stage.knows(small, large, twin);
    stage.report('w1', { 'small-1': {}, 'large-1': {}, 'large-int8-1': {} });
    stage.submit('q1').submit('q2', { selector: { by: 'architecture', architecture: 'large' } });
    stage.submit('q3', { selector: { by: 'variant', variant: 'large' } });
    expect(stage.placed).to.deep.equal([
      'q1#1 w1/small-1',
      'q2#1 w1/large-int8-1',
      'q3#1 w1/large-1',
    ]);
  });

  it('keeps offline queries out of the batches of others', () => {
    stage.report('w1', { 'small-1': {} });
    stage.submit('q1').submit('q2', { priority: offlinePriority });
    const [online, offline] = stage.runs.map(({ run }) => run);
    expect(offline?.batchKey).to.not.equal(online?.batchKey);
    expect(offline?.delivery.priority).to.equal(offlinePriority);
  });

  it('says what room there is for offline work', () => {
    stage.report('w1', { 'small-1': {} }).submit('q1');
    const replyTo = refOf<LoadReported>('gateway', 1, '/offline');
    stage.send({ type: 'dispatcher.report-load', replyTo });
    const [load] = stage.toldTo(replyTo);
    expect(load?.inFlight).to.equal(1);
    expect(load?.workers.map(({ units }) => units)).to.deep.equal([2]);
  });

  it('asks a worker to load a variant for it when no instance is there', () => {
    stage.report('w1').submit('q1');
    expect(stage.placed).to.deep.equal(['q1#1 w1 small']);
    expect(stage.commands).to.deep.equal([]);
  });

  it('expects of a load what loads took before', () => {
    const hasty = { slo: { latencyMs: 200 }, onMiss: 'reject' } as const;
    stage.report('w1').submit('before');
    // 110 ms were predicted.
    stage.advance(260).finish('before').submit('after', hasty);
    expect(stage.answers).to.deep.equal(['before ok', 'after slo_infeasible']);
  });

  it('asks for the better variant to be loaded meanwhile', () => {
    stage.report('w1', { 'large-1': {} }).submit('q1', { slo: { latencyMs: 90 } });
    expect(stage.placed).to.deep.equal(['q1#1 w1/large-1']);
    expect(stage.commands).to.deep.equal(['w1 load-variant']);
  });

  it('asks for it once and not for every query, and again when nothing came of it', () => {
    stage.report('w1', { 'large-1': {} });
    for (let query = 0; query < 5; query += 1) {
      stage.submit(`q${String(query)}`, { slo: { latencyMs: 90 } }).finish(`q${String(query)}`);
      stage.advance(100);
    }
    expect(stage.commands).to.deep.equal(['w1 load-variant']);
    stage.advance(1_000).submit('q9', { slo: { latencyMs: 90 } });
    expect(stage.commands).to.deep.equal(['w1 load-variant', 'w1 load-variant']);
  });

  it('has what could keep the SLO loaded when it refuses for want of it', () => {
    stage.report('w1').submit('q1', { slo: { latencyMs: 20 }, onMiss: 'reject' });
    expect(stage.answers).to.deep.equal(['q1 slo_infeasible']);
    expect(stage.commands).to.deep.equal(['w1 load-variant']);
  });

  it('names the nearest SLO when a hard one was over before anything could run', () => {
    const hard = { slo: { latencyMs: 5 }, onMiss: 'reject' } as const;
    stage.report('w1', { 'small-1': {} }).submit('q1', { ...hard, receivedAgoMs: 6 });
    expect(stage.answers).to.deep.equal(['q1 slo_infeasible']);
  });

  it('spreads by its own sends before any report comes', () => {
    stage.report('w1', { 'small-1': {} }).report('w2', { 'small-1': {} });
    for (let at = 0; at < 6; at += 1) stage.submit(`q${at}`);
    const nodes = stage.runs.map(({ node }) => node).sort();
    expect(nodes).to.deep.equal(['w1', 'w1', 'w1', 'w2', 'w2', 'w2']);
  });

  it('takes the queue state that comes with an answer', () => {
    stage.report('w1', { 'small-1': {} }).report('w2', { 'small-1': { backlogMs: 1 } });
    stage.submit('q1').finish('q1', undefined, { backlogMs: 500 }).forget();
    stage.submit('q2').submit('q3');
    expect(stage.placed).to.deep.equal(['q2#1 w2/small-1', 'q3#1 w2/small-1']);
  });

  it('does not take a refusal at the door for an empty queue', () => {
    const refusal = {
      ok: false,
      error: { code: 'overloaded', message: '', retryable: true, details: {} },
      retry: 'refused',
    } as const;
    stage.report('w1', { 'small-1': { backlogMs: 100 } });
    stage.report('w2', { 'small-1': { state: 'overloaded' } });
    stage.submit('q1').finish('q1', refusal).forget();
    stage.submit('q2', { slo: { latencyMs: 60 } });
    expect(stage.placed).to.deep.equal(['q2#1 w2/small-1']);
  });

  it('counts against the SLO what a query waited before the dispatcher saw it', () => {
    stage.report('w1', { 'small-1': {}, 'large-1': {} });
    const slo = { accuracyMin: 80, latencyMs: 60 };
    const most = new DispatcherStage({ selection: 'most-accurate' });
    most.knows(small, large).report('w1', { 'small-1': {}, 'large-1': {} });
    most.submit('q1', { slo }).submit('q2', { slo, receivedAgoMs: 30 });
    expect(most.placed).to.deep.equal(['q1#1 w1/large-1', 'q2#1 w1/small-1']);
    expect(most.runs.map(({ run }) => run.delivery.budgetMs - run.sloLeadMs)).to.deep.equal([
      60, 30,
    ]);
    expect(most.runs.map(({ run }) => run.delivery.budgetMs)).to.deep.equal([30_000, 29_970]);
  });

  it('joins a query with no other when what it would share is too large to compare', () => {
    const whole = variantOf('whole', {
      task: 'whole',
      signature: { inputs: { image: { datatype: 'UINT8', shape: [100] } }, outputs: {} },
    });
    stage.knows(whole).report('w1', { 'whole-1': {} });
    const selector = { by: 'task', task: 'whole', dataset: undefined } as const;
    const image = { datatype: 'UINT8', shape: [100], data: new Uint8Array(100) } as const;
    stage
      .submit('q1', { selector, inputs: { image } })
      .submit('q2', { selector, inputs: { image } });
    const keys = stage.runs.map(({ run }) => run.batchKey);
    expect(new Set(keys).size).to.equal(2);
  });

  it('forgets an instance that a report has no more, and a leaving one', () => {
    stage.report('w1', { 'small-1': {}, 'small-2': {} }).report('w1', { 'small-2': {} });
    stage.submit('q1').report('w1', { 'small-2': { state: 'draining' }, 'small-3': {} });
    stage.submit('q2');
    expect(stage.placed).to.deep.equal(['q1#1 w1/small-2', 'q2#1 w1/small-3']);
  });

  it('knows the instances that were reported before their variant was registered', () => {
    const late = new DispatcherStage();
    late.report('w1', { 'small-1': {} }).submit('q1').knows(small).submit('q2');
    expect(late.answers).to.deep.equal(['q1 unavailable']);
    expect(late.placed).to.deep.equal(['q2#1 w1/small-1']);
  });
});
