/** Percentiles: exact where all is kept, close where a sample is. */

import { expect } from 'chai';
import fc from 'fast-check';

import { LatencySamples, percentile } from '../../../../nodes/cli/load/percentiles.ts';
import { seededRandom } from '../../../../runtime/random.ts';

describe('percentile', () => {
  it('is the nearest rank', () => {
    const sorted = Float64Array.from({ length: 100 }, (_, at) => at + 1);
    expect([50, 90, 95, 99, 100].map((percent) => percentile(sorted, percent))).to.deep.equal([
      50, 90, 95, 99, 100,
    ]);
    expect(percentile([7], 99)).to.equal(7);
    expect(percentile([], 50)).to.equal(0);
  });

  it('has at least its share of all at or below it', () => {
    const values = fc.array(fc.double({ min: 0, max: 1e6, noNaN: true }), { minLength: 1 });
    fc.assert(
      fc.property(values, fc.integer({ min: 1, max: 100 }), (given, percent) => {
        const sorted = Float64Array.from(given).sort();
        const value = percentile(sorted, percent);
        const below = sorted.filter((other) => other <= value).length;
        return below >= (percent / 100) * sorted.length;
      }),
    );
  });
});

describe('LatencySamples', () => {
  it('summarises exactly up to its bound', () => {
    const samples = new LatencySamples(seededRandom(1));
    for (let ms = 5_000; ms >= 1; ms -= 1) samples.add(ms);
    expect(samples.summary()).to.deep.equal({
      ...{ count: 5_000, mean: 2_500.5, p50: 2_500, p90: 4_500, p95: 4_750, p99: 4_950 },
      max: 5_000,
    });
  });

  it('keeps count, mean and maximum exact beyond it, and percentiles close', () => {
    const samples = new LatencySamples(seededRandom(1), 2_000);
    for (let ms = 1; ms <= 100_000; ms += 1) samples.add(ms);
    const summary = samples.summary();
    expect(summary).to.include({ count: 100_000, mean: 50_000.5, max: 100_000 });
    expect(summary.p50).to.be.within(45_000, 55_000);
    expect(summary.p99).to.be.within(98_000, 100_000);
  });

  it('is all zero without samples', () => {
    expect(new LatencySamples(seededRandom(1)).summary()).to.include({ count: 0, mean: 0, p99: 0 });
  });
});
