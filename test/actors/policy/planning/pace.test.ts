/** What plans count on where variants run slower than profiled. */

import { expect } from 'chai';

import { variantOf } from '../../../support/variants.ts';
import { unitQpsFor } from '../../../../actors/policy/planning/demand.ts';
import {
  observePaces,
  type Paces,
  type PaceSeen,
  slowdownOf,
} from '../../../../actors/policy/planning/pace.ts';

function seen(variantId: string, slowdown: number, parts: Partial<PaceSeen> = {}): PaceSeen {
  return { variantId, slowdown, hardware: 'cpu', unitsUsed: 0.5, ...parts };
}

/** After so many seconds of seeing the same. */
function after(seconds: number, instances: readonly PaceSeen[], from: Paces = {}): Paces {
  let paces = from;
  for (let second = 0; second < seconds; second += 1) paces = observePaces(paces, instances);
  return paces;
}

describe('the pace that plans count on', () => {
  it('nears what is seen over some ten seconds, and no faster', () => {
    const instances = [seen('a', 5)];
    expect(slowdownOf(after(1, instances), 'a', 'cpu')).to.be.closeTo(1.4, 1e-9);
    expect(slowdownOf(after(60, instances), 'a', 'cpu')).to.be.closeTo(5, 0.05);
  });

  it('is the profile’s where profiles are hardly off, and of what is hardly used', () => {
    expect(slowdownOf(after(60, [seen('a', 1.15)]), 'a', 'cpu')).to.equal(1);
    expect(slowdownOf(after(60, [seen('a', 9, { unitsUsed: 0.01 })]), 'a', 'cpu')).to.equal(1);
  });

  it('weighs instances by their load', () => {
    const instances = [seen('a', 1, { unitsUsed: 0.9 }), seen('a', 11, { unitsUsed: 0.1 })];
    expect(slowdownOf(after(100, instances), 'a', 'cpu')).to.be.closeTo(2, 0.01);
  });

  it('takes what slows all variants on a kind of hardware for what it does to any', () => {
    const paces = after(100, [seen('a', 5), seen('b', 3)]);
    expect(slowdownOf(paces, 'not loaded', 'cpu')).to.be.closeTo(3, 0.01);
    expect(slowdownOf(paces, 'not loaded', 'cuda')).to.equal(1);
    const one = after(100, [seen('a', 5), seen('b', 1)]);
    expect(slowdownOf(one, 'not loaded', 'cpu')).to.equal(1);
  });

  it('fades when it is not seen, and is forgotten', () => {
    const slow = after(60, [seen('a', 5)]);
    expect(slowdownOf(after(30, [], slow), 'a', 'cpu')).to.be.within(3.5, 4.5);
    expect(after(1_000, [], slow)).to.deep.equal({});
  });

  it('makes an instance carry so much less, and a variant too slow for a latency', () => {
    const { profile } = variantOf('a', { latency: [{ batch: 1, ms: 10 }] });
    expect(unitQpsFor(profile, 1, 100)).to.be.closeTo(100, 1e-9);
    expect(unitQpsFor(profile, 1, 100, 4)).to.be.closeTo(25, 1e-9);
    expect(unitQpsFor(profile, 1, 100, 9)).to.equal(undefined);
  });
});
