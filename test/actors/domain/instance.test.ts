/** The states of an instance: one window of observation at a time, as a table. */

import { expect } from 'chai';
import fc from 'fast-check';

import {
  type InstanceCondition,
  type InstanceObservation,
  type InstanceState,
  newlyIn,
  observeInstance,
} from '../../../actors/domain/instance.ts';

/** Saturates at 100 a second; nothing unusual. */
const calm: InstanceObservation = {
  ...{ rateQps: 50, saturationQps: 100, slowdown: 1, batches: 50, backlogMs: 20 },
};
const owing = { ...calm, backlogMs: 1_000 };
const busy = { ...calm, rateQps: 100 };
const slow = { ...calm, slowdown: 1.6 };
const idle = { ...calm, rateQps: 0, batches: 0 };

/** The states after each of the windows. */
function states(from: InstanceState, windows: readonly InstanceObservation[]): InstanceState[] {
  let condition: InstanceCondition = newlyIn(from);
  return windows.map((seen) => (condition = observeInstance(condition, seen)).state);
}

function times(count: number, seen: InstanceObservation): InstanceObservation[] {
  return Array.from({ length: count }, () => seen);
}

describe('the state of an instance', () => {
  const [A, O, I] = ['active', 'overloaded', 'interfered'] as const;
  const cases: readonly (readonly [
    string,
    InstanceState,
    InstanceObservation[],
    InstanceState[],
  ])[] = [
    ['stays active while nothing is unusual', A, times(2, calm), [A, A]],
    ['is overloaded at the rate it was profiled to saturate at', A, [busy], [O]],
    ['stays overloaded until the rate is clearly below', O, [{ ...calm, rateQps: 95 }], [O]],
    ['is active again when the rate is clearly below', O, [{ ...calm, rateQps: 89 }], [A]],
    ['is overloaded when it owes a second of work, at any rate', A, [owing], [O]],
    ['stays overloaded while it owes half of that', O, [{ ...calm, backlogMs: 500 }], [O]],
    ['is interfered after three slow windows running', A, times(3, slow), [A, A, I]],
    ['forgets slow windows when one is not', A, [slow, slow, calm, slow, slow], [A, A, A, A, A]],
    [
      'is not judged slow by few batches, however many windows they take',
      A,
      times(5, { ...slow, batches: 4 }),
      [A, A, A, A, I],
    ],
    [
      'keeps what it knows over a window without batches',
      A,
      [slow, slow, idle, slow],
      [A, A, A, I],
    ],
    [
      'is interfered, not overloaded, when it owes a second of work because it is slow',
      A,
      times(2, { ...owing, slowdown: 9, batches: 5 }),
      [A, I],
    ],
    [
      'is overloaded after all when it is slow no more',
      A,
      [{ ...owing, slowdown: 9 }, owing],
      [A, O],
    ],
    [
      'is suspected when it was overloaded and turns out to be slowed down',
      O,
      times(2, { ...owing, slowdown: 9, batches: 5 }),
      [A, I],
    ],
    [
      'stays overloaded when slow near saturation',
      O,
      [{ ...owing, rateQps: 95, slowdown: 9 }],
      [O],
    ],
    ['is overloaded, not interfered, when slow at saturation', A, [{ ...busy, slowdown: 9 }], [O]],
    [
      'stays interfered between the two thresholds',
      I,
      times(6, { ...slow, slowdown: 1.3 }),
      [...[I, I, I], ...[I, I, I]],
    ],
    ['is active again after five good windows running', I, times(5, calm), [I, I, I, I, A]],
    [
      'starts over when a slow window comes between',
      I,
      [calm, calm, calm, calm, slow, calm],
      [...[I, I, I], ...[I, I, I]],
    ],
    [
      'is tried again when nobody sent it anything, however slow it was last',
      I,
      times(5, { ...idle, slowdown: 9 }),
      [I, I, I, I, A],
    ],
    [
      'is not slow by microseconds',
      A,
      times(4, { ...calm, saturationQps: 40_000, slowdown: 2.9 }),
      [A, A, A, A],
    ],
    [
      'is not slow by less than a caller feels, when hardly used',
      A,
      times(4, { ...calm, saturationQps: 10_000, rateQps: 2, slowdown: 19 }),
      [A, A, A, A],
    ],
    [
      'is slow by what its core misses, when much used',
      A,
      times(3, { ...calm, saturationQps: 10_000, rateQps: 2_000, slowdown: 1.9 }),
      [A, A, I],
    ],
    ['does not change without a profiled saturation', A, [{ ...busy, saturationQps: 0 }], [A]],
  ];
  for (const [behaviour, from, windows, expected] of cases) {
    it(behaviour, () => {
      expect(states(from, windows)).to.deep.equal(expected);
    });
  }

  it('is not touched by what is observed before it serves and after', () => {
    const unjudged = fc.constantFrom<InstanceState>(
      'loading',
      'migrating',
      'draining',
      'unloaded',
      'failed',
    );
    const observation = fc.record({
      rateQps: fc.integer({ min: 0, max: 500 }),
      saturationQps: fc.integer({ min: 0, max: 200 }),
      slowdown: fc.double({ min: 0, max: 10, noNaN: true }),
      batches: fc.integer({ min: 0, max: 100 }),
      backlogMs: fc.integer({ min: 0, max: 5_000 }),
    });
    fc.assert(
      fc.property(unjudged, observation, (state, seen) => {
        expect(states(state, times(6, seen))).to.deep.equal(times(6, seen).map(() => state));
      }),
    );
  });
});
