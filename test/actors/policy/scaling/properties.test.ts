/** What holds for every scaling policy, whatever it sees. */

import { expect } from 'chai';
import fc from 'fast-check';

import { type Scaler, scalingPolicies } from '../../../../actors/policy/scaling/index.ts';
import type { ScaleAction, ScalingView } from '../../../../actors/policy/scaling/view.ts';
import { instanceView, scalingView } from '../../../support/scaling-view.ts';
import { mebibyte, perQuery, variantOf } from '../../../support/variants.ts';

const anyVariants = fc
  .array(fc.record({ ms: fc.integer({ min: 1, max: 50 }), mib: fc.integer({ min: 1, max: 20 }) }), {
    minLength: 1,
    maxLength: 4,
  })
  .map((drawn) =>
    drawn.map(({ ms, mib }, at) =>
      variantOf(`v${at}`, {
        latency: perQuery(ms),
        memoryBytes: mib * mebibyte,
        accuracy: 80 + at,
      }),
    ),
  );

const anyView = anyVariants.chain((variants) =>
  fc
    .record({
      instances: fc.array(
        fc.record({
          which: fc.nat(variants.length - 1),
          rateQps: fc.integer({ min: 0, max: 300 }),
          idleMs: fc.integer({ min: 0, max: 100_000 }),
          state: fc.constantFrom('active', 'overloaded', 'interfered', 'loading', 'draining'),
          accuracyMin: fc.constantFrom(0, 81, 83),
        }),
        { maxLength: 6 },
      ),
      freeMib: fc.integer({ min: 0, max: 40 }),
      floor: fc.nat(2),
    })
    .map(({ instances, freeMib, floor }) =>
      scalingView(
        variants,
        instances.map(({ which, state, accuracyMin, ...rest }, at) =>
          instanceView(`v${which}`, {
            ...rest,
            state: state as 'active',
            id: `w1/i-${at}`,
            asks: { accuracyMin },
          }),
        ),
        { memoryFreeBytes: freeMib * mebibyte, floors: { v0: floor } },
      ),
    ),
);

function actionsOf(scaler: Scaler, view: ScalingView): ScaleAction[] {
  return scaler(view)[0].flatMap(({ actions }) => [...actions]);
}

/** With the policies' patience run out. */
function late(scaler: Scaler, view: ScalingView): Scaler {
  let next = scaler;
  for (let slot = 1; slot <= 15; slot += 1) {
    next = next({ ...view, nowMs: view.nowMs - 1_000 * (16 - slot) })[1];
  }
  return next;
}

for (const [name, fresh] of Object.entries(scalingPolicies)) {
  describe(`scaling policy ${name}`, () => {
    const forEvery = (
      check: (view: ScalingView, actions: readonly ScaleAction[]) => void,
    ): void => {
      fc.assert(
        fc.property(anyView, fc.boolean(), (view, isLate) => {
          check(view, actionsOf(isLate ? late(fresh, view) : fresh, view));
        }),
      );
    };

    it('decides the same of the same', () => {
      fc.assert(
        fc.property(anyView, (view) => {
          expect(actionsOf(fresh, view)).to.deep.equal(actionsOf(fresh, view));
        }),
      );
    });

    it('never loads more than the memory that is free', () => {
      forEvery((view, actions) => {
        let bytes = 0;
        for (const action of actions) {
          if (action.do !== 'load' && action.do !== 'replace') continue;
          const variant = view.variants.find(({ id }) => id === action.variantId);
          bytes += variant!.profile.memoryBytes * (action.do === 'load' ? action.count : 1);
        }
        expect(bytes).to.be.at.most(view.memoryFreeBytes);
      });
    });

    it('never goes below what the owner wants kept', () => {
      forEvery((view, actions) => {
        const of = (id: string): string | undefined =>
          view.instances.find((instance) => instance.id === id)?.variantId;
        const gone = actions.filter(
          (action) =>
            (action.do === 'unload' || action.do === 'replace') && of(action.instanceId) === 'v0',
        ).length;
        const there = view.instances.filter(
          ({ variantId, state }) => variantId === 'v0' && state !== 'draining',
        ).length;
        if (gone > 0) expect(there - gone).to.be.at.least(view.floors['v0'] ?? 0);
      });
    });

    it('replaces by nothing that does not meet what is asked', () => {
      forEvery((view, actions) => {
        for (const action of actions) {
          if (action.do !== 'replace') continue;
          const to = view.variants.find(({ id }) => id === action.variantId)!;
          const from = view.instances.find(({ id }) => id === action.instanceId)!;
          for (const { accuracyMin } of from.demand) {
            expect(to.accuracy).to.be.at.least(accuracyMin);
          }
        }
      });
    });

    it('touches an instance once at most', () => {
      forEvery((_view, actions) => {
        const touched = actions.flatMap((action) =>
          'instanceId' in action && action.instanceId !== undefined ? [action.instanceId] : [],
        );
        expect(new Set(touched).size).to.equal(touched.length);
      });
    });
  });
}

describe('scaling at a constant load', () => {
  for (const name of ['steady', 'infaas-paper', 'infaas-released'] as const) {
    it(`comes to rest with ${name}`, () => {
      fc.assert(
        fc.property(fc.integer({ min: 1, max: 190 }), (rateQps) => {
          let scaler: Scaler = scalingPolicies[name];
          let count = 1;
          let changes = 0;
          for (let second = 0; second < 200; second += 1) {
            const instances = Array.from({ length: count }, (_, at) =>
              instanceView('v', { id: `w1/v-${at}`, rateQps: rateQps / count }),
            );
            const view = scalingView([variantOf('v')], instances, { nowMs: 1_000 * second });
            const [decisions, next] = scaler(view);
            scaler = next;
            for (const action of decisions.flatMap(({ actions }) => actions)) {
              if (action.do === 'load') count += action.count;
              if (action.do === 'unload') count -= 1;
              if (second > 120 && action.do !== 'place-elsewhere') changes += 1;
            }
          }
          expect(changes).to.equal(0);
        }),
        { numRuns: 30 },
      );
    });
  }
});
