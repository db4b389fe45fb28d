/** Eviction: what gives way to a load, and in which order. */

import { expect } from 'chai';
import fc from 'fast-check';

import { type IdleInstance, planEviction } from '../../../../actors/policy/placement/evict.ts';

const idle = (id: string, memoryBytes: number, idleMs: number, variantId = id): IdleInstance => ({
  ...{ id, variantId, memoryBytes, idleMs },
});

function chosen(
  instances: readonly IdleInstance[],
  neededBytes: number,
  more: Readonly<Record<string, number>> = {},
): string[] | undefined {
  const copies = new Map<string, number>();
  for (const { variantId } of instances) copies.set(variantId, (copies.get(variantId) ?? 0) + 1);
  for (const [variantId, count] of Object.entries(more)) copies.set(variantId, count);
  return planEviction({ idle: instances, copies, neededBytes })?.map(({ id }) => id);
}

describe('eviction', () => {
  it('takes nothing when nothing is needed', () => {
    expect(chosen([idle('a', 10, 5)], 0)).to.deep.equal([]);
  });

  it('takes what was idle for longest', () => {
    expect(chosen([idle('a', 10, 5), idle('b', 10, 9), idle('c', 10, 7)], 15)).to.deep.equal([
      'b',
      'c',
    ]);
  });

  it('takes one of several of a variant before the last of another', () => {
    const several = [idle('a1', 10, 5, 'a'), idle('a2', 10, 6, 'a'), idle('b', 10, 90)];
    expect(chosen(several, 10)).to.deep.equal(['a2']);
    expect(chosen(several, 20)).to.deep.equal(['a2', 'b']);
  });

  it('counts busy ones of the variant, which stay', () => {
    expect(chosen([idle('a', 10, 5), idle('b', 10, 9)], 10, { a: 2 })).to.deep.equal(['a']);
  });

  it('spares small ones when a large one has to go anyway', () => {
    expect(chosen([idle('small', 10, 9), idle('large', 50, 5)], 40)).to.deep.equal(['large']);
  });

  it('takes nothing when all together are not enough', () => {
    expect(chosen([idle('a', 10, 5)], 11)).to.equal(undefined);
  });

  it('frees enough, and without any one of them too little', () => {
    const any = fc.array(
      fc.record({ bytes: fc.integer({ min: 1, max: 50 }), idleMs: fc.nat(100), of: fc.nat(3) }),
      { maxLength: 8 },
    );
    fc.assert(
      fc.property(any, fc.integer({ min: 1, max: 200 }), (drawn, neededBytes) => {
        const all = drawn.map(({ bytes, idleMs, of }, at) =>
          idle(`i${at}`, bytes, idleMs, `v${of}`),
        );
        const freed = (ids: readonly string[]): number =>
          all.reduce((sum, { id, memoryBytes }) => sum + (ids.includes(id) ? memoryBytes : 0), 0);
        const plan = chosen(all, neededBytes);
        if (plan === undefined) {
          expect(freed(all.map(({ id }) => id))).to.be.below(neededBytes);
          return;
        }
        expect(freed(plan)).to.be.at.least(neededBytes);
        for (const id of plan) {
          expect(freed(plan.filter((each) => each !== id))).to.be.below(neededBytes);
        }
      }),
    );
  });
});
