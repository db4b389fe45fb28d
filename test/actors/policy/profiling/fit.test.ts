/** The fit: a line where one is right, a monotone piecewise line elsewhere. */

import { expect } from 'chai';
import fc from 'fast-check';

import { type LatencyPoint, predictFit } from '../../../../actors/domain/profile.ts';
import { fitLatency, fitLine, fitPiecewise } from '../../../../actors/policy/profiling/fit.ts';

const batches = [1, 2, 4, 8, 16, 32, 64];

function pointsOf(msOf: (batch: number) => number): LatencyPoint[] {
  return batches.map((batch) => ({ batch, ms: msOf(batch), spread: 0.01 }));
}

const milliseconds = fc.double({ min: 1e-3, max: 1e4, noNaN: true });
const anyPoints = fc
  .array(
    fc.record({
      batch: fc.integer({ min: 1, max: 128 }),
      ms: milliseconds,
      spread: fc.double({ min: 0, max: 1, noNaN: true }),
    }),
    { minLength: 1, maxLength: 12 },
  )
  .map((points) => [...new Map(points.map((point) => [point.batch, point])).values()])
  .map((points) => points.sort((a, b) => a.batch - b.batch));

describe('the fit of a latency profile', () => {
  it('finds a line where there is one, and extrapolates along it', () => {
    const fit = fitLatency(pointsOf((batch) => 2 + 3 * batch).slice(0, 5));
    expect(fit.kind).to.equal('line');
    expect(predictFit(fit, 64)).to.be.closeTo(194, 1e-6);
  });

  it('averages noise within the spread away', () => {
    const noise = [1.01, 0.99, 1.012, 0.99, 1.005, 0.995, 1.003];
    const fit = fitLatency(
      batches.map((batch, at) => ({ batch, ms: (5 + batch) * noise[at]!, spread: 0.012 })),
    );
    expect(fit.kind).to.equal('line');
    for (const batch of [3, 6, 12, 24, 48]) {
      expect(predictFit(fit, batch) / (5 + batch)).to.be.closeTo(1, 0.01);
    }
  });

  it('is piecewise where a line is wrong, through the measured points', () => {
    const stepped = pointsOf((batch) => (batch <= 8 ? 10 : 10 * batch));
    const fit = fitLatency(stepped);
    expect(fit.kind).to.equal('piecewise');
    for (const { batch, ms } of stepped) expect(predictFit(fit, batch)).to.be.closeTo(ms, 1e-9);
  });

  it('has no line that starts below zero', () => {
    expect(fitLine(pointsOf((batch) => 5 * batch - 4))).to.equal(undefined);
    expect(fitLine([{ batch: 1, ms: 1 }])).to.equal(undefined);
  });

  it('pools points that fall, and trusts the surer one more', () => {
    const fit = fitPiecewise([
      { batch: 1, ms: 1, spread: 0.01 },
      { batch: 2, ms: 5, spread: 0.5 },
      { batch: 4, ms: 4, spread: 0.01 },
    ]);
    expect(predictFit(fit, 2)).to.be.closeTo(4, 0.01);
    expect(predictFit(fit, 4)).to.be.closeTo(4, 0.01);
  });

  it('leaves out what was only predicted, and refuses to fit nothing', () => {
    const fit = fitLatency([
      { batch: 1, ms: 1 },
      { batch: 2, ms: 2 },
      { batch: 4, ms: 1000, predicted: true },
    ]);
    expect(predictFit(fit, 4)).to.be.closeTo(4, 1e-9);
    expect(() => fitLatency([{ batch: 1, ms: 1, predicted: true }])).to.throw(RangeError);
  });

  it('never falls with the batch, and is positive, whatever was measured', () => {
    fc.assert(
      fc.property(anyPoints, (points) => {
        const fit = fitLatency(points);
        let before = 0;
        for (let batch = 1; batch <= 256; batch += 1) {
          const ms = predictFit(fit, batch);
          expect(ms).to.be.greaterThan(0);
          expect(ms).to.be.at.least(before * (1 - 1e-9));
          before = ms;
        }
      }),
    );
  });

  it('is exact, or within the spread, at the points of whatever rises', () => {
    fc.assert(
      fc.property(anyPoints, (points) => {
        let ms = 0;
        const rising = points.map((point) => ({ ...point, ms: (ms += point.ms) }));
        const fit = fitLatency(rising);
        for (const { batch, ms: measured, spread } of rising) {
          const bound = Math.max(0.03, 2 * Math.min(spread, 0.1)) + 1e-9;
          expect(Math.abs(predictFit(fit, batch) / measured - 1)).to.be.at.most(bound);
        }
      }),
    );
  });
});
