/** A worker's monitor: what it reports and when, and how it judges instances. */

import { expect } from 'chai';

import { defaultStateRules } from '../../../actors/domain/instance.ts';
import type { InstanceReport, WorkerReport } from '../../../actors/domain/worker.ts';
import type { InstanceMessage } from '../../../actors/instance/protocol.ts';
import { monitorSpec } from '../../../actors/monitor/behaviour.ts';
import type { DriftConfig } from '../../../actors/monitor/drift-watch.ts';
import type { InstanceObserved, MonitorMessage } from '../../../actors/monitor/protocol.ts';
import type { WorkerSeen } from '../../../actors/registrar/protocol.ts';
import type { WorkerMessage } from '../../../actors/worker/protocol.ts';
import { refOf } from '../../../runtime/actor.ts';
import { anySpec, Recording } from '../../support/recording-context.ts';
import { cpuOf } from '../../support/worker-stage.ts';

const registrar = refOf<WorkerSeen>('controller', 1, '/registrar');
const worker = refOf<WorkerMessage>('w1', 1, '/worker');
const instanceRef = (path: string): ReturnType<typeof refOf<InstanceMessage>> =>
  refOf('w1', 0, path);

class MonitorStage extends Recording<unknown, MonitorMessage> {
  constructor(drift: Partial<DriftConfig> = {}) {
    super(
      anySpec(
        monitorSpec({
          workerId: 'w1',
          hardware: cpuOf(1_000, 2),
          baseMemoryBytes: 100,
          worker,
          registrar,
          instanceRef,
          config: {
            ...{ windowMs: 1_000, reportMs: 250, rules: defaultStateRules, mailboxMax: 10 },
            ...drift,
          },
        }),
      ),
    );
  }

  observe(parts: Partial<InstanceObserved> = {}): this {
    return this.send({
      type: 'monitor.instance-observed',
      instanceId: 'w1/v-1',
      variantId: 'v',
      path: '/worker/v-1',
      state: 'active',
      queued: 0,
      running: 0,
      arrivals: [],
      backlogMs: 0,
      lateMs: 0,
      loadLeftMs: 0,
      memoryBytes: 50,
      saturationQps: 100,
      finished: 0,
      busyMs: 0,
      offlineMs: 0,
      ratio: undefined,
      urgent: false,
      ...parts,
    });
  }

  /** One window of `batches` batches of one query each. */
  window(batches: number, ratio: number): this {
    for (let at = 0; at < batches; at += 1) this.observe({ finished: 1, busyMs: 10, ratio });
    return this.advance(1_000);
  }

  get reports(): WorkerReport[] {
    return this.toldTo(worker).flatMap((message) =>
      message.type === 'worker.report-gathered' ? [message.report] : [],
    );
  }

  get last(): InstanceReport | undefined {
    return this.reports.at(-1)?.instances[0];
  }

  get judged(): string[] {
    return this.toldTo(instanceRef('/worker/v-1')).map((message) =>
      message.type === 'instance.state-judged' ? message.state : message.type,
    );
  }
}

describe('the monitor of a worker', () => {
  let stage: MonitorStage;

  beforeEach(() => {
    stage = new MonitorStage();
  });

  it('reports at its start and every window, also when there is nothing to say', () => {
    stage.advance(0);
    expect(stage.reports).to.have.length(1);
    stage.advance(3_000);
    expect(stage.reports).to.have.length(4);
    expect(stage.reports[0]).to.deep.include({ workerId: 'w1', memoryUsedBytes: 100 });
  });

  it('reports what happens after a quiet time at once, and the rest together', () => {
    stage.advance(300).forget().observe({ queued: 1 });
    expect(stage.reports.map(({ instances }) => instances[0]?.queued)).to.deep.equal([1]);
    for (let queued = 2; queued <= 100; queued += 1) stage.observe({ queued }).advance(1);
    expect(stage.reports).to.have.length(1);
    stage.advance(249 - 99);
    expect(stage.reports).to.have.length(1);
    stage.advance(1);
    expect(stage.reports.map(({ instances }) => instances[0]?.queued)).to.deep.equal([1, 100]);
    stage.advance(400);
    expect(stage.reports).to.have.length(2);
  });

  it('tells the share that online queries keep busy, of the time since too', () => {
    stage.observe({ busyMs: 900, offlineMs: 600 }).advance(1_000);
    const share = (): number | undefined => stage.reports.at(-1)?.onlineUtilisation;
    // Two units.
    expect(stage.reports.at(-1)?.utilisation).to.equal(0.45);
    expect(share()).to.equal(0.15);
    // More of it comes: seen with the next report, and not only when the window has ended.
    stage.observe({ busyMs: 400 }).advance(250);
    expect(share()).to.equal(0.8);
  });

  it('takes offline work for no load', () => {
    // More than the saturation that an instance is overloaded at.
    stage.observe({ finished: 1_000, busyMs: 900, offlineMs: 900 }).advance(1_000);
    expect(stage.reports.at(-1)?.instances[0]).to.include({ rateQps: 0, state: 'active' });
    stage.observe({ finished: 1_000, busyMs: 900 }).advance(1_000);
    expect(stage.reports.at(-1)?.instances[0]).to.include({ rateQps: 1_000, state: 'overloaded' });
  });

  it('counts the late for the state, but not for who waits, until they were worked off', () => {
    stage.observe({ lateMs: 2_500 }).advance(1_000);
    expect(stage.judged).to.deep.equal(['overloaded']);
    expect(stage.reports.at(-1)?.instances[0]).to.include({ backlogMs: 0, lateMs: 1_500 });
    stage.advance(2_000);
    expect(stage.judged).to.deep.equal(['overloaded', 'active']);
  });

  it('reports at once what is urgent, and only that', () => {
    stage.observe();
    expect(stage.reports).to.have.length(0);
    stage.observe({ urgent: true });
    expect(stage.reports).to.have.length(1);
  });

  it('adds up the memory of what is loaded', () => {
    stage.observe({ instanceId: 'w1/v-2', memoryBytes: 7 }).observe({ urgent: true });
    expect(stage.reports.at(-1)?.memoryUsedBytes).to.equal(157);
  });

  it('reports an instance no more when it is gone', () => {
    stage.observe({ urgent: true }).send({ type: 'monitor.instance-gone', instanceId: 'w1/v-1' });
    expect(stage.reports.map(({ instances }) => instances.length)).to.deep.equal([1, 0]);
  });

  it('counts down what an instance still has to work and to load since it said so', () => {
    stage.advance(750).observe({ backlogMs: 400, loadLeftMs: 600 });
    const left = (): unknown => {
      const seen = stage.reports.at(-1)?.instances[0];
      return [seen?.backlogMs, seen?.loadLeftMs];
    };
    stage.advance(250);
    expect(left()).to.deep.equal([150, 350]);
    stage.advance(1_000);
    expect(left()).to.deep.equal([0, 0]);
  });

  it('takes rate and use from the last whole window, and forgets slowness by and by', () => {
    stage.window(20, 1.25).advance(250);
    expect(stage.last).to.include({ rateQps: 20, slowdown: 1.25, served: 20 });
    expect(stage.reports.at(-1)?.utilisation).to.equal(0.1);
    stage.advance(1_000);
    expect(stage.last).to.include({ rateQps: 0, slowdown: 1.125, served: 20 });
    expect(stage.reports.at(-1)?.utilisation).to.equal(0);
  });

  it('judges an instance overloaded, tells it, and reports at once', () => {
    stage.window(99, 1).forget();
    expect(stage.judged).to.deep.equal([]);
    stage.window(100, 1);
    expect(stage.judged).to.deep.equal(['overloaded']);
    expect(stage.last?.state).to.equal('overloaded');
    stage.window(10, 1);
    expect(stage.judged).to.deep.equal(['overloaded', 'active']);
  });

  it('judges an instance interfered by the median of its batches', () => {
    for (let at = 0; at < 3; at += 1) {
      for (let outlier = 0; outlier < 9; outlier += 1) stage.observe({ ratio: 40 });
      stage.window(30, 1);
    }
    expect(stage.judged).to.deep.equal([]);
    for (let at = 0; at < 3; at += 1) stage.window(30, 2);
    expect(stage.judged).to.deep.equal(['interfered']);
  });

  it('takes over at once what only the instance can know of its state', () => {
    const seen = (['loading', 'active', 'draining'] as const).map((state) => {
      stage.observe({ state, urgent: true });
      return stage.last?.state;
    });
    expect(seen).to.deep.equal(['loading', 'active', 'draining']);
    stage.observe({ state: 'draining', finished: 500 }).advance(1_000);
    expect(stage.judged).to.deep.equal([]);
  });

  it('keeps its own judgement while the instance goes on serving', () => {
    stage.window(100, 1).observe({ state: 'active', urgent: true });
    expect(stage.last?.state).to.equal('overloaded');
  });
});

describe("a monitor's account of profiles", () => {
  const told = (stage: MonitorStage): WorkerSeen | undefined => stage.toldTo(registrar).at(-1);
  const minutes = (stage: MonitorStage, windows: number, batches: number, ratio: number): void => {
    for (let at = 0; at < windows; at += 1) stage.window(batches, ratio);
  };

  it('says of each variant how far off it is, and whether it was so for long', () => {
    const stage = new MonitorStage();
    minutes(stage, 30, 10, 2);
    expect(told(stage)).to.deep.include({ workerId: 'w1', everyMs: 10_000 });
    expect(told(stage)?.drifts[0]).to.include({ variantId: 'v', stale: false });
    minutes(stage, 45, 10, 2);
    expect(told(stage)?.drifts[0]).to.include({ variantId: 'v', ratio: 2, stale: true });
  });

  it('promises to tell no more often than its windows end', () => {
    const stage = new MonitorStage({ driftTellMs: 200 });
    minutes(stage, 10, 10, 2);
    expect(told(stage)).to.include({ everyMs: 1_000 });
  });

  it('says nothing of what too few batches have shown, and forgets what is gone', () => {
    const stage = new MonitorStage();
    minutes(stage, 4, 2, 2);
    stage.advance(10_000);
    expect(told(stage)).to.equal(undefined);
    minutes(stage, 10, 2, 2);
    expect(told(stage)?.drifts).to.have.length(1);
    stage.forget().send({ type: 'monitor.instance-gone', instanceId: 'w1/v-1' }).advance(10_000);
    expect(told(stage)).to.equal(undefined);
  });
});
