/** A worker's reports: from its monitor to every dispatcher it knows. */

import { expect } from 'chai';

import type { ControllerMessage } from '../../../actors/controller/protocol.ts';
import { defaultForgottenMs } from '../../../actors/domain/attachment.ts';
import type { DispatcherMessage } from '../../../actors/dispatcher/protocol.ts';
import type { InstanceReport, WorkerReport } from '../../../actors/domain/worker.ts';
import { refOf } from '../../../runtime/actor.ts';
import { dispatcherRef } from '../../support/run-queries.ts';
import { variantOf } from '../../support/variants.ts';
import { cpuOf, WorkerStage } from '../../support/worker-stage.ts';

const controller = refOf<ControllerMessage>('controller', 1, '/controller');
const other = refOf<DispatcherMessage>('gateway-2', 1, '/dispatcher');

const report: WorkerReport = {
  workerId: 'w1',
  hardware: cpuOf(1),
  memoryUsedBytes: 0,
  utilisation: 0.5,
  onlineUtilisation: 0.4,
  instances: [],
};

describe('the reports of a worker', () => {
  it('go to every dispatcher, with how many there are', () => {
    const stage = new WorkerStage();
    stage.send({ type: 'worker.dispatchers-changed', dispatchers: [dispatcherRef, other] });
    expect(stage.toldTo(dispatcherRef)).to.deep.equal([]);
    stage.send({ type: 'worker.report-gathered', loads: [], report });
    for (const dispatcher of [dispatcherRef, other]) {
      expect(stage.toldTo(dispatcher)).to.deep.equal([
        {
          type: 'dispatcher.worker-reported',
          worker: stage.self,
          report: { ...report, reclaimableBytes: 0 },
          dispatchers: 2,
        },
      ]);
    }
  });

  it('reach a dispatcher that comes later at once', () => {
    const stage = new WorkerStage();
    stage.send({ type: 'worker.report-gathered', loads: [], report });
    stage.send({ type: 'worker.dispatchers-changed', dispatchers: [other] });
    expect(stage.toldTo(other)).to.have.length(1);
  });

  it('are not sent anew when it is told once more of whom it knows', () => {
    const stage = new WorkerStage();
    const told = { type: 'worker.dispatchers-changed', dispatchers: [other], revision: 0 } as const;
    stage.send({ type: 'worker.report-gathered', loads: [], report });
    stage.send(told).send({ ...told, dispatchers: [refOf(other.node, other.epoch, other.path)] });
    expect(stage.toldTo(other)).to.have.length(1);
  });

  it('come with an attachment when it learns that it missed a change of the registry', () => {
    const stage = new WorkerStage();
    const attachments = (): number =>
      stage.toldTo(controller).filter(({ type }) => type === 'controller.attach-worker').length;
    const before = attachments();
    const told = { type: 'worker.dispatchers-changed', dispatchers: [other] } as const;
    stage.knows(variantOf('v')).send({ ...told, revision: 1 });
    expect(attachments()).to.equal(before);
    stage.send({ ...told, revision: 2 });
    expect(attachments()).to.equal(before + 1);
  });

  it('come with an attachment when the controller has been silent for long', () => {
    const stage = new WorkerStage();
    const attachments = (): number =>
      stage.toldTo(controller).filter(({ type }) => type === 'controller.attach-worker').length;
    const before = attachments();
    const told = { type: 'worker.dispatchers-changed', dispatchers: [other], revision: 0 } as const;
    for (let at = 0; at < 5; at += 1) stage.advance(1_000).send(told);
    stage.advance(defaultForgottenMs - 1);
    expect(attachments()).to.equal(before);
    stage.advance(1 + defaultForgottenMs / 2);
    expect(attachments()).to.equal(before + 1);
    // Each time it waits twice as long, and never for ever.
    stage.advance(60_000);
    expect(attachments()).to.be.within(before + 4, before + 5);
    stage.advance(90_000);
    expect(attachments()).to.be.within(before + 5, before + 7);
    // Heard again, it is as watchful as before.
    stage.send(told).advance(1.5 * defaultForgottenMs);
    expect(attachments()).to.be.within(before + 6, before + 8);
  });

  it('do not go to a dispatcher that left', () => {
    const stage = new WorkerStage();
    stage.send({ type: 'worker.dispatchers-changed', dispatchers: [dispatcherRef, other] });
    stage.send({ type: 'worker.dispatchers-changed', dispatchers: [other] });
    stage.send({ type: 'worker.report-gathered', loads: [], report });
    expect(stage.toldTo(dispatcherRef)).to.deep.equal([]);
  });

  it('make instances speak that the monitor does not know, since it was started anew', () => {
    const stage = new WorkerStage({ preload: { v: 1 } }).knows(variantOf('v'));
    const { instances } = report;
    stage.send({ type: 'worker.report-gathered', loads: [], report: { ...report, instances } });
    expect(stage.toldInstance('v-1')).to.deep.equal(['instance.give-account']);
    const known = { ...report, instances: [instanceReport('w1/v-1')] };
    stage.forget().send({ type: 'worker.report-gathered', loads: [], report: known });
    expect(stage.toldInstance('v-1')).to.deep.equal([]);
  });
});

function instanceReport(id: string): InstanceReport {
  return {
    ...{ id, path: `/worker/${id}`, variantId: 'v', state: 'active', rateQps: 0, queued: 0 },
    ...{ backlogMs: 0, slowdown: 1, served: 0, loadLeftMs: 0 },
  };
}
