/** A dispatcher whose last worker goes: queries wait for another, for a while. */

import { expect } from 'chai';

import { DispatcherStage } from '../../support/dispatcher-stage.ts';
import { variantOf } from '../../support/variants.ts';

describe('a dispatcher without a worker', () => {
  let stage: DispatcherStage;

  beforeEach(() => {
    stage = new DispatcherStage({ workersGoneMs: 2_000 }).knows(variantOf('v'));
    stage.report('w1', { 'v-1': {} });
  });

  it('refuses at once where none has ever been: none is to be expected', () => {
    stage = new DispatcherStage().knows(variantOf('v')).submit('q1');
    expect(stage.answers).to.deep.equal(['q1 unavailable']);
    expect(stage.allAnswers[0])
      .to.have.nested.property('error.message')
      .match(/no worker has joined/);
  });

  it('holds what the last one held and what comes then, and places both on the next', () => {
    stage.submit('q1').forget();
    stage.end('w1');
    stage.submit('q2').advance(1_999);
    expect(stage.answers).to.deep.equal([]);
    stage.report('w2', { 'v-1': {} });
    expect(stage.placed).to.deep.equal(['q1#2 w2/v-1', 'q2#1 w2/v-1']);
    expect(stage.advance(10_000).answers).to.deep.equal([]);
  });

  it('refuses both once none has come for long enough, and what comes after that', () => {
    stage.submit('q1');
    stage.end('w1');
    stage.submit('q2').advance(2_000).submit('q3');
    expect(stage.answers).to.have.members(['q1', 'q2', 'q3'].map((id) => `${id} unavailable`));
    expect(stage.allAnswers[0])
      .to.have.nested.property('error.message')
      .match(/the last worker went 2 s ago/);
    stage.report('w2', { 'v-1': {} }).submit('q4');
    expect(stage.placed.at(-1)).to.equal('q4#1 w2/v-1');
  });

  it('counts each time for itself', () => {
    stage.end('w1');
    stage.advance(1_500).report('w2', { 'v-1': {} });
    stage.end('w2');
    stage.submit('q1').advance(1_500);
    expect(stage.answers).to.deep.equal([]);
  });

  it('answers a hard SLO at its time, and holds nothing where it is told not to', () => {
    stage.end('w1');
    stage.submit('q1', { slo: { latencyMs: 50 }, onMiss: 'reject' }).advance(50);
    expect(stage.answers).to.have.length(1);
    stage = new DispatcherStage({ workersGoneMs: 0 }).knows(variantOf('v')).report('w1');
    stage.end('w1');
    expect(stage.submit('q2').answers).to.deep.equal(['q2 unavailable']);
  });
});
