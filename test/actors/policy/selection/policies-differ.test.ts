/** The selection policies are different algorithms: the same fleet, other choices. */

import { expect } from 'chai';

import {
  selectionPolicies,
  type SelectionPolicyName,
} from '../../../../actors/policy/selection/index.ts';
import { seededRandom } from '../../../../runtime/random.ts';
import { fleetOf, queryOf, type VariantSketch } from '../../../support/fleet-view.ts';

const variants: readonly VariantSketch[] = [
  { id: 'small', accuracy: 90, costUsd: 1, ms: 10, instances: [{ slowdown: 20 }] },
  { id: 'middle', accuracy: 95, costUsd: 4, ms: 20, instances: [{}] },
  { id: 'large', accuracy: 99, costUsd: 9, ms: 60, instances: [{}] },
];

function choices(name: SelectionPolicyName, latencyMs: number): Set<string> {
  const random = seededRandom(1);
  const chosen = new Set<string>();
  for (let at = 0; at < 40; at += 1) {
    const selection = selectionPolicies[name](
      fleetOf({ variants }),
      queryOf({ latencyMs }),
      random,
    );
    chosen.add(selection.kind === 'place' ? selection.variant.id : selection.error.code);
  }
  return chosen;
}

describe('the selection policies', () => {
  it('choose the cheapest, the most accurate, or any, of what they may', () => {
    expect([...choices('cheapest', 100)]).to.deep.equal(['middle']);
    expect([...choices('most-accurate', 100)]).to.deep.equal(['large']);
    expect([...choices('random', 100)].sort()).to.deep.equal(['large', 'middle', 'small']);
  });

  it('agree where only one variant is in time, except the one that does not look', () => {
    expect([...choices('cheapest', 30)]).to.deep.equal(['middle']);
    expect([...choices('most-accurate', 30)]).to.deep.equal(['middle']);
    expect(choices('random', 30).size).to.equal(3);
  });

  it('load what they prefer', () => {
    const cold = fleetOf({ variants: variants.map(({ instances: _, ...rest }) => rest) });
    const loaded = (name: SelectionPolicyName): string | undefined => {
      const selection = selectionPolicies[name](cold, queryOf(), seededRandom(1));
      return selection.kind === 'place' ? selection.variant.id : undefined;
    };
    expect(loaded('cheapest')).to.equal('small');
    expect(loaded('most-accurate')).to.equal('large');
    expect(loaded('random')).to.equal('small');
  });

  it('break a tie in accuracy by cost', () => {
    const view = fleetOf({
      variants: [
        { id: 'dear', accuracy: 95, costUsd: 5, instances: [{}] },
        { id: 'cheap', accuracy: 95, costUsd: 2, instances: [{}] },
      ],
    });
    const selection = selectionPolicies['most-accurate'](view, queryOf(), seededRandom(1));
    expect(selection).to.have.nested.property('variant.id', 'cheap');
  });
});
