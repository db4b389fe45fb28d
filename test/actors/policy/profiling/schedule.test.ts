/** Sampling: which batch is measured next, and when enough is known. */

import { expect } from 'chai';
import fc from 'fast-check';

import { planTurn, type Sampled } from '../../../../actors/policy/profiling/schedule.ts';
import { summariseTimings } from '../../../../actors/policy/profiling/spread.ts';

const rule = { samplesMin: 5, samplesMax: 100, spreadMax: 0.02, turnMs: 50, turnRunsMax: 40 };
const batches = [1, 2, 4, 8, 16, 32, 64];

/** Two turns that agree. */
function steady(batch: number, ms: number): Sampled {
  const turn = Array.from({ length: 20 }, () => ms);
  return { batch, turns: [turn, turn] };
}

describe('the sampling schedule', () => {
  it('begins with the first batch, whatever the time left', () => {
    const turn = planTurn(batches, [], 0, rule);
    expect(turn).to.deep.equal({ batch: 1, runs: 5, first: true });
  });

  it('goes through the batches in ascending order', () => {
    const turn = planTurn(batches, [steady(1, 1), steady(2, 2)], 1_000, rule);
    expect(turn).to.deep.equal({ batch: 4, runs: 5, first: true });
  });

  it('leaves a batch to the fit when its runs would not end in time', () => {
    const sampled = [steady(1, 100), steady(2, 200)];
    expect(planTurn(batches, sampled, 6 * 400 - 1, rule)).to.equal(undefined);
    expect(planTurn(batches, sampled, 6 * 400 + 1, rule)?.batch).to.equal(4);
  });

  it('goes back to the batch whose median is least sure', () => {
    const unsure = {
      batch: 2,
      turns: [
        [1, 1, 1, 1, 1],
        [2, 2, 2, 2, 2],
      ],
    };
    const less = {
      batch: 4,
      turns: [
        [2, 2, 2, 2, 2],
        [2.1, 2.1, 2.1, 2.1, 2.1],
      ],
    };
    const turn = planTurn([1, 2, 4], [steady(1, 1), unsure, less], 1_000, rule);
    expect(turn).to.include({ batch: 2, first: false });
    expect(turn?.runs).to.be.greaterThan(5);
  });

  it('has a median borne out by another turn, however narrow it is', () => {
    const once = { batch: 1, turns: [[1, 1, 1, 1, 1]] };
    expect(planTurn([1], [once], 1_000, rule)).to.include({ batch: 1, first: false });
  });

  it('ends when every median is sure, or has had all its runs', () => {
    expect(planTurn([1, 2], [steady(1, 1), steady(2, 2)], 1_000, rule)).to.equal(undefined);
    const turn = Array.from({ length: 50 }, (_, at) => 1 + (at % 2));
    const restless = { batch: 1, turns: [turn, turn] };
    expect(planTurn([1], [restless], 1_000, rule)).to.equal(undefined);
  });

  it('stays within the time by its own reckoning, and ends', () => {
    const timing = fc.double({ min: 0.01, max: 300, noNaN: true });
    fc.assert(
      fc.property(timing, fc.double({ min: 0, max: 2, noNaN: true }), (msPerQuery, noise) => {
        const timings = new Map<number, number[][]>();
        let leftMs = 2_000;
        for (let turns = 0; ; turns += 1) {
          expect(turns).to.be.lessThan(2_000);
          const sampled = [...timings].map(([batch, taken]) => ({ batch, turns: taken }));
          const turn = planTurn(batches, sampled, leftMs, rule);
          if (turn === undefined) break;
          const before = timings.get(turn.batch) ?? [];
          const taken = Array.from(
            { length: turn.runs },
            (_, run) => msPerQuery * turn.batch * (1 + noise * (((before.length + run) * 7) % 5)),
          );
          timings.set(turn.batch, [...before, taken]);
          expect(timings.get(turn.batch)!.flat().length).to.be.at.most(rule.samplesMax);
          leftMs -= taken.reduce((sum, ms) => sum + ms, 0);
        }
        expect(timings.get(1)!.flat().length).to.be.at.least(rule.samplesMin);
      }),
    );
  });
});

describe('the spread of timings', () => {
  it('is the half width of the interval of the median, as a share of it', () => {
    const hundred = Array.from({ length: 100 }, (_, at) => at + 1);
    // Order statistics 40 and 61 of 100 (binomial tables).
    expect(summariseTimings([hundred])).to.deep.equal({
      p50Ms: 50,
      p95Ms: 95,
      p99Ms: 99,
      samples: 100,
      spread: (61 - 40) / 2 / 50,
      confirmed: false,
    });
  });

  it('is the distance to the next quietest turn where that is larger', () => {
    const turns = [
      [30, 30, 30],
      [11, 11, 11],
      [10, 10, 10],
    ];
    const { p50Ms, p99Ms, spread, confirmed } = summariseTimings(turns);
    expect({ p50Ms, p99Ms, confirmed }).to.deep.equal({ p50Ms: 10, p99Ms: 30, confirmed: true });
    expect(spread).to.be.closeTo(0.1, 1e-9);
  });

  it('is nothing to rely on with one timing, and refuses none', () => {
    expect(summariseTimings([[3]]).spread).to.equal(1);
    expect(() => summariseTimings([[]])).to.throw(RangeError);
  });

  it('orders its percentiles', () => {
    const turn = fc.array(fc.double({ min: 0.001, max: 1e6, noNaN: true }), { minLength: 1 });
    fc.assert(
      fc.property(fc.array(turn, { minLength: 1 }), (turns) => {
        const { p50Ms, p95Ms, p99Ms, spread } = summariseTimings(turns);
        expect(p50Ms).to.be.at.most(p95Ms);
        expect(p95Ms).to.be.at.most(p99Ms);
        expect(spread).to.be.within(0, 1);
      }),
    );
  });
});
