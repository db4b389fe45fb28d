/** A worker's reports: from its monitor to every dispatcher it knows. */

import { expect } from 'chai';

import type { DispatcherMessage } from '../../../actors/dispatcher/protocol.ts';
import type { WorkerReport } from '../../../actors/domain/worker.ts';
import { refOf } from '../../../runtime/actor.ts';
import { dispatcherRef } from '../../support/run-queries.ts';
import { cpuOf, WorkerStage } from '../../support/worker-stage.ts';

const other = refOf<DispatcherMessage>('gateway-2', 1, '/dispatcher');

const report: WorkerReport = {
  workerId: 'w1',
  hardware: cpuOf(1),
  memoryUsedBytes: 0,
  utilisation: 0.5,
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

  it('do not go to a dispatcher that left', () => {
    const stage = new WorkerStage();
    stage.send({ type: 'worker.dispatchers-changed', dispatchers: [dispatcherRef, other] });
    stage.send({ type: 'worker.dispatchers-changed', dispatchers: [other] });
    stage.send({ type: 'worker.report-gathered', loads: [], report });
    expect(stage.toldTo(dispatcherRef)).to.deep.equal([]);
  });
});
