/** What classes ask together. */

import { expect } from 'chai';
import fc from 'fast-check';

import { type Expectations, pooledShare } from '../../../../actors/policy/planning/demand.ts';
import { observeRate } from '../../../../actors/policy/planning/forecast.ts';
import { variantOf } from '../../../support/variants.ts';

function expecting(rates: readonly number[]): Expectations {
  const servedBy = variantOf('v');
  return Object.fromEntries(
    rates.map((rateQps, at) => {
      const asks = { by: 'task', accuracyMin: 0, latencyMs: 100, rateQps } as const;
      const seen = { key: String(at), asks, servedBy, rateQps };
      return [String(at), { seen, forecast: observeRate(undefined, rateQps, 0, 60_000) }];
    }),
  );
}

describe('the demand of many classes', () => {
  it('is that of one where there is one, or nothing', () => {
    expect(pooledShare(expecting([50]))).to.be.closeTo(1, 1e-12);
    expect(pooledShare(expecting([]))).to.equal(1);
  });

  it('lies between the sum of what each may ask and what the sum may ask', () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 1, max: 200 }), { minLength: 1 }), (rates) => {
        const alone = rates.reduce((sum, rate) => sum + rate + 3 * Math.sqrt(rate), 0);
        const total = rates.reduce((sum, rate) => sum + rate, 0);
        const together = total + 3 * Math.sqrt(total);
        const expected = pooledShare(expecting(rates)) * alone;
        expect(expected).to.be.within(together - 1e-6, alone + 1e-6);
        expect(expected).to.be.closeTo((alone + together) / 2, 1e-6);
      }),
    );
  });
});
