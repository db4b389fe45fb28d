/** What a dispatcher can tell of its decisions: `explain` afterwards, `quote` beforehand. */

import { expect } from 'chai';

import type { DispatcherMessage, GatewayMessage } from '../../../actors/dispatcher/protocol.ts';
import { Foresight } from '../../../actors/dispatcher/foresight.ts';
import type { Explanation, Quote } from '../../../actors/domain/explanation.ts';
import type { QueryError } from '../../../actors/domain/outcome.ts';
import { DispatcherStage, gatewayRef } from '../../support/dispatcher-stage.ts';
import { variantOf } from '../../support/variants.ts';

const principal = { name: 'somebody', tenant: 'default' };
const envelope = { requestId: 'r1', principal, replyTo: gatewayRef };

function ask(stage: DispatcherStage, message: DispatcherMessage): GatewayMessage | undefined {
  stage.send(message);
  return stage.everTold.at(-1)?.message as GatewayMessage | undefined;
}

function explain(
  stage: DispatcherStage,
  queryId: string,
  tenant = 'default',
): Explanation | QueryError {
  const message = { type: 'dispatcher.explain-query', ...envelope, queryId } as const;
  const answer = ask(stage, { ...message, principal: { ...principal, tenant } });
  if (answer?.type !== 'gateway.query-explained') throw new Error('it did not answer');
  return answer.outcome;
}

function quote(stage: DispatcherStage, latencyMs?: number): Quote | QueryError {
  const answer = ask(stage, {
    type: 'dispatcher.quote-query',
    ...envelope,
    asked: {
      selector: { by: 'task', task: 'pairs', dataset: undefined },
      slo: { latencyMs },
      onMiss: 'reject',
      timeoutMs: 30_000,
    },
    batch: 2,
  });
  if (answer?.type !== 'gateway.query-quoted') throw new Error('it did not answer');
  return answer.outcome;
}

const ready = (explainedMax = 100): DispatcherStage =>
  new DispatcherStage({ explainedMax }).knows(variantOf('small'), variantOf('large'));

describe('explaining a query', () => {
  it('tells what was asked, chosen and rejected, and what came of it', () => {
    const stage = ready().report('w1', { 'small-1': {} });
    stage.submit('q1', { slo: { accuracyMin: 10 } });
    expect(explain(stage, 'q1')).to.have.nested.property('outcome.state', 'in-flight');
    stage.finish('q1');
    const explained = explain(stage, 'q1');
    expect(explained).to.deep.include({ queryId: 'q1', policy: 'cheapest' });
    expect(explained).to.have.nested.property('asked.slo.accuracyMin', 10);
    expect(explained).to.have.nested.property('outcome.variant', 'small');
    const { attempts } = explained as Explanation;
    expect(attempts).to.have.length(1);
    expect(attempts[0]?.chosen).to.include({ variant: 'small', instance: 'w1/small-1' });
    expect(
      attempts[0]?.considered.map(({ variant, verdict }) => `${variant} ${verdict}`),
    ).to.have.members(['small chosen', 'large not-loaded']);
    expect(attempts[0]?.leftOut).to.equal(0);
  });

  it('tells every placing, and what ended it', () => {
    const stage = ready().report('w1', { 'small-1': {} }).report('w2', { 'small-1': {} });
    stage.submit('q1', { selector: { by: 'variant', variant: 'small' } });
    stage.end(stage.runs[0]!.node, 'small-1');
    const { attempts } = explain(stage, 'q1') as Explanation;
    expect(attempts).to.have.length(2);
    expect(attempts[0]?.ended).to.match(/ended/);
    expect(attempts[1]?.ended).to.equal(undefined);
  });

  it('tells why a query was refused', () => {
    const stage = ready().report('w1', { 'small-1': {} });
    stage.submit('q1', { slo: { accuracyMin: 100 } });
    const explained = explain(stage, 'q1') as Explanation;
    expect(explained.outcome).to.have.nested.property('error.code', 'slo_infeasible');
    expect(explained.attempts[0]?.chosen).to.equal(undefined);
    for (const { verdict } of explained.attempts[0]!.considered) {
      expect(verdict).to.equal('less-accurate');
    }
  });

  it('forgets the oldest first, and keeps nothing when told so', () => {
    const stage = ready(2).report('w1', { 'small-1': {} });
    for (const id of ['q1', 'q2', 'q3']) stage.submit(id);
    expect(explain(stage, 'q1')).to.include({ code: 'bad_input' });
    expect(explain(stage, 'q3')).to.include({ queryId: 'q3' });
    const silent = ready(0).report('w1', { 'small-1': {} }).submit('q1');
    expect(explain(silent, 'q1')).to.include({ code: 'bad_input' });
  });

  it('tells nothing to another tenant', () => {
    const stage = ready().report('w1', { 'small-1': {} }).submit('q1');
    expect(explain(stage, 'q1', 'another')).to.include({ code: 'bad_input' });
  });
});

describe('quoting a query', () => {
  it('gives what would serve it, and places nothing', () => {
    const stage = ready().report('w1', { 'small-1': {} });
    const quoted = quote(stage) as Quote;
    expect(quoted).to.include({
      variant: 'small',
      worker: 'w1',
      instance: 'w1/small-1',
      chance: 1,
    });
    expect(quoted.predictedMs).to.be.above(0);
    expect(stage.placed).to.deep.equal([]);
    expect(stage.commands).to.deep.equal([]);
  });

  it('refuses what such a query would be refused', () => {
    const stage = ready().report('w1', { 'small-1': {} });
    expect(quote(stage, 1e-6)).to.include({ code: 'slo_infeasible' });
  });

  it('says nothing of chances before it has seen answers', () => {
    const stage = ready().report('w1', { 'small-1': {} });
    expect((quote(stage, 1_000) as Quote).chance).to.equal(undefined);
  });
});

describe('foresight', () => {
  it('is the share of answers that were no later, against their prediction', () => {
    const foresight = new Foresight();
    expect(foresight.chance(10, 20)).to.equal(undefined);
    for (let at = 0; at < 100; at += 1) foresight.observe(10, at < 90 ? 12 : 50);
    expect(foresight.chance(10, 12)).to.equal(0.9);
    expect(foresight.chance(100, 100)).to.equal(0);
    expect(foresight.chance(10, 60)).to.equal(1);
    expect(foresight.chance(10, Infinity)).to.equal(1);
  });

  it('learns what loads take beyond their profiles, and forgets it again', () => {
    const foresight = new Foresight();
    expect(foresight.loadExtraMs).to.equal(0);
    foresight.observeLoad(10, 25);
    expect(foresight.loadExtraMs).to.equal(15);
    // Predicted with that in it, and so it came.
    foresight.observeLoad(25, 25);
    expect(foresight.loadExtraMs).to.equal(15);
    for (let at = 0; at < 30; at += 1) foresight.observeLoad(10 + foresight.loadExtraMs, 10);
    expect(foresight.loadExtraMs).to.be.closeTo(0, 0.01);
    foresight.observeLoad(10, 60_000);
    expect(foresight.loadExtraMs).to.be.at.most(250);
  });

  it('goes by the newest alone', () => {
    const foresight = new Foresight();
    for (let at = 0; at < 1_000; at += 1) foresight.observe(10, 100);
    for (let at = 0; at < 512; at += 1) foresight.observe(10, 10);
    expect(foresight.chance(10, 10)).to.equal(1);
  });
});
