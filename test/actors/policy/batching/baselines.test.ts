/** Batching as Clipper's and Proteus' code has it, case by case (`reference/policies.md` §1). */

import { expect } from 'chai';
import fc from 'fast-check';

import {
  batchPolicies,
  type BatchPlan,
  type BatchView,
  type QueuedQuery,
} from '../../../../actors/policy/batching/index.ts';

const { clipper, proteus } = batchPolicies;

/** T(b) = 20 + b, up to 8. */
const latencyMs = Float64Array.from({ length: 9 }, (_, batch) => (batch === 0 ? 0 : 20 + batch));

function queueOf(...dueMs: readonly number[]): QueuedQuery[] {
  return dueMs.map((due) => ({ dueMs: due, size: 1 }));
}

function viewOf(parts: Partial<BatchView>): BatchView {
  return { nowMs: 0, queue: queueOf(1_000), latencyMs, arrivalsPerMs: 1, ...parts };
}

type Case = readonly [behaviour: string, Partial<BatchView>, Partial<BatchPlan>];

const eight = queueOf(...Array.from({ length: 8 }, () => 1_000));

describe('Clipper’s batching', () => {
  const cases: readonly Case[] = [
    ['never waits, whatever the slack', {}, { do: 'run', count: 1 }],
    ['runs all that is queued within the objective', { queue: eight }, { do: 'run', count: 8 }],
    [
      'runs the largest batch whose latency is within what the first has left',
      { queue: queueOf(24, 1_000, 1_000, 1_000, 1_000) },
      { do: 'run', count: 4 },
    ],
    [
      'counts what is left from now',
      { nowMs: 100, queue: queueOf(123, 1_000, 1_000, 1_000) },
      { do: 'run', count: 3 },
    ],
    [
      'runs one where not even one is within it',
      { queue: queueOf(5, 5, 5) },
      { do: 'run', count: 1 },
    ],
    [
      'counts the rows of a client’s own batch',
      { queue: [1, 4, 4].map((size) => ({ dueMs: 1_000, size })) },
      { do: 'run', count: 2 },
    ],
    [
      'runs a client’s own batch beyond the table alone',
      { queue: [9, 1].map((size) => ({ dueMs: 1_000, size })) },
      { do: 'run', count: 1 },
    ],
  ];
  for (const [behaviour, parts, expected] of cases) {
    it(behaviour, () => {
      expect(clipper(viewOf(parts))).to.include(expected);
    });
  }
});

describe('Proteus’ batching', () => {
  const cases: readonly Case[] = [
    [
      'waits until the first must start, though the engine is free: with company it would take 22',
      { queue: queueOf(100) },
      { do: 'wait', untilMs: 78 },
    ],
    [
      'waits less the more are queued',
      { queue: queueOf(100, 100, 100) },
      { do: 'wait', untilMs: 76 },
    ],
    [
      'runs what was queued when one more would have been too many',
      { nowMs: 76, queue: queueOf(100, 100, 100) },
      { do: 'run', count: 3 },
    ],
    [
      'leaves out the arrival that made it too much',
      { nowMs: 77, queue: queueOf(100, 100, 100, 100) },
      { do: 'run', count: 3 },
    ],
    ['runs a full batch at once', { queue: eight }, { do: 'run', count: 8 }],
    [
      'runs a full batch at once where more than that are queued',
      { queue: [...eight, ...queueOf(1_000)] },
      { do: 'run', count: 8 },
    ],
    ['runs at once what is late', { nowMs: 200, queue: queueOf(100) }, { do: 'run', count: 1 }],
    ['does not wait for ever', { queue: queueOf(Infinity) }, { do: 'run', count: 1 }],
  ];
  for (const [behaviour, parts, expected] of cases) {
    it(behaviour, () => {
      expect(proteus(viewOf(parts))).to.include(expected);
    });
  }
});

describe('batching of either', () => {
  const anyView: fc.Arbitrary<BatchView> = fc
    .record({
      nowMs: fc.integer({ min: 0, max: 200 }),
      queue: fc.array(
        fc.record({
          dueMs: fc.oneof(fc.integer({ min: 0, max: 400 }), fc.constant(Infinity)),
          size: fc.integer({ min: 1, max: 3 }),
        }),
        { minLength: 1, maxLength: 20 },
      ),
    })
    .map(({ nowMs, queue }) =>
      viewOf({ nowMs, queue: [...queue].sort((a, b) => a.dueMs - b.dueMs) }),
    );

  for (const name of ['clipper', 'proteus'] as const) {
    it(`${name} runs what is first, within the table, or waits for a time to come`, () => {
      fc.assert(
        fc.property(anyView, (view) => {
          const plan = batchPolicies[name](view);
          if (plan.do === 'wait') {
            expect(plan.untilMs).to.be.greaterThan(view.nowMs);
            expect(plan.untilMs).to.be.at.most(view.queue[0]!.dueMs);
            return;
          }
          expect(plan.count).to.be.within(1, view.queue.length);
          const size = view.queue.slice(0, plan.count).reduce((sum, query) => sum + query.size, 0);
          if (plan.count > 1) expect(size).to.be.at.most(8);
        }),
      );
    });
  }

  it('clipper makes the first late by no company it could leave out', () => {
    fc.assert(
      fc.property(anyView, (view) => {
        const plan = clipper(view);
        if (plan.do === 'wait') return;
        const size = view.queue.slice(0, plan.count).reduce((sum, query) => sum + query.size, 0);
        const { dueMs, size: own } = view.queue[0]!;
        const alone = view.nowMs + latencyMs[own]! <= dueMs;
        if (alone && size > own) expect(view.nowMs + latencyMs[size]!).to.be.at.most(dueMs);
      }),
    );
  });
});
