/** What a decision is said to have made of each variant. */

import { expect } from 'chai';
import fc from 'fast-check';

import type { Considered } from '../../../../actors/domain/explanation.ts';
import {
  type FleetView,
  type QueryView,
  selectionPolicies,
  type VariantView,
} from '../../../../actors/policy/selection/index.ts';
import { judgedMax, Judgements } from '../../../../actors/policy/selection/judge.ts';
import { seededRandom } from '../../../../runtime/random.ts';
import { anyFleet, anyQuery, fleetOf, meets, queryOf } from '../../../support/fleet-view.ts';

function judge(
  view: FleetView,
  query: QueryView,
  chosen: VariantView | undefined,
): readonly Considered[] {
  const judged = new Judgements();
  judged.take(view, query, chosen);
  expect(judged.leftOut).to.equal(view.variants.length - judged.describe().length);
  return judged.describe();
}

const query = queryOf({ accuracyMin: 90, costUsdMax: 5, latencyMs: 100 });

describe('judging the variants of a decision', () => {
  it('says of each why it was chosen or not', () => {
    const view = fleetOf({
      variants: [
        { id: 'a-rough', accuracy: 80, instances: [{}] },
        { id: 'b-chosen', instances: [{}] },
        { id: 'c-too', instances: [{}, { state: 'overloaded' }] },
        { id: 'd-cold' },
        { id: 'e-coming', instances: [{ state: 'loading', loadLeftMs: 50 }] },
        { id: 'f-behind', instances: [{ backlogMs: 500 }] },
        { id: 'g-disturbed', instances: [{ state: 'interfered' }] },
        { id: 'h-dear', costUsd: 6, instances: [{}] },
      ],
    });
    const verdicts = judge(view, query, view.variants[1]).map(
      ({ variant, verdict }) => `${variant} ${verdict}`,
    );
    expect(verdicts).to.deep.equal([
      'a-rough less-accurate',
      'b-chosen chosen',
      'c-too eligible',
      'd-cold not-loaded',
      'e-coming loading',
      'f-behind too-slow',
      'g-disturbed busy',
      'h-dear too-dear',
    ]);
  });

  it('predicts by an active instance rather than by a disturbed one that is quicker', () => {
    const view = fleetOf({
      variants: [{ id: 'v', ms: 10, instances: [{ state: 'overloaded' }, { backlogMs: 20 }] }],
    });
    expect(judge(view, query, undefined)[0]).to.include({ predictedMs: 30, instances: 2 });
  });

  it('keeps the chosen one among many, and no more than its bound', () => {
    const many = Array.from({ length: 3 * judgedMax }, (_, at) => ({
      id: `v${String(100 + at)}`,
      instances: [{}],
    }));
    const view = fleetOf({ variants: many });
    const last = view.variants.at(-1);
    const judged = judge(view, query, last);
    expect(judged).to.have.length(judgedMax);
    expect(judged.at(-1)).to.include({ variant: last?.id, verdict: 'chosen' });
  });

  it('never calls a variant eligible that would break a floor or a ceiling', () => {
    fc.assert(
      fc.property(anyFleet, anyQuery, fc.integer(), (view, asked, seed) => {
        const selection = selectionPolicies.cheapest(view, asked, seededRandom(seed));
        const chosen = selection.kind === 'place' ? selection.variant : undefined;
        const judged = judge(view, asked, chosen);
        expect(judged.filter(({ verdict }) => verdict === 'chosen')).to.have.length(
          chosen === undefined ? 0 : 1,
        );
        for (const { variant: id, verdict } of judged) {
          const variant = view.variants.find((known) => known.id === id)!;
          if (verdict === 'eligible') expect(meets(variant, asked)).to.equal(true);
          if (verdict === 'less-accurate' || verdict === 'too-dear') {
            expect(meets(variant, asked)).to.equal(false);
          }
        }
      }),
    );
  });
});
