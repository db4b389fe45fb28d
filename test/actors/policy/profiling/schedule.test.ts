/** Sampling: which batch is measured next, and when enough is known. */

import { expect } from 'chai';
import fc from 'fast-check';

import { planTurn, type Sampled } from '../../../../actors/policy/profiling/schedule.ts';
import { summariseTimings } from '../../../../actors/policy/profiling/spread.ts';

const rule = { samplesMin: 5, samplesMax: 100, spreadMax: 0.02, turnMs: 50 };
const batches = [1, 2, 4, 8, 16, 32, 64];

function steady(batch: number, ms: number, runs = 20): Sampled {
  return { batch, timingsMs: Array.from({ length: runs }, () => ms) };
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
    const unsure = { batch: 2, timingsMs: [1, 2, 1, 2, 1, 2] };
    const less = { batch: 4, timingsMs: [2, 2.1, 2, 2.1, 2, 2.1] };
    const turn = planTurn([1, 2, 4], [steady(1, 1), unsure, less], 1_000, rule);
    expect(turn).to.include({ batch: 2, first: false });
    expect(turn?.runs).to.be.greaterThan(5);
  });

  it('ends when every median is sure, or has had all its runs', () => {
    expect(planTurn([1, 2], [steady(1, 1), steady(2, 2)], 1_000, rule)).to.equal(undefined);
    const restless = { batch: 1, timingsMs: Array.from({ length: 100 }, (_, at) => 1 + (at % 2)) };
    expect(planTurn([1], [restless], 1_000, rule)).to.equal(undefined);
  });

  it('stays within the time by its own reckoning, and ends', () => {
    const timing = fc.double({ min: 0.01, max: 300, noNaN: true });
    fc.assert(
      fc.property(timing, fc.double({ min: 0, max: 2, noNaN: true }), (msPerQuery, noise) => {
        const timings = new Map<number, number[]>();
        let leftMs = 2_000;
        for (let turns = 0; ; turns += 1) {
          expect(turns).to.be.lessThan(2_000);
          const sampled = [...timings].map(([batch, timingsMs]) => ({ batch, timingsMs }));
          const turn = planTurn(batches, sampled, leftMs, rule);
          if (turn === undefined) break;
          const known = timings.get(turn.batch) ?? [];
          for (let run = 0; run < turn.runs; run += 1) {
            known.push(msPerQuery * turn.batch * (1 + noise * ((known.length * 7) % 5)));
          }
          expect(known.length).to.be.at.most(rule.samplesMax);
          timings.set(turn.batch, known);
          leftMs -= known.slice(-turn.runs).reduce((sum, ms) => sum + ms, 0);
        }
        expect(timings.get(1)!.length).to.be.at.least(rule.samplesMin);
      }),
    );
  });
});

describe('the spread of timings', () => {
  it('is the half width of the interval of the median, as a share of it', () => {
    const hundred = Array.from({ length: 100 }, (_, at) => at + 1);
    const { p50Ms, p95Ms, p99Ms, spread, samples } = summariseTimings(hundred);
    expect({ p50Ms, p95Ms, p99Ms, samples }).to.deep.equal({
      p50Ms: 50,
      p95Ms: 95,
      p99Ms: 99,
      samples: 100,
    });
    // Order statistics 40 and 61 of 100 (binomial tables).
    expect(spread).to.be.closeTo((61 - 40) / 2 / 50, 1e-9);
  });

  it('is nothing to rely on with one timing, and narrows with more', () => {
    expect(summariseTimings([3]).spread).to.equal(Infinity);
    const noisy = (count: number): number[] =>
      Array.from({ length: count }, (_, at) => 10 + ((at * 37) % 11));
    expect(summariseTimings(noisy(400)).spread).to.be.lessThan(summariseTimings(noisy(8)).spread);
  });

  it('orders its percentiles', () => {
    const timings = fc.array(fc.double({ min: 0.001, max: 1e6, noNaN: true }), { minLength: 1 });
    fc.assert(
      fc.property(timings, (timingsMs) => {
        const { p50Ms, p95Ms, p99Ms, spread } = summariseTimings(timingsMs);
        expect(p50Ms).to.be.at.most(p95Ms);
        expect(p95Ms).to.be.at.most(p99Ms);
        expect(spread).to.be.at.least(0);
      }),
    );
  });
});
