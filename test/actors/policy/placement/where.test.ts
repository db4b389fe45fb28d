/** Where one more instance goes: where it may run, has room, and few workers stay in use. */

import { expect } from 'chai';

import { type Need, placeInstance, type Room } from '../../../../actors/policy/placement/where.ts';

const room = (id: string, memoryFreeBytes: number, parts: Partial<Room> = {}): Room => ({
  ...{ id, memoryFreeBytes, unitsUsed: 0, units: 2, kind: 'cpu', ...parts },
});
const need: Need = { hardware: 'cpu', memoryBytes: 10, units: 1 };

describe('the place of one more instance', () => {
  const cases: readonly (readonly [string, readonly Room[], Need, string | undefined])[] = [
    ['is the fullest that takes it', [room('a', 90), room('b', 20), room('c', 5)], need, 'b'],
    ['is by name among equals', [room('b', 20), room('a', 20)], need, 'a'],
    ['is not a busy one', [room('a', 20, { unitsUsed: 1.5 }), room('b', 90)], need, 'b'],
    ['has the hardware', [room('a', 20), room('b', 90, { kind: 'cuda' })], need, 'a'],
    [
      'is of the machine type that it was made for',
      [room('a', 20, { machine: 'x' }), room('b', 90, { machine: 'y' })],
      { ...need, machine: 'y' },
      'b',
    ],
    [
      'is nowhere when no machine is of that type',
      [room('a', 20, { machine: 'x' })],
      { ...need, machine: 'y' },
      undefined,
    ],
    ['may be any when it is bound to none', [room('a', 20, { machine: 'x' })], need, 'a'],
  ];
  for (const [what, rooms, wanted, expected] of cases) {
    it(what, () => {
      expect(placeInstance(rooms, wanted, 1)?.id).to.equal(expected);
    });
  }
});
