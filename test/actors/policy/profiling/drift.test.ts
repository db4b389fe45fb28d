/** Drift: when observed latencies make a profile stale, and when they do not. */

import { expect } from 'chai';

import {
  defaultDriftRule,
  type DriftState,
  noDrift,
  observeDrift,
} from '../../../../actors/policy/profiling/drift.ts';

const rule = { ...defaultDriftRule, forMs: 10_000, weight: 1 };

/** One observation a second, each of enough batches. */
function after(ratios: readonly number[], from: DriftState = noDrift): DriftState {
  return ratios.reduce(
    (state, ratio, second) =>
      observeDrift(state, { nowMs: second * 1_000, batches: 50, ratio }, rule),
    from,
  );
}

const seconds = (count: number, ratio: number): number[] =>
  Array.from({ length: count }, () => ratio);

describe('drift of a profile', () => {
  const cases: readonly (readonly [string, readonly number[], boolean])[] = [
    ['is none while observations agree', seconds(100, 1.05), false],
    ['is none within the bound', seconds(100, 1.49), false],
    ['makes it stale when slower for long enough', seconds(11, 1.6), true],
    ['is none a second earlier', seconds(10, 1.6), false],
    ['makes it stale when faster, too', seconds(11, 0.6), true],
    [
      'starts anew when the ratio was right in between',
      [...seconds(9, 1.6), 1, ...seconds(9, 1.6)],
      false,
    ],
    ['goes on while the ratio is between the bounds', [1.6, ...seconds(10, 1.3)], true],
    ['ends when the cause has gone', [...seconds(20, 1.6), 1.2], false],
  ];
  for (const [behaviour, ratios, stale] of cases) {
    it(behaviour, () => {
      expect(after(ratios).stale).to.equal(stale);
    });
  }

  it('says nothing of windows with few batches, or none', () => {
    const few = { nowMs: 99_000, batches: rule.batchesMin - 1, ratio: 9 };
    expect(observeDrift(noDrift, few, rule)).to.equal(noDrift);
    const none = { nowMs: 99_000, batches: 50, ratio: NaN };
    expect(observeDrift(noDrift, none, rule)).to.equal(noDrift);
  });

  it('is not carried by one burst', () => {
    const smooth = { ...rule, weight: 0.2 };
    let state = observeDrift(noDrift, { nowMs: 0, batches: 50, ratio: 1 }, smooth);
    state = observeDrift(state, { nowMs: 1_000, batches: 50, ratio: 5 }, smooth);
    expect(state.offSinceMs).to.equal(undefined);
    expect(state.ratio).to.be.closeTo(5 ** 0.2, 1e-9);
  });
});
