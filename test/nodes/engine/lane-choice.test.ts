/** Which lane a new instance gets. */

import { expect } from 'chai';

import { chooseLane, type LaneLoad } from '../../../nodes/engine/lane-choice.ts';

const lane = (load: Partial<LaneLoad>): LaneLoad => ({
  sameVariant: 0,
  instances: 0,
  utilisation: 0,
  ...load,
});

describe('the choice of a lane', () => {
  it('takes the first of equals', () => {
    expect(chooseLane([lane({}), lane({})])).to.equal(0);
  });

  it('spreads idle instances evenly', () => {
    expect(chooseLane([lane({ instances: 2 }), lane({ instances: 1 })])).to.equal(1);
  });

  it('prefers a lane of idle instances to one with a busy one', () => {
    const busy = lane({ instances: 1, utilisation: 0.9 });
    expect(chooseLane([busy, lane({ instances: 4 })])).to.equal(1);
  });

  it('gives two instances of a variant different lanes before anything else', () => {
    const same = lane({ sameVariant: 1, instances: 1 });
    expect(chooseLane([same, lane({ instances: 3, utilisation: 0.8 })])).to.equal(1);
  });
});
