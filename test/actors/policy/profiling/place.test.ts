/** Where models are measured. */

import { expect } from 'chai';

import {
  placeToProfile,
  type ProfilingPlace,
  type ProfilingWanted,
} from '../../../../actors/policy/profiling/place.ts';

const core = { kind: 'cpu', units: 1, memoryBytes: 1e9, costUsdPerUnitHour: 1 } as const;

function place(workerId: string, utilisation: number, machine?: string): ProfilingPlace {
  return { workerId, utilisation, hardware: [{ ...core, machine }] };
}

function chosen(
  places: readonly ProfilingPlace[],
  wanted: Partial<ProfilingWanted> = {},
): string | undefined {
  const any = { hardware: 'cpu', machine: undefined, before: undefined } as const;
  return placeToProfile(places, { ...any, utilisationMax: 0.1, ...wanted })?.workerId;
}

describe('the place where a model is measured', () => {
  it('is the least used, ties by name, in whatever order they are known', () => {
    const places = [place('c', 0), place('b', 0), place('a', 0.05)];
    expect(chosen(places)).to.equal('b');
    expect(chosen(places.toReversed())).to.equal('b');
  });

  it('is none that is in use', () => {
    expect(chosen([place('a', 0.2)])).to.equal(undefined);
  });

  it('has the hardware, and is of the type of machine that a variant is bound to', () => {
    const places = [place('a', 0, 'x'), place('b', 0.1, 'y')];
    expect(chosen(places, { machine: 'y' })).to.equal('b');
    expect(chosen(places, { machine: 'z' })).to.equal(undefined);
    expect(chosen(places, { hardware: 'cuda' })).to.equal(undefined);
  });

  it('stays the same for a family, unless a variant cannot run there or it is in use', () => {
    const places = [place('a', 0, 'x'), place('b', 0.3, 'y')];
    expect(chosen(places, { before: 'b' })).to.equal('b');
    expect(chosen(places, { before: 'b', machine: 'x' })).to.equal('a');
    expect(chosen(places, { before: 'gone' })).to.equal('a');
    expect(chosen([place('a', 0), place('b', 0.4)], { before: 'b' })).to.equal('a');
  });
});
