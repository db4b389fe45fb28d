/** When an open loop sends, and the rates it follows. */

import { expect } from 'chai';

import {
  type ArrivalKind,
  arrivalTimes,
  type RateSegment,
} from '../../../../nodes/cli/load/arrivals.ts';
import { parseTrace } from '../../../../nodes/cli/load/rates.ts';
import { seededRandom } from '../../../../runtime/random.ts';

function times(segments: readonly RateSegment[], kind: ArrivalKind, seed = 1): number[] {
  return [...arrivalTimes(segments, kind, seededRandom(seed))];
}

function between(all: readonly number[], fromMs: number, toMs: number): number {
  return all.filter((ms) => ms >= fromMs && ms < toMs).length;
}

describe('arrivalTimes', () => {
  it('spaces constant arrivals evenly from the start', () => {
    expect(times([{ rateQps: 4, forMs: 1000 }], 'constant')).to.deep.equal([0, 250, 500, 750]);
  });

  it('sends as many constant arrivals as the rate says, over many segments', () => {
    const segments = Array.from({ length: 60 }, () => ({ rateQps: 7, forMs: 1000 }));
    expect(times(segments, 'constant')).to.have.length(420);
  });

  it('sends what is due at a rate below one a second', () => {
    const segments = Array.from({ length: 10 }, () => ({ rateQps: 0.5, forMs: 1000 }));
    expect(times(segments, 'constant').map(Math.round)).to.deep.equal([0, 2000, 4000, 6000, 8000]);
  });

  it('sends nothing while the rate is 0, and goes on afterwards', () => {
    const segments = [
      { rateQps: 10, forMs: 1000 },
      { rateQps: 0, forMs: 5000 },
      { rateQps: 10, forMs: 1000 },
    ];
    const all = times(segments, 'constant');
    expect(between(all, 1000, 6000)).to.equal(0);
    expect(between(all, 6000, 7000)).to.equal(10);
  });

  it('follows the rate with Poisson arrivals, with gaps as varied as their mean', () => {
    const all = times([{ rateQps: 1000, forMs: 20_000 }], 'poisson');
    expect(all.length).to.be.within(19_000, 21_000);
    const gaps = all.slice(1).map((ms, at) => ms - (all[at] ?? 0));
    const mean = gaps.reduce((sum, gap) => sum + gap, 0) / gaps.length;
    const variance = gaps.reduce((sum, gap) => sum + (gap - mean) ** 2, 0) / gaps.length;
    expect(Math.sqrt(variance) / mean).to.be.within(0.95, 1.05);
  });

  it('changes with the rate in the middle of a gap', () => {
    const segments = [
      { rateQps: 100, forMs: 10_000 },
      { rateQps: 400, forMs: 10_000 },
    ];
    const all = times(segments, 'poisson', 3);
    expect(between(all, 0, 10_000)).to.be.within(900, 1100);
    expect(between(all, 10_000, 20_000)).to.be.within(3800, 4200);
  });

  it('is ascending, within its time, and the same for the same seed', () => {
    const segments = [{ rateQps: 50, forMs: 3000 }];
    const all = times(segments, 'poisson', 5);
    expect(all).to.deep.equal([...all].sort((a, b) => a - b));
    expect(all.at(-1)).to.be.lessThan(3000);
    expect(times(segments, 'poisson', 5)).to.deep.equal(all);
    expect(times(segments, 'poisson', 6)).to.not.deep.equal(all);
  });
});

describe('parseTrace', () => {
  const options = { stepMs: 1000, scale: 1, durationMs: Infinity };

  it('reads one rate a line, without comments and empty lines', () => {
    expect(parseTrace('# rates\n5\n\n0\n 2.5 # peak\n', 'a.txt', options)).to.deep.equal([
      { rateQps: 5, forMs: 1000 },
      { rateQps: 0, forMs: 1000 },
      { rateQps: 2.5, forMs: 1000 },
    ]);
  });

  it('scales, stretches and cuts', () => {
    const cut = { stepMs: 2000, scale: 10, durationMs: 3000 };
    expect(parseTrace('1\n2\n3\n', 'a.txt', cut)).to.deep.equal([
      { rateQps: 10, forMs: 2000 },
      { rateQps: 20, forMs: 1000 },
    ]);
  });

  for (const [text, message] of [
    ['1\nmany\n', /a\.txt, line 2: "many" is not a rate/],
    ['-1\n', /line 1/],
    ['# nothing\n', /no rate/],
  ] as const) {
    it(`refuses ${JSON.stringify(text)}`, () => {
      expect(() => parseTrace(text, 'a.txt', options)).to.throw(message);
    });
  }
});
