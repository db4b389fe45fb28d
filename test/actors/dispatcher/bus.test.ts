/** A dispatcher whose bus goes away and comes back: queries are held, lost ones placed again. */

import { expect } from 'chai';

import type { Readiness } from '../../../actors/dispatcher/protocol.ts';
import { refOf } from '../../../runtime/actor.ts';
import { DispatcherStage } from '../../support/dispatcher-stage.ts';
import { variantOf } from '../../support/variants.ts';

const bus = (connected: boolean) => ({ type: 'dispatcher.bus-changed', connected }) as const;
const lost = (node?: string) => ({ type: 'dispatcher.messages-lost', node }) as const;

describe('a dispatcher without its bus', () => {
  let stage: DispatcherStage;

  beforeEach(() => {
    stage = new DispatcherStage().knows(variantOf('v'));
    stage.report('w1', { 'v-1': {} }).report('w2', { 'v-1': { backlogMs: 5 } });
  });

  it('holds queries, and places them when the bus is back', () => {
    stage.send(bus(false)).submit('q1').submit('q2');
    expect(stage.placed).to.deep.equal([]);
    stage.send(bus(true));
    expect(stage.placed).to.deep.equal(['q1#1 w1/v-1', 'q2#1 w2/v-1']);
  });

  it('answers what it holds at the deadline, saying that there was nowhere to run it', () => {
    stage.send(bus(false)).submit('q1', { timeoutMs: 100 }).advance(100);
    expect(stage.answers).to.deep.equal(['q1 deadline_exceeded']);
    expect(stage.allAnswers[0])
      .to.have.nested.property('error.message')
      .match(/nowhere to run/);
    stage.send(bus(true));
    expect(stage.placed).to.deep.equal([]);
  });

  it('refuses what it holds once the outage lasts, naming the bus, and what comes then', () => {
    stage = new DispatcherStage({ busOutageMs: 2_000 }).knows(variantOf('v'));
    stage.report('w1', { 'v-1': {} }).submit('placed').send(bus(false)).submit('held');
    stage.advance(1_999);
    expect(stage.answers).to.deep.equal([]);
    stage.advance(1).submit('late');
    expect(stage.answers).to.have.members(
      ['placed', 'held', 'late'].map((id) => `${id} unavailable`),
    );
    expect(stage.allAnswers[0])
      .to.have.nested.property('error.message')
      .match(/the bus has not/);
    stage.send(bus(true)).submit('after');
    expect(stage.placed.at(-1)).to.match(/^after#1/);
  });

  it('believes the timer of the outage, which may fire a little before its time', () => {
    stage = new DispatcherStage({ busOutageMs: 2_000 }).knows(variantOf('v'));
    stage.report('w1', { 'v-1': {} }).send(bus(false)).submit('q1').advance(1_999);
    stage.send({ type: 'dispatcher.bus-outage-lasts' });
    expect(stage.answers).to.deep.equal(['q1 unavailable']);
  });

  it('counts each outage for itself', () => {
    stage = new DispatcherStage({ busOutageMs: 2_000 }).knows(variantOf('v'));
    stage.report('w1', { 'v-1': {} }).send(bus(false)).advance(1_500).send(bus(true));
    stage.send(bus(false)).submit('q1').advance(1_000);
    expect(stage.answers).to.deep.equal([]);
  });

  it('reports workers as far as it can reach them', () => {
    const replyTo = refOf<Readiness>('gateway', 1, '/readiness');
    const asked = (): unknown => {
      stage.send({ type: 'dispatcher.report-readiness', replyTo });
      return stage.toldTo(replyTo).at(-1);
    };
    expect(asked()).to.include({ workers: 2, variants: 1, busConnected: true });
    stage.send(bus(false));
    expect(asked()).to.include({ workers: 0, variants: 1, busConnected: false });
    stage.report('gateway', { 'v-1': {} });
    expect(asked()).to.include({ workers: 1 });
    stage.send(bus(true));
    expect(asked()).to.include({ workers: 3, busConnected: true });
  });

  it('answers a held query that is cancelled', () => {
    stage.send(bus(false)).submit('q1');
    stage.send({ type: 'dispatcher.cancel-query', queryId: 'q1' }, bus(true));
    expect(stage.answers).to.deep.equal(['q1 cancelled']);
    expect(stage.placed).to.deep.equal([]);
  });

  it('goes on serving by a worker of its own process', () => {
    stage.report('gateway', { 'v-1': {} });
    stage.send(bus(false)).submit('q1');
    expect(stage.placed).to.deep.equal(['q1#1 gateway/v-1']);
  });

  it('refuses what no worker could do, and holds what another might', () => {
    stage
      .report('gateway')
      .send(bus(false))
      .submit('q1', { slo: { accuracyMin: 99 } });
    expect(stage.answers).to.deep.equal(['q1 slo_infeasible']);
    const huge = variantOf('huge', { task: 'huge', memoryBytes: 1e12 });
    const selector = { by: 'task', task: 'huge', dataset: undefined } as const;
    stage.knows(variantOf('v'), huge).report('w1', { 'huge-1': {} }).forget();
    stage.submit('q2', { selector }).send(bus(true));
    expect(stage.placed).to.deep.equal(['q2#1 w1/huge-1']);
  });

  it('places again what a node may have lost, and nobody is to blame for it', () => {
    stage.submit('q1').submit('q2');
    stage.forget().send(lost('w1'));
    expect(stage.placed.map((placement) => placement.split(' ')[0])).to.deep.equal(['q1#2']);
    for (let at = 0; at < 4; at += 1) stage.send(lost());
    expect(stage.answers).to.deep.equal([]);
    stage.finish('q1').finish('q2');
    expect(stage.answers).to.deep.equal(['q1 ok', 'q2 ok']);
  });

  it('places again what any node may have lost, but nothing of its own process', () => {
    stage.report('gateway', { 'v-1': { backlogMs: 8 } });
    stage.submit('q1').submit('q2').submit('q3').forget();
    stage.send(lost());
    expect(stage.placed.map((placement) => placement.split(' ')[0])).to.deep.equal([
      'q1#2',
      'q2#2',
    ]);
  });

  it('holds what was lost until the bus is back', () => {
    stage.submit('q1').send(bus(false), lost()).forget();
    expect(stage.placed).to.deep.equal([]);
    stage.finish('q1');
    expect(stage.answers).to.deep.equal([]);
    stage.send(bus(true)).finish('q1');
    expect(stage.placed.map((placement) => placement.split(' ')[0])).to.deep.equal(['q1#2']);
    expect(stage.answers).to.deep.equal(['q1 ok']);
  });
});
