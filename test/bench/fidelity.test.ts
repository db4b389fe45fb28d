/** Fidelity: when a simulated figure agrees with a measured one, and what is calibrated. */

import { expect } from 'chai';

import {
  agreementsOf,
  calibrationOf,
  type Figures,
  figuresOf,
  type Sample,
} from '../../bench/fidelity/figures.ts';

const figures: Figures = {
  ...{ p50Ms: 10, p99Ms: 50, goodputQps: 20, violations: 0.02, batchMean: 1.5 },
};

function served(totalMs: number, inferMs = totalMs - 1, met = true): Sample {
  return { ok: true, met, totalMs, batchSize: 1, inferMs };
}

function isWithin(real: readonly Figures[], simulated: Figures, figure: keyof Figures): boolean {
  const found = agreementsOf(real, [simulated]).find((each) => each.figure === figure);
  return found?.within ?? false;
}

describe('fidelity', () => {
  it('takes refused and late queries for violations, and latencies of what was served', () => {
    const refused: Sample = { ok: false, met: false, totalMs: 0, batchSize: 0, inferMs: 0 };
    const { p50Ms, goodputQps, violations, batchMean } = figuresOf(
      [served(10), served(20), served(300, 299, false), refused],
      2,
    );
    expect({ p50Ms, goodputQps, violations, batchMean }).to.deep.equal({
      ...{ p50Ms: 20, goodputQps: 1, violations: 0.5, batchMean: 1 },
    });
  });

  it('agrees within 10 %, and no further where the repeats agree', () => {
    const real = [figures, figures, figures];
    expect(isWithin(real, { ...figures, p50Ms: 10.9 }, 'p50Ms')).to.equal(true);
    expect(isWithin(real, { ...figures, p50Ms: 11.1 }, 'p50Ms')).to.equal(false);
    expect(isWithin(real, { ...figures, p50Ms: 8.9 }, 'p50Ms')).to.equal(false);
  });

  it('agrees within 5 points of a rate', () => {
    expect(isWithin([figures], { ...figures, violations: 0.069 }, 'violations')).to.equal(true);
    expect(isWithin([figures], { ...figures, violations: 0.071 }, 'violations')).to.equal(false);
  });

  it('agrees within half the spread of the repeats where that is more', () => {
    const real = [figures, { ...figures, p50Ms: 20 }];
    expect(isWithin(real, { ...figures, p50Ms: 19.9 }, 'p50Ms')).to.equal(true);
    expect(isWithin(real, { ...figures, p50Ms: 20.1 }, 'p50Ms')).to.equal(false);
  });

  it('learns from the calibration what a query takes beside its batch, and its noise', () => {
    const samples = Array.from({ length: 101 }, (_, at) => served(20 + at / 10 + 3, 20 + at / 10));
    const { hopMs, noise } = calibrationOf(samples, 20);
    expect(hopMs).to.be.closeTo(1.5, 1e-9);
    expect(noise[0]).to.be.closeTo(1, 1e-9);
    expect(noise.at(-1)).to.be.closeTo(1.5, 1e-9);
    expect([...noise].sort((a, b) => a - b)).to.deep.equal(noise);
  });
});
