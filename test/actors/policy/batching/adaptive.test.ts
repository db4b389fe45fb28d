/** Adaptive batching: what it runs, when it waits, and what it never does whatever the view. */

import { expect } from 'chai';
import fc from 'fast-check';

import { adaptiveBatch, batchLimits } from '../../../../actors/policy/batching/adaptive.ts';
import type {
  BatchPlan,
  BatchView,
  QueuedQuery,
} from '../../../../actors/policy/batching/index.ts';

/** T(b) = fixed + b × each, up to `batchMax`. */
function table(fixedMs: number, eachMs: number, batchMax = 8): Float64Array {
  return Float64Array.from({ length: batchMax + 1 }, (_, batch) =>
    batch === 0 ? 0 : fixedMs + batch * eachMs,
  );
}

const doesNotPay = table(0, 10);
const pays = table(20, 1);

function queueOf(...dueMs: readonly number[]): QueuedQuery[] {
  return dueMs.map((due) => ({ dueMs: due, size: 1 }));
}

function viewOf(parts: Partial<BatchView>): BatchView {
  return { nowMs: 0, queue: queueOf(1_000), latencyMs: pays, arrivalsPerMs: 0, ...parts };
}

function countOf(plan: BatchPlan): number {
  return plan.do === 'run' ? plan.count : 0;
}

/** A monotone table, a queue by deadline and a rate: anything an instance may show. */
const anyView: fc.Arbitrary<BatchView> = fc
  .record({
    nowMs: fc.integer({ min: 0, max: 1_000 }),
    steps: fc.array(
      fc.integer({ min: 1, max: 5_000 }).map((ms) => ms / 100),
      {
        minLength: 1,
        maxLength: 16,
      },
    ),
    queue: fc.array(
      fc.record({
        dueMs: fc.oneof(
          { weight: 9, arbitrary: fc.integer({ min: -100, max: 2_000 }) },
          { weight: 1, arbitrary: fc.constant(Infinity) },
        ),
        size: fc.integer({ min: 1, max: 3 }),
      }),
      { minLength: 1, maxLength: 20 },
    ),
    arrivalsPerMs: fc.oneof(
      fc.constant(0),
      fc.integer({ min: 1, max: 50_000 }).map((each) => each / 10_000),
    ),
  })
  .map(({ nowMs, steps, queue, arrivalsPerMs }) => {
    let ms = 0;
    const latencyMs = Float64Array.from([0, ...steps.map((step) => (ms += step))]);
    const byDue = [...queue]
      .sort((a, b) => a.dueMs - b.dueMs)
      .map((query) => ({ ...query, dueMs: query.dueMs + nowMs }));
    return { nowMs, queue: byDue, latencyMs, arrivalsPerMs };
  });

function sizeOf(view: BatchView, count: number): number {
  return view.queue.slice(0, count).reduce((sum, { size }) => sum + size, 0);
}

/** T(b), beyond the table in proportion. */
function timeOf(view: BatchView, size: number): number {
  const last = view.latencyMs.length - 1;
  const ms = view.latencyMs[Math.min(size, last)] ?? 0;
  return size <= last ? ms : (ms * size) / last;
}

describe('adaptive batching', () => {
  const cases: readonly (readonly [string, Partial<BatchView>, Partial<BatchPlan>])[] = [
    [
      'runs one after the other where the profile gains nothing by a batch',
      { latencyMs: doesNotPay, queue: queueOf(1_000, 1_000, 1_000), arrivalsPerMs: 1 },
      { do: 'run', count: 1 },
    ],
    [
      'runs all that is queued once the batch is as large as pays',
      { queue: queueOf(...Array.from({ length: 8 }, () => 1_000)), arrivalsPerMs: 1 },
      { do: 'run', count: 8 },
    ],
    [
      'runs no more than fit into the slack of the most urgent',
      { queue: queueOf(22.5, 1_000, 1_000), arrivalsPerMs: 1 },
      { do: 'run', count: 2 },
    ],
    [
      'batches as far as pays when the most urgent is late anyway',
      { queue: queueOf(5, 1_000, 1_000, 1_000, 1_000, 1_000, 1_000, 1_000) },
      { do: 'run', count: 8 },
    ],
    [
      'waits twice the expected gap when the next arrival is worth it',
      { queue: queueOf(1_000), arrivalsPerMs: 0.5 },
      { do: 'wait', untilMs: 4 },
    ],
    [
      'waits no longer than until the most urgent must start',
      { queue: queueOf(25), arrivalsPerMs: 0.5 },
      { do: 'wait', untilMs: 3 },
    ],
    [
      'does not wait when no arrival is expected before the most urgent must start',
      { queue: queueOf(25), arrivalsPerMs: 0.25 },
      { do: 'run', count: 1 },
    ],
    [
      'does not wait longer for company than sharing a batch would save',
      { queue: queueOf(30_000), arrivalsPerMs: 1 / 21 },
      { do: 'run', count: 1 },
    ],
    [
      'does not wait for ever for a query without any bound when nothing arrives',
      { queue: queueOf(Infinity), arrivalsPerMs: 0 },
      { do: 'run', count: 1 },
    ],
    [
      'runs a client’s own batch beyond the table alone',
      { queue: [{ dueMs: 1_000, size: 20 }, ...queueOf(1_000)] },
      { do: 'run', count: 1 },
    ],
  ];
  for (const [behaviour, view, plan] of cases) {
    it(behaviour, () => {
      expect(adaptiveBatch(viewOf(view))).to.include(plan);
    });
  }

  it('either runs at least one query or waits for a finite while', () => {
    fc.assert(
      fc.property(anyView, (view) => {
        const plan = adaptiveBatch(view);
        if (plan.do === 'run') expect(plan.count).to.be.within(1, view.queue.length);
        else expect(plan.untilMs).to.be.above(view.nowMs).and.below(Infinity);
      }),
    );
  });

  it('never joins queries beyond the table', () => {
    fc.assert(
      fc.property(anyView, (view) => {
        const count = countOf(adaptiveBatch(view));
        fc.pre(count > 1);
        expect(sizeOf(view, count)).to.be.below(view.latencyMs.length);
      }),
    );
  });

  it('never makes a query late that could have been in time', () => {
    fc.assert(
      fc.property(anyView, (view) => {
        const head = view.queue[0]!;
        const plan = adaptiveBatch(view);
        fc.pre(view.nowMs + timeOf(view, head.size) <= head.dueMs);
        const count = plan.do === 'run' ? plan.count : view.queue.length;
        const startMs = plan.do === 'run' ? view.nowMs : plan.untilMs;
        expect(startMs + timeOf(view, sizeOf(view, count))).to.be.at.most(head.dueMs + 1e-9);
      }),
    );
  });

  it('waits only where the profile gains at least 15 % by a batch', () => {
    const share = fc.integer({ min: 0, max: 40 }).map((percent) => percent / 100);
    fc.assert(
      fc.property(share, fc.integer({ min: 2, max: 16 }), (fixed, batchMax) => {
        const latencyMs = table(10 * fixed, 10 * (1 - fixed), batchMax);
        const plan = adaptiveBatch(viewOf({ latencyMs, arrivalsPerMs: 100 }));
        const bestGain = (batchMax * 10) / latencyMs[batchMax]!;
        expect(plan.do).to.equal(bestGain < 1.15 ? 'run' : 'wait');
      }),
    );
  });

  it('takes another batch when nothing but the profile changes', () => {
    const queue = queueOf(1_000, 1_000, 1_000, 1_000);
    const plans = [doesNotPay, table(3, 1, 8), table(20, 1, 3)].map((latencyMs) =>
      countOf(adaptiveBatch(viewOf({ queue, latencyMs }))),
    );
    expect(plans).to.deep.equal([1, 4, 3]);
  });
});

describe('what a profile says about batching', () => {
  it('is the smallest batch with 95 % of the best throughput', () => {
    expect(batchLimits(doesNotPay)).to.deep.equal({ bestGain: 1, efficient: 1 });
    expect(batchLimits(table(20, 1)).efficient).to.equal(8);
    expect(batchLimits(Float64Array.of(0, 10, 10, 10, 13.34)).efficient).to.equal(3);
  });
});
