/** Profiles: the predicted time of any batch from a few measured ones. */

import { expect } from 'chai';
import fc from 'fast-check';

import {
  latencyTable,
  type LatencyPoint,
  predictBatchMs,
  type Profile,
  saturationQps,
} from '../../../actors/domain/profile.ts';

function profileOf(latency: readonly LatencyPoint[]): Profile {
  return { loadMs: 1, memoryBytes: 1, latency, measuredOn: 'nowhere' };
}

/** Larger batches take longer, each by as much as it likes. */
const monotonePoints = fc
  .array(
    fc.record({
      batches: fc.integer({ min: 1, max: 8 }),
      ms: fc.integer({ min: 1, max: 10_000 }).map((hundredths) => hundredths / 100),
    }),
    { minLength: 1, maxLength: 6 },
  )
  .map((steps) => {
    let batch = 0;
    let ms = 0;
    return steps.map((step) => ({ batch: (batch += step.batches), ms: (ms += step.ms) }));
  });

describe('the time that a profile predicts', () => {
  const measured = profileOf([
    { batch: 2, ms: 10 },
    { batch: 4, ms: 14 },
    { batch: 8, ms: 30 },
  ]);
  const cases: readonly (readonly [string, Profile, number, number])[] = [
    ['is what was measured, where it was', measured, 4, 14],
    ['is in proportion below the first', measured, 1, 5],
    ['is on the line between two', measured, 6, 22],
    ['goes on with the last slope beyond the last', measured, 10, 38],
    ['scales with the batch when there is one point', profileOf([{ batch: 1, ms: 3 }]), 4, 12],
  ];
  for (const [behaviour, profile, batch, ms] of cases) {
    it(behaviour, () => {
      expect(predictBatchMs(profile, batch)).to.be.closeTo(ms, 1e-9);
    });
  }

  it('goes through every measured point', () => {
    fc.assert(
      fc.property(monotonePoints, (points) => {
        for (const { batch, ms } of points) {
          expect(predictBatchMs(profileOf(points), batch)).to.be.closeTo(ms, 1e-6);
        }
      }),
    );
  });

  it('never falls with the batch when what was measured does not', () => {
    fc.assert(
      fc.property(monotonePoints, (points) => {
        const table = latencyTable(profileOf(points), 64);
        for (let batch = 1; batch < table.length; batch += 1) {
          expect(table[batch]).to.be.at.least(table[batch - 1]! - 1e-9);
        }
      }),
    );
  });

  it('stays positive beyond the last point, even where larger batches were faster', () => {
    const noisy = profileOf([
      { batch: 1, ms: 10 },
      { batch: 4, ms: 1 },
    ]);
    expect(predictBatchMs(noisy, 64)).to.equal(1);
  });

  it('is the word of the fit where the profile has one', () => {
    const fitted: Profile = { ...measured, fit: { kind: 'line', interceptMs: 2, slopeMs: 3 } };
    expect(predictBatchMs(fitted, 4)).to.equal(14);
    expect([...latencyTable(fitted, 3)]).to.deep.equal([0, 5, 8, 11]);
    expect(saturationQps(fitted, 4)).to.be.closeTo(4000 / 14, 1e-9);
  });
});

describe('saturation throughput', () => {
  it('is that of the batch that serves most queries a second', () => {
    const best = profileOf([
      { batch: 1, ms: 10 },
      { batch: 4, ms: 20 },
      { batch: 8, ms: 80 },
    ]);
    expect(saturationQps(best, 8)).to.be.closeTo(200, 1e-9);
    expect(saturationQps(best, 1)).to.be.closeTo(100, 1e-9);
  });
});
