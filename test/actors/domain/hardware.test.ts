/** What occupying hardware costs. */

import { expect } from 'chai';

import { cpuCoreUsdPerHour, occupancyUsd } from '../../../actors/domain/hardware.ts';
import { costUsdPer1000 } from '../../../actors/domain/variant.ts';
import { perQuery, variantOf } from '../../support/variants.ts';

describe('the cost of hardware', () => {
  it('is the hourly price for an hour, and in proportion for less', () => {
    expect(occupancyUsd(3_600_000, 2)).to.equal(2);
    expect(occupancyUsd(1_800_000, 2)).to.equal(1);
  });

  it('of a variant is that of a core for a thousand single queries', () => {
    const variant = variantOf('v', { latency: perQuery(3.6) });
    expect(costUsdPer1000(variant)).to.be.closeTo(cpuCoreUsdPerHour / 1000, 1e-12);
  });
});
