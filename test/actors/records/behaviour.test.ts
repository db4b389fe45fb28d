/** A node's records: what is kept, who is told, what is read back of an instance or a worker. */

import { expect } from 'chai';

import type { DispatcherMessage, GatewayMessage } from '../../../actors/dispatcher/protocol.ts';
import type { Decision } from '../../../actors/domain/decision.ts';
import type { FleetEvent, Subject } from '../../../actors/domain/fleet-event.ts';
import type { InstanceState } from '../../../actors/domain/instance.ts';
import { recordsSpec } from '../../../actors/records/behaviour.ts';
import type { RecordsMessage } from '../../../actors/records/protocol.ts';
import { refOf } from '../../../runtime/actor.ts';
import { anySpec, Recording } from '../../support/recording-context.ts';
import { cpuOf } from '../../support/worker-stage.ts';

const dispatcher = refOf<DispatcherMessage>('gateway', 1, '/dispatcher');
const desk = refOf<GatewayMessage>('gateway', 1, '/subscriptions-websocket');
const peer = refOf<RecordsMessage>('other', 3, '/records');
const principal = { name: 'local', tenant: 'default' };

function decisionOf(subject: string, by = 'w1', kind: Decision['kind'] = 'scaling'): Decision {
  const why = 'it is too slow';
  return { kind, by, atMs: 5, subject, chosen: 'another', why, seen: { load: 3 }, rejected: [] };
}

class RecordsStage extends Recording<unknown, RecordsMessage> {
  constructor(eventsMax = 100) {
    const config = { mailboxMax: 100, eventsMax, peersMax: 2 };
    super(anySpec(recordsSpec({ dispatcher, config })), {
      self: refOf('gateway', 1, '/records'),
    });
  }

  sees(worker: string, instances: Readonly<Record<string, InstanceState>>): this {
    return this.send({
      type: 'records.worker-seen',
      report: {
        ...{ workerId: worker, hardware: cpuOf(1), memoryUsedBytes: 0, utilisation: 0 },
        instances: Object.entries(instances).map(([name, state]) => ({
          ...{ id: `${worker}/${name}`, path: `/worker/${name}`, variantId: 'v', state },
          ...{ rateQps: 0, queued: 0, backlogMs: 0, slowdown: 1, served: 0, loadLeftMs: 0 },
        })),
      },
    });
  }

  decides(decision: Decision): this {
    return this.send({ type: 'decisions.decision-made', decision });
  }

  listens(wants: 'nothing' | 'fleet' | 'fleet-and-selections'): this {
    return this.send({ type: 'records.listen', listener: desk, wants });
  }

  selects(): this {
    return this.send({
      type: 'records.selection-made',
      selection: { kind: 'selection', queryId: 'q1', tenant: 'default', reason: 'cheapest' },
    });
  }

  story(subject: Subject): string[] {
    this.send({
      ...{ type: 'records.explain-subject', requestId: 'r', subject, principal, replyTo: desk },
    });
    const told = this.ofType<GatewayMessage, 'gateway.subject-explained'>(
      'gateway.subject-explained',
    );
    return (told.at(-1)?.explanation.events ?? []).map(({ event }) => textOf(event));
  }

  get news(): string[] {
    return this.ofType<GatewayMessage, 'gateway.event-recorded'>('gateway.event-recorded').map(
      ({ recorded }) => textOf(recorded.event),
    );
  }
}

function textOf(event: FleetEvent): string {
  switch (event.kind) {
    case 'worker':
      return `${event.worker} ${event.change}`;
    case 'instance':
      return `${event.instance} ${event.from ?? 'new'}>${event.to}`;
    case 'selection':
      return `selection ${event.queryId}`;
    case 'decision':
      return `${event.decision.kind} ${event.decision.subject}`;
  }
}

describe('the records of a gateway node', () => {
  it('tell an instance’s story: what was decided of it and its variant, and its states', () => {
    const stage = new RecordsStage();
    stage.sees('w1', {}).decides(decisionOf('v')).sees('w1', { 'v-1': 'loading' });
    stage.sees('w1', { 'v-1': 'loading' }).sees('w1', { 'v-1': 'active', 'v-2': 'loading' });
    stage.decides(decisionOf('w1/v-1', 'w1', 'mitigation')).decides(decisionOf('v', 'w2'));
    stage.sees('w1', { 'v-2': 'active' });
    expect(stage.story({ kind: 'instance', name: 'w1/v-1' })).to.deep.equal([
      'w1 joined',
      'scaling v',
      'w1/v-1 new>loading',
      'w1/v-1 loading>active',
      'mitigation w1/v-1',
      'w1/v-1 active>gone',
    ]);
  });

  it('tell a worker’s story, its end too', () => {
    const stage = new RecordsStage().decides(decisionOf('w1', 'controller', 'fleet'));
    stage.sees('w1', { 'v-1': 'active' }).sees('w2', {});
    stage.send({ type: 'records.worker-gone', workerId: 'w1', why: 'killed', inOrder: false });
    stage.send({ type: 'records.worker-gone', workerId: 'w1', why: 'again', inOrder: false });
    const story = ['fleet w1', 'w1 joined', 'w1/v-1 new>active', 'w1 lost'];
    expect(stage.story({ kind: 'worker', name: 'w1' })).to.deep.equal(story);
  });

  it('keep the newest, so many', () => {
    const stage = new RecordsStage(3);
    for (const name of ['a', 'b', 'c', 'd', 'e']) stage.decides(decisionOf(name));
    const story = ['scaling c', 'scaling d', 'scaling e'];
    expect(stage.story({ kind: 'worker', name: 'w1' })).to.deep.equal(story);
  });

  it('tell listeners as it happens, and nobody once they have left', () => {
    const stage = new RecordsStage().decides(decisionOf('a')).listens('fleet');
    stage.decides(decisionOf('b')).sees('w1', {});
    expect(stage.news).to.deep.equal(['scaling b', 'w1 joined']);
    stage.listens('nothing').decides(decisionOf('c'));
    expect(stage.news).to.have.length(2);
  });

  it('ask for selections only while somebody wants them, and keep none', () => {
    const stage = new RecordsStage().listens('fleet').selects();
    expect(stage.news).to.deep.equal([]);
    stage.listens('fleet-and-selections').selects();
    expect(stage.news).to.deep.equal(['selection q1']);
    // Said again: the dispatcher may have been started anew.
    stage.listens('fleet-and-selections').listens('nothing');
    const asked = stage.toldTo(dispatcher).map((message) => message as { to?: unknown });
    expect(asked.map(({ to }) => to)).to.deep.equal([
      ...[undefined, stage.self, stage.self, undefined],
    ]);
  });

  it('relay what is decided beside the controller, and only that, to their peers', () => {
    const stage = new RecordsStage().send({ type: 'records.attach-peer', peer });
    stage.decides(decisionOf('v')).decides(decisionOf('agent-1', 'controller', 'fleet'));
    expect(stage.toldTo(peer).map(({ type }) => type)).to.deep.equal(['records.decision-relayed']);
    stage.terminate(peer);
    stage.forget().decides(decisionOf('agent-2', 'controller', 'fleet'));
    expect(stage.toldTo(peer)).to.deep.equal([]);
  });

  it('number what is told without gaps, so that who loses some knows', () => {
    const stage = new RecordsStage().listens('fleet-and-selections');
    stage.decides(decisionOf('a')).selects().decides(decisionOf('b'));
    const numbers = stage
      .ofType<GatewayMessage, 'gateway.event-recorded'>('gateway.event-recorded')
      .map(({ recorded }) => recorded.seq);
    expect(numbers).to.deep.equal([1, 2, 3]);
  });
});
