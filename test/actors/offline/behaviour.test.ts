/** Offline jobs: what is sent when, in which order results are written, what a restart does. */

import { expect } from 'chai';

import type { DispatcherMessage, SubmitQuery } from '../../../actors/dispatcher/protocol.ts';
import type { JobDescription } from '../../../actors/domain/offline-job.ts';
import { type OutcomeCode, queryError } from '../../../actors/domain/outcome.ts';
import type { QueryAnswer } from '../../../actors/domain/query.ts';
import { offlineSpec } from '../../../actors/offline/behaviour.ts';
import type { JobItem, OfflineFilesCommand } from '../../../actors/offline/files-port.ts';
import type { OfflineEvent, OfflineMessage } from '../../../actors/offline/protocol.ts';
import { refOf } from '../../../runtime/actor.ts';
import { MemoryJobFiles, testOfflineConfig } from '../../support/memory-job-files.ts';
import { anySpec, Recording } from '../../support/recording-context.ts';
import { pairs } from '../../support/variants.ts';

const filesRef = refOf<OfflineFilesCommand>('controller', 1, '/offline-files');
const dispatcher = refOf<DispatcherMessage>('controller', 1, '/dispatcher');
const asker = refOf<OfflineEvent>('gateway', 1, '/registrations-websocket');
const principal = { name: 'local', tenant: 'default' };

function itemsOf(count: number): JobItem[] {
  return Array.from({ length: count }, (_, index) => {
    return { index, id: `i${index}`, inputs: pairs() };
  });
}

class OfflineStage extends Recording<unknown, OfflineMessage> {
  readonly files: MemoryJobFiles;
  private seen = 0;
  /** The dispatcher has no room for a question. */
  isCrowded = false;

  constructor(items: readonly JobItem[] = itemsOf(5), config = testOfflineConfig) {
    const files = new MemoryJobFiles(items);
    super(
      anySpec(
        offlineSpec({
          files: filesRef,
          dispatcher,
          stored: () => [...files.records.values()],
          config,
        }),
      ),
    );
    this.files = files;
  }

  /** Carries out what was asked of the files, until nothing more is. */
  settle(): this {
    while (this.seen < this.everTold.length) {
      const { to, message } = this.everTold[this.seen] ?? { to: asker, message: undefined };
      this.seen += 1;
      if (to.path !== filesRef.path) continue;
      const event = this.files.answer(message as OfflineFilesCommand);
      if (event !== undefined) this.send(event);
    }
    return this;
  }

  submits(output = '/out'): this {
    this.send({
      ...{ type: 'offline.submit-job', requestId: 'r1', principal, replyTo: asker },
      asked: {
        selector: { by: 'task', task: 'pairs', dataset: undefined },
        ...{ slo: {}, outputs: undefined, input: '/in', output },
      },
    });
    const [quote] = this.toldTo(dispatcher).slice(-1);
    if (quote?.type !== 'dispatcher.quote-query') return this;
    return this.send({
      type: 'gateway.query-quoted',
      requestId: quote.requestId,
      outcome: queryError('unavailable', 'nothing is loaded'),
    }).settle();
  }

  /** A look at the load; whatever is to be opened is. */
  room(onlineUtilisation = 0, inFlight = 0): this {
    this.advance(100);
    this.send({
      type: 'offline.load-reported',
      workers: [{ units: 1, onlineUtilisation }],
      inFlight: inFlight + this.unanswered.length,
    });
    for (const asked of this.ofType<DispatcherMessage, 'dispatcher.describe-fleet'>(
      'dispatcher.describe-fleet',
    )) {
      this.send({
        ...{ type: 'gateway.fleet-described', requestId: asked.requestId },
        outcome: this.isCrowded
          ? queryError('overloaded', 'this gateway takes no more queries now')
          : {
              tasks: [{ name: 'pairs', datasets: [], inputs: [], outputs: [] }],
              ...{ architectures: [], variants: [], workers: [], instances: [] },
            },
      });
    }
    return this.settle();
  }

  get sent(): SubmitQuery[] {
    return this.ofType<DispatcherMessage, 'dispatcher.submit-query'>('dispatcher.submit-query');
  }

  private readonly done = new Set<string>();

  get unanswered(): SubmitQuery[] {
    return this.everTold
      .map(({ message }) => message as DispatcherMessage)
      .filter((message): message is SubmitQuery => message.type === 'dispatcher.submit-query')
      .filter(({ queryId }) => !this.done.has(queryId));
  }

  answers({ queryId }: SubmitQuery, refusal?: OutcomeCode): this {
    this.done.add(queryId);
    const answer: QueryAnswer =
      refusal === undefined
        ? {
            ...{
              ok: true,
              queryId,
              outputs: {},
              costUsd: 0,
              decision: { reason: '', batchReason: 'one at a time' },
            },
            servedBy: {
              ...{ task: 'pairs', dataset: 'test', architecture: 'v', variant: 'v', worker: 'w' },
              ...{ instance: 'w/v-1', hardware: 'cpu', batchSize: 1, accuracy: 90 },
            },
            timing: { totalMs: 12, decideMs: 0, networkMs: 1, queueMs: 1, inferMs: 10 },
            slo: { met: true, missed: [] },
          }
        : { ok: false, queryId, error: queryError(refusal, `it is ${refusal}`) };
    return this.send({ type: 'gateway.query-answered', queryId, answer }).settle();
  }

  /** Rounds of a look at the load and answers to all that is in flight. */
  rounds(count: number): this {
    for (let round = 0; round < count; round += 1) {
      this.room();
      for (let left = this.unanswered; left.length > 0; left = this.unanswered) {
        for (const query of left) this.answers(query);
      }
    }
    return this;
  }

  job(): JobDescription | undefined {
    this.send({
      ...{ type: 'offline.describe-jobs', jobId: undefined, requestId: 'r2' },
      ...{ principal, replyTo: asker },
    });
    const told = this.ofType<OfflineEvent, 'gateway.jobs-described'>('gateway.jobs-described');
    return told.at(-1)?.jobs[0];
  }

  lines(): readonly (string | number)[] {
    return this.files.written.map(({ id }) => id);
  }
}

describe('offline jobs', () => {
  it('are told to their submitter once their record is kept, and not before', () => {
    const stage = new OfflineStage().submits();
    expect([...stage.files.records.keys()]).to.deep.equal(['job-1']);
    const [told] = stage.toldTo(asker);
    expect(told).to.deep.include({ type: 'gateway.jobs-described', requestId: 'r1' });
  });

  it('are refused at once where nobody knows what they ask', () => {
    const stage = new OfflineStage();
    stage.send({
      ...{ type: 'offline.submit-job', requestId: 'r1', principal, replyTo: asker },
      asked: {
        selector: { by: 'variant', variant: 'nobody' },
        ...{ slo: {}, outputs: undefined, input: '/in', output: '/out' },
      },
    });
    const error = queryError('unknown_variant', 'there is none');
    stage.send({ type: 'gateway.query-quoted', requestId: 'job-1', outcome: error }).settle();
    const [told] = stage.toldTo(asker);
    expect(told).to.deep.equal({ type: 'gateway.job-refused', requestId: 'r1', error });
    expect(stage.files.records.size).to.equal(0);
  });

  it('send at the lowest priority, and write in order whatever the order of answers', () => {
    const stage = new OfflineStage().submits().room();
    stage.answers(stage.unanswered[0] as SubmitQuery);
    for (let round = 0; round < 10; round += 1) {
      stage.room();
      for (const query of stage.unanswered.reverse()) stage.answers(query);
    }
    expect(stage.lines()).to.deep.equal(['i0', 'i1', 'i2', 'i3', 'i4']);
    expect(stage.sent.every(({ request }) => request.priority < 0)).to.equal(true);
    expect(stage.job()).to.include({ state: 'done', written: 5, failed: 0 });
    expect(stage.files.records.get('job-1')).to.include({ state: 'done', written: 5 });
  });

  it('stop sending once online queries need the workers, and say so', () => {
    const stage = new OfflineStage(itemsOf(100)).submits().rounds(5);
    const before = stage.sent.length;
    stage.room(0.9);
    for (const query of stage.unanswered) stage.answers(query);
    stage.room(0.9).room(0.9);
    expect(stage.sent.length).to.equal(before);
    expect(stage.job()?.why).to.match(/online queries keep the workers busy/);
    stage.rounds(3);
    expect(stage.sent.length).to.be.greaterThan(before);
  });

  it('send no more than the share that is free', () => {
    // 10 ms each: three quarters of ten seconds are 750 of them.
    const stage = new OfflineStage(itemsOf(2_000)).submits().rounds(100);
    expect(stage.sent.length).to.be.within(650, 770);
  });

  it('try again what passes, and write what is refused for good', () => {
    const stage = new OfflineStage(itemsOf(2)).submits().room();
    stage.answers(stage.unanswered[0] as SubmitQuery, 'unavailable');
    expect(stage.lines()).to.deep.equal([]);
    expect(stage.job()?.why).to.equal('it is unavailable');
    stage.advance(1_000).room();
    stage.answers(stage.unanswered[0] as SubmitQuery, 'inference_failed');
    stage.rounds(3);
    expect(stage.lines()).to.deep.equal(['i0', 'i1']);
    expect(stage.job()).to.include({ state: 'done', failed: 1 });
  });

  it('ask again what the dispatcher had no room to answer', () => {
    const stage = new OfflineStage(itemsOf(2)).submits();
    stage.isCrowded = true;
    stage.room();
    expect(stage.job()?.why).to.match(/takes no more queries/);
    stage.isCrowded = false;
    stage.advance(2_000).rounds(3);
    expect(stage.job()).to.include({ state: 'done', failed: 0 });
  });

  it('write why an item is none, without asking anybody', () => {
    const bad = queryError('bad_input', 'it is no JSON');
    const items = [...itemsOf(1), { index: 1, id: 1, inputs: bad }];
    const stage = new OfflineStage(items).submits().rounds(4);
    expect(stage.sent).to.have.length(1);
    expect(stage.files.written[1]?.answer).to.deep.include({ ok: false, error: bad });
  });

  it('go on behind the last line that was written when the actor starts anew', () => {
    const stage = new OfflineStage(itemsOf(90)).submits().rounds(4).room();
    const [lost] = stage.unanswered;
    expect(stage.lines().length).to.be.within(1, 89);
    stage.restart();
    const before = stage.lines().length;
    // What comes late of the life before changes nothing.
    if (lost !== undefined) stage.answers(lost);
    expect(stage.lines().length).to.equal(before);
    stage.rounds(60);
    expect(stage.lines()).to.deep.equal(itemsOf(90).map(({ id }) => id));
    expect(stage.job()).to.include({ state: 'done', written: 90 });
  });

  it('send again what the dispatcher lost', () => {
    const stage = new OfflineStage(itemsOf(3)).submits().room();
    expect(stage.unanswered).to.have.length(1);
    stage.send({ type: 'gateway.queries-lost' });
    stage.rounds(12);
    expect(stage.lines()).to.deep.equal(['i0', 'i1', 'i2']);
  });

  it('keep what was written when they are cancelled, and take back what is in flight', () => {
    const stage = new OfflineStage(itemsOf(90)).submits().rounds(3).room();
    const inFlight = stage.unanswered.map(({ queryId }) => queryId);
    expect(inFlight).to.not.equal([]);
    stage.forget().send({
      ...{ type: 'offline.cancel-job', jobId: 'job-1', requestId: 'r3' },
      ...{ principal, replyTo: asker },
    });
    const cancelled = stage.ofType<DispatcherMessage, 'dispatcher.cancel-query'>(
      'dispatcher.cancel-query',
    );
    expect(cancelled.map(({ queryId }) => queryId)).to.deep.equal(inFlight);
    const written = stage.lines().length;
    stage.settle().rounds(5);
    expect(stage.lines().length).to.equal(written);
    expect(stage.job()).to.include({ state: 'cancelled', written });
  });

  it('are nobody else’s: another tenant neither sees nor cancels them', () => {
    const stage = new OfflineStage().submits();
    stage.forget().send({
      ...{ type: 'offline.cancel-job', jobId: 'job-1', requestId: 'r3' },
      ...{ principal: { name: 'b', tenant: 'b' }, replyTo: asker },
    });
    expect(stage.toldTo(asker)[0]).to.have.nested.property('error.code', 'bad_input');
    expect(stage.job()?.state).to.equal('open');
  });

  it('are bounded, and of the ended ones the oldest are forgotten', () => {
    const stage = new OfflineStage(itemsOf(1));
    for (const output of ['/a', '/b', '/c', '/d']) stage.submits(output);
    expect(stage.ofType<OfflineEvent, 'gateway.job-refused'>('gateway.job-refused')).to.have.length(
      1,
    );
    for (const jobId of ['job-1', 'job-2', 'job-3']) {
      stage.send({
        ...{ type: 'offline.cancel-job', jobId, requestId: 'r3' },
        ...{ principal, replyTo: asker },
      });
      stage.settle();
    }
    expect([...stage.files.records.keys()]).to.deep.equal(['job-2', 'job-3']);
  });

  it('fail for good when their inputs have changed, and wait when a disk is full', () => {
    const stage = new OfflineStage(itemsOf(90)).submits().rounds(2);
    const full = queryError('unavailable', 'no space left on device');
    stage.send({ type: 'offline.job-broken', jobId: 'job-1', error: full });
    expect(stage.job()).to.include({ state: 'open', why: 'no space left on device' });
    stage.advance(1_000).rounds(2);
    const changed = queryError('bad_input', 'it has changed');
    stage.send({ type: 'offline.job-broken', jobId: 'job-1', error: changed });
    expect(stage.job()).to.include({ state: 'failed', why: 'it has changed' });
  });

  it('take nothing of what does not concern them from other nodes', () => {
    const { remoteTypes = [] } = new OfflineStage().spec;
    expect(remoteTypes).to.not.include('gateway.query-answered');
  });
});
