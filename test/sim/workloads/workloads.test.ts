/** Workloads of the simulator: rates over time, arrivals at a rate, popularity. */

import { expect } from 'chai';
import fc from 'fast-check';

import { seededRandom } from '../../../runtime/random.ts';
import { type Arrivals, arrivalTimes } from '../../../sim/workloads/arrivals.ts';
import { rateOf, type Shape } from '../../../sim/workloads/shape.ts';
import { twitterLikeRate } from '../../../sim/workloads/twitter-like.ts';
import { createZipf } from '../../../sim/workloads/zipf.ts';

const minuteMs = 60_000;

describe('the shape of a rate', () => {
  const cases: readonly (readonly [Shape, readonly (readonly [number, number])[]])[] = [
    [
      { kind: 'constant', qps: 7 },
      [
        [0, 7],
        [50_000, 7],
      ],
    ],
    [
      { kind: 'ramp', fromQps: 10, toQps: 40 },
      [
        [0, 10],
        [30_000, 25],
        [60_000, 40],
      ],
    ],
    [
      { kind: 'step', fromQps: 1, toQps: 9, atS: 10 },
      [
        [9_999, 1],
        [10_000, 9],
      ],
    ],
    [
      { kind: 'on-off', onQps: 5, offQps: 0, onS: 2, offS: 3 },
      [
        [0, 5],
        [2_000, 0],
        [4_999, 0],
        [5_000, 5],
      ],
    ],
    [
      { kind: 'diurnal', minQps: 2, maxQps: 8, periodS: 60 },
      [
        [0, 2],
        [30_000, 8],
        [60_000, 2],
      ],
    ],
    [
      { kind: 'trace', rates: [1, 2, 3], stepS: 2, scale: 10 },
      [
        [0, 10],
        [2_000, 20],
        [5_999, 30],
        [6_000, 10],
      ],
    ],
  ];
  for (const [shape, points] of cases) {
    it(`${shape.kind} goes as it is told`, () => {
      const rateAt = rateOf(shape, minuteMs, 1);
      for (const [timeMs, qps] of points) expect(rateAt(timeMs)).to.be.closeTo(qps, 1e-9);
    });
  }
});

describe('arrivals', () => {
  const kinds: readonly Arrivals[] = [
    { kind: 'constant' },
    { kind: 'poisson' },
    { kind: 'gamma', variation: 2 },
  ];

  it('ascend, end in time, and are as many as the rate says', () => {
    fc.assert(
      fc.property(
        fc.constantFrom(...kinds),
        fc.integer({ min: 20, max: 200 }),
        fc.integer(),
        (arrivals, qps, seed) => {
          const times = [...arrivalTimes(() => qps, arrivals, minuteMs, seededRandom(seed))];
          expect(times.every((time, at) => time >= (times[at - 1] ?? 0))).to.equal(true);
          expect(times.at(-1)).to.be.below(minuteMs);
          // Six standard deviations of a renewal count.
          const variation = arrivals.kind === 'gamma' ? arrivals.variation : 1;
          const expected = qps * 60;
          expect(times.length).to.be.closeTo(expected, 6 * variation * Math.sqrt(expected) + 1);
        },
      ),
      { numRuns: 40 },
    );
  });

  it('have the variation asked for', () => {
    for (const variation of [0.5, 1, 2]) {
      const arrivals = { kind: 'gamma', variation } as const;
      const times = [...arrivalTimes(() => 100, arrivals, 10 * minuteMs, seededRandom(3))];
      const gaps = times.slice(1).map((time, at) => time - (times[at] ?? 0));
      const mean = gaps.reduce((sum, gap) => sum + gap, 0) / gaps.length;
      const variance = gaps.reduce((sum, gap) => sum + (gap - mean) ** 2, 0) / gaps.length;
      expect(Math.sqrt(variance) / mean).to.be.closeTo(variation, 0.06 * variation);
    }
  });

  it('stop while the rate is 0, and go on after', () => {
    const rateAt = (timeMs: number): number => (timeMs >= 1_000 && timeMs < 2_000 ? 0 : 100);
    const times = [...arrivalTimes(rateAt, { kind: 'constant' }, 3_000, seededRandom(1))];
    expect(times.filter((time) => time >= 1_000 && time < 2_000)).to.deep.equal([]);
    expect(times).to.have.length(200);
  });
});

describe("Zipf's law", () => {
  it('makes the first twice as popular as the second, with exponent 1', () => {
    const draw = createZipf(10, 1, seededRandom(5));
    const counts = new Array<number>(10).fill(0);
    for (let at = 0; at < 100_000; at += 1) counts[draw()]! += 1;
    expect(counts[0]! / counts[1]!).to.be.closeTo(2, 0.1);
    expect(counts[0]! / counts[9]!).to.be.closeTo(10, 1);
  });
});

describe('the Twitter-like load', () => {
  it('has the statistics of the trace it is fitted to', () => {
    const rates: number[] = [];
    for (let seed = 1; seed <= 20; seed += 1) {
      const rate = twitterLikeRate(seededRandom(seed));
      const noise = seededRandom(1_000 + seed);
      // A second's count is the rate and a little more than Poisson's noise.
      for (let second = 0; second < 3 * 86_400; second += 10) {
        const mean = 65.1 * rate(second);
        const normal = Math.sqrt(-2 * Math.log(1 - noise())) * Math.cos(2 * Math.PI * noise());
        rates.push((mean + Math.sqrt(1.1 * mean) * normal) / 65.1);
      }
    }
    rates.sort((a, b) => a - b);
    const at = (share: number): number => rates[Math.floor(share * rates.length)] ?? 0;
    const mean = rates.reduce((sum, rate) => sum + rate, 0) / rates.length;
    const variance = rates.reduce((sum, rate) => sum + (rate - mean) ** 2, 0) / rates.length;
    const found = [mean, at(0.5), at(0.95), at(0.99), at(0.999), Math.sqrt(variance)];
    const measured = [1, 0.83, 2.5, 3.78, 4.32, 0.616];
    found.forEach((value, index) => {
      expect(value, String(found)).to.be.closeTo(measured[index]!, 0.1 * measured[index]!);
    });
  });
});
