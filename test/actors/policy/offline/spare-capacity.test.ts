/** What online queries leave to offline ones. */

import { expect } from 'chai';
import fc from 'fast-check';

import {
  defaultSpareRules,
  spareCapacity,
  type SpareView,
} from '../../../../actors/policy/offline/spare-capacity.ts';

const rules = { ...defaultSpareRules, utilisationMax: 0.75, sliceMs: 20, savedMs: 100 };

function viewOf(parts: Partial<SpareView>): SpareView {
  return {
    ...{ elapsedMs: 100, workers: [{ units: 1, onlineUtilisation: 0 }], onlineInFlight: 0 },
    ...{ costMs: 5, budgetMs: 0 },
    ...parts,
  };
}

function worker(onlineUtilisation: number, units = 1) {
  return { units, onlineUtilisation };
}

describe('the room for offline work', () => {
  const table: readonly (readonly [string, Partial<SpareView>, number, number])[] = [
    ['is the share that nobody uses, up to the bound', {}, 75, 4],
    ['shrinks with online work', { workers: [worker(0.5)] }, 25, 4],
    ['is none where online work reaches the bound', { workers: [worker(0.75)] }, 0, 0],
    ['is none while more online queries are here than hardware', { onlineInFlight: 2 }, 0, 0],
    ['is summed over workers', { workers: [worker(0, 2), worker(0.9, 2)] }, 150, 8],
    ['is not saved up for long', { elapsedMs: 10_000 }, 75, 4],
    ['is one query at a time where one takes longer than a slice', { costMs: 70 }, 75, 1],
    ['is one query at a time before any cost is known', { costMs: undefined }, 75, 1],
    ['is none without workers', { workers: [] }, 0, 0],
  ];
  for (const [what, parts, budgetMs, inFlightMax] of table) {
    it(what, () => {
      const spare = spareCapacity(viewOf(parts), rules);
      expect(spare.budgetMs).to.be.closeTo(budgetMs, 1e-9);
      expect(spare.inFlightMax).to.equal(inFlightMax);
      expect(spare.why === undefined).to.equal(inFlightMax > 0);
    });
  }

  it('pays off what was overdrawn before anything more is sent', () => {
    const spare = spareCapacity(viewOf({ budgetMs: -200 }), rules);
    expect(spare.budgetMs).to.equal(-125);
  });

  it('forgives no debt while there is no room', () => {
    const spare = spareCapacity(viewOf({ budgetMs: -50, workers: [worker(1)] }), rules);
    expect(spare.budgetMs).to.equal(-50);
  });

  it('never grows with online load', () => {
    const share = fc.double({ min: 0, max: 1, noNaN: true });
    const shares = fc.tuple(share, share).map(([a, b]) => [Math.min(a, b), Math.max(a, b)]);
    fc.assert(
      fc.property(shares, fc.integer({ min: 0, max: 9 }), ([less = 0, more = 0], inFlight) => {
        const quiet = viewOf({ workers: [worker(less)], onlineInFlight: inFlight });
        const busy = viewOf({ workers: [worker(more)], onlineInFlight: inFlight + 1 });
        const [a, b] = [spareCapacity(quiet, rules), spareCapacity(busy, rules)];
        expect(b.budgetMs).to.be.at.most(a.budgetMs);
        expect(b.inFlightMax).to.be.at.most(a.inFlightMax);
      }),
    );
  });
});
