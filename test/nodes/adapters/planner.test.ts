/** The planner port with its real thread: plans come back whatever becomes of it. */

import type { Worker } from 'node:worker_threads';

import { expect } from 'chai';

import type { FleetMessage } from '../../../actors/fleet-autoscaler/protocol.ts';
import { planGreedily } from '../../../actors/policy/planning/greedy.ts';
import {
  defaultPlanRules,
  faultOf,
  type Plan,
  type PlanProblem,
} from '../../../actors/policy/planning/problem.ts';
import { Planner, type PlannerOptions } from '../../../nodes/adapters/planner.ts';
import { createSystemClock } from '../../../nodes/adapters/system-clock.ts';
import type { ActorHost, Ref } from '../../../runtime/actor.ts';
import type { Clock } from '../../../runtime/clock.ts';
import { silentLogger } from '../../../runtime/log.ts';
import { createNactHost } from '../../../runtime/nact-host.ts';
import { silentMetrics } from '../../../runtime/metrics.ts';
import { until } from '../gateways/until.ts';

const gibibyte = 2 ** 30;

/** `classes` that compete for a few machines. */
function problemOf(classes: number): PlanProblem {
  return {
    classes: Array.from({ length: classes }, (_, k) => ({
      ...{ key: `k${k}`, rateQps: 40 + 7 * k },
      options: [90 - k, 80, 60 + k].map((accuracy, o) => ({
        ...{ variantId: `v${k}-${o}`, kind: 'cpu' as const, accuracy, unitQps: 20 * (o + 1) + k },
        ...{ memoryBytes: gibibyte / 8, loadMs: 200, loaded: true },
      })),
    })),
    machines: [
      {
        ...{ kind: 'cpu', units: 8, memoryBytes: 32 * gibibyte, usdPerHour: 0.4 },
        ...{ now: 2, min: 2, max: 2 },
      },
    ],
    rules: defaultPlanRules,
  };
}

describe('the planner port', function () {
  // A thread that loads TypeScript and WebAssembly, on a busy machine.
  this.timeout(60_000);

  const clock = createSystemClock();
  /** Nobody has to wait until a thread hangs: the tests say when it is so long. */
  let itHangs: (() => void)[] = [];
  const handClock: Clock = {
    ...clock,
    schedule: (_delayMs, callback) => {
      itHangs.push(callback);
      return () => undefined;
    },
  };
  let host: ActorHost;
  const solved = new Map<number, readonly Plan[]>();
  let planner: Planner;
  let warnings: unknown[] = [];
  let inbox: Ref<FleetMessage>;
  let threads: Worker[] = [];
  const onWorker = (thread: Worker): void => {
    threads.push(thread);
  };

  before(() => {
    process.on('worker', onWorker);
  });

  beforeEach(() => {
    host = createNactHost({
      ...{ node: 'controller', clock, seed: 1, log: silentLogger, metrics: silentMetrics },
    });
    inbox = host.port<FleetMessage>('inbox', (message) => {
      if (message.type !== 'fleet.plan-solved') return;
      expect(solved.has(message.requestId)).to.equal(false);
      solved.set(message.requestId, message.plans);
    });
    solved.clear();
    warnings = [];
    threads = [];
    itHangs = [];
  });

  afterEach(async () => {
    await planner.close();
    await host.shutdown();
  });
  after(() => {
    process.off('worker', onWorker);
  });

  function start(parts: Partial<PlannerOptions> = {}): void {
    planner = new Planner({
      ...{ host, clock: handClock, limits: { solverS: 2, gap: 1e-4 }, hangMs: 50_000 },
      log: { ...silentLogger, warn: (_message, fields) => warnings.push(fields?.['why']) },
      ...parts,
    });
  }

  function ask(requestId: number, ...problems: readonly PlanProblem[]): void {
    host.tell(planner.port, { type: 'planner.solve', requestId, problems, replyTo: inbox });
  }

  it('answers each request with a sound plan for each problem', async () => {
    start();
    const [small, large] = [problemOf(2), problemOf(6)];
    ask(1, small, large);
    ask(2, large);
    await until(() => solved.size === 2);
    const [first, second] = solved.get(1)!;
    expect(faultOf(small, first!)).to.equal(undefined);
    expect(faultOf(large, second!)).to.equal(undefined);
    expect(second!.value).to.be.at.least(planGreedily(large).value - 1e-9);
    expect(solved.get(2)).to.have.length(1);
    expect(warnings).to.deep.equal([]);
  });

  it('plans greedily in the place of a thread that hangs, and starts another', async () => {
    start();
    const asked = problemOf(6);
    ask(1, asked, asked);
    ask(2, asked);
    await until(() => itHangs.length === 2);
    for (const callback of itHangs) callback();
    await until(() => solved.size === 2);
    const greedy = planGreedily(asked);
    expect(solved.get(1)).to.deep.equal([greedy, greedy]);
    expect(solved.get(2)).to.deep.equal([greedy]);
    expect(warnings).to.deep.equal(['it has not answered in 50000 ms']);
    ask(3, asked);
    await until(() => solved.has(3));
    // The new thread's own: nothing else failed.
    expect(faultOf(asked, solved.get(3)![0]!)).to.equal(undefined);
    expect(warnings).to.have.length(1);
    expect(threads).to.have.length(2);
    await until(() => threads[0]!.threadId === -1);
  });

  it('plans greedily in the place of a thread that died, and starts another', async () => {
    start();
    const asked = problemOf(6);
    ask(1, asked);
    await until(() => threads.length === 1);
    await threads[0]!.terminate();
    await until(() => solved.has(1));
    expect(solved.get(1)).to.deep.equal([planGreedily(asked)]);
    expect(String(warnings)).to.match(/^it ended with code \d$/);
    ask(2, asked);
    await until(() => solved.has(2));
    expect(faultOf(asked, solved.get(2)![0]!)).to.equal(undefined);
    expect(warnings).to.have.length(1);
    expect(threads).to.have.length(2);
  });

  it('leaves nothing when it is closed', async () => {
    start();
    ask(1, problemOf(6));
    await until(() => threads.length === 1);
    await planner.close();
    expect(threads[0]!.threadId).to.equal(-1);
    for (const callback of itHangs) callback();
    ask(2, problemOf(2));
    // Both would have been told by now.
    await new Promise((resolve) => setImmediate(resolve));
    expect(solved.size).to.equal(0);
    expect(warnings).to.deep.equal([]);
    expect(threads).to.have.length(1);
    // Nor does it keep its port’s name.
    start();
  });
});
