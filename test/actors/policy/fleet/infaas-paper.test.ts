/** The paper's fleet-autoscaler as a table, and what holds for any fleet. */

import { expect } from 'chai';
import fc from 'fast-check';

import { infaasPaperFleet } from '../../../../actors/policy/fleet/infaas-paper.ts';
import type { FleetAction, FleetView, Unplaced } from '../../../../actors/policy/fleet/view.ts';
import { fleetView, fleetWorker, placed } from '../../../support/fleet-scaling.ts';
import { mebibyte } from '../../../support/variants.ts';

function actionsOf(view: FleetView): FleetAction[] {
  return infaasPaperFleet.decide(view, infaasPaperFleet.initial)[0].map(({ action }) => action);
}

/** With the patience of removal run out. */
function later(view: FleetView): FleetAction[] {
  const [, state] = infaasPaperFleet.decide(view, infaasPaperFleet.initial);
  const then = { ...view, nowMs: view.nowMs + view.rules.releaseAfterMs };
  return infaasPaperFleet.decide(then, state)[0].map(({ action }) => action);
}

const busy = { utilisation: 0.85 };
const idle = { utilisation: 0.1 };
const disturbed = { instances: [placed('v', { state: 'interfered' })] };
const overloaded = { instances: [placed('v', { state: 'overloaded' })] };
const want = (from: string): Unplaced => ({
  ...{ variantId: 'v', hardware: 'cpu', memoryBytes: mebibyte, from },
});
const add = (count = 1): FleetAction => ({ do: 'add', kind: 'cpu', count });
const remove = (workerId: string, ...moves: { variantId: string; to: string }[]): FleetAction => ({
  ...{ do: 'remove', workerId, moves },
});

describe('the fleet-autoscaler of the paper', () => {
  const a = (parts = {}) => fleetWorker('a', parts);
  const b = (parts = {}) => fleetWorker('b', parts);
  const now: readonly (readonly [string, FleetView, readonly FleetAction[]])[] = [
    ['adds nothing while all is well', fleetView([a(), b()]), []],
    ['adds a worker when all are over 80 % busy', fleetView([a(busy), b(busy)]), [add()]],
    ['adds none while one is not', fleetView([a(busy), b()]), []],
    ['adds one when variants are interfered on all', fleetView([a(disturbed)]), [add()]],
    ['adds none when they are on some', fleetView([a(disturbed), b()]), []],
    ['adds one when most have overloaded variants', fleetView([a(overloaded)]), [add()]],
    ['adds none when half have', fleetView([a(overloaded), b()]), []],
    ['waits for what is starting', fleetView([a(busy)], { starting: [{ kind: 'cpu' }] }), []],
    [
      'adds several at once for several that have no place',
      fleetView([a()], { unplaced: [want('a'), want('b'), want('c')] }),
      [add(3)],
    ],
    [
      'counts those that are starting for them',
      fleetView([a()], { unplaced: [want('a'), want('b')], starting: [{ kind: 'cpu' }] }),
      [add()],
    ],
    [
      'adds no more than the owner allows',
      fleetView([a(busy)], { limits: { cpu: { min: 0, max: 1 } } }),
      [],
    ],
    [
      'adds as many as the owner wants',
      fleetView([], { limits: { cpu: { min: 2, max: 9 } } }),
      [add(2)],
    ],
    ['knows no hardware without limits', fleetView([a(busy)], { limits: {} }), []],
  ];
  for (const [behaviour, view, expected] of now) {
    it(behaviour, () => {
      expect(actionsOf(view)).to.deep.equal(expected);
    });
  }

  const v = placed('v', { unitsUsed: 0.2 });
  const removals: readonly (readonly [string, FleetView, readonly FleetAction[]])[] = [
    [
      'removes the emptiest when the rest can take what it has',
      fleetView([a(), b(idle)]),
      [remove('b')],
    ],
    [
      'moves first what serves there',
      fleetView([a(), b({ ...idle, instances: [v] })]),
      [remove('b', { variantId: 'v', to: 'a' })],
    ],
    [
      'moves nothing that serves elsewhere with room to spare',
      fleetView([a({ instances: [v] }), b({ ...idle, instances: [v] })]),
      [remove('b')],
    ],
    [
      'removes none whose load would crowd the others',
      fleetView([a({ utilisation: 0.6 }), b({ ...idle, instances: [v] })]),
      [],
    ],
    [
      'removes none for which there is no memory elsewhere',
      fleetView([a({ memoryUsedBytes: 64 * mebibyte }), b({ ...idle, instances: [v] })]),
      [],
    ],
    [
      'removes none that nobody started for it',
      fleetView([a(), b({ ...idle, removable: false })]),
      [],
    ],
    [
      'removes none below the minimum',
      fleetView([a(), b(idle)], { limits: { cpu: { min: 2, max: 9 } } }),
      [],
    ],
    ['removes none while something is overloaded', fleetView([a(overloaded), b(idle)]), []],
  ];
  for (const [behaviour, view, expected] of removals) {
    it(behaviour, () => {
      expect(later(view)).to.deep.equal(expected);
      // Not before it was spare for long enough.
      expect(actionsOf(view)).to.deep.equal([]);
    });
  }

  it('never exceeds limits or memory, whatever the fleet', () => {
    const worker = fc.record({
      used: fc.integer({ min: 0, max: 64 }),
      utilisation: fc.double({ min: 0, max: 1, noNaN: true }),
      removable: fc.boolean(),
      instances: fc.array(
        fc.record({ of: fc.nat(2), mib: fc.integer({ min: 1, max: 30 }), units: fc.nat(5) }),
        { maxLength: 4 },
      ),
    });
    const limits = fc.record({ min: fc.nat(4), more: fc.nat(4) });
    fc.assert(
      fc.property(
        fc.array(worker, { maxLength: 5 }),
        limits,
        fc.nat(5),
        (drawn, drawnLimits, asking) => {
          const { min, more } = drawnLimits;
          const workers = drawn.map(({ used, utilisation, removable, instances }, at) =>
            fleetWorker(`w${at}`, {
              ...{ utilisation, removable, memoryUsedBytes: used * mebibyte },
              instances: instances.map(({ of, mib, units }) =>
                placed(`v${of}`, { memoryBytes: mib * mebibyte, unitsUsed: units / 10 }),
              ),
            }),
          );
          const unplaced = Array.from({ length: asking }, (_, at) => want(`w${at}`));
          const view = fleetView(workers, { limits: { cpu: { min, max: min + more } }, unplaced });
          for (const action of [...actionsOf(view), ...later({ ...view, unplaced: [] })]) {
            if (action.do === 'add') {
              expect(workers.length + action.count).to.be.at.most(min + more);
              continue;
            }
            expect(workers.length - 1).to.be.at.least(min);
            const free = new Map(
              workers.map((each) => [each.id, 64 * mebibyte - each.memoryUsedBytes]),
            );
            const leaving = workers.find(({ id }) => id === action.workerId)!;
            for (const { variantId, to } of action.moves) {
              const largest = leaving.instances
                .filter((each) => each.variantId === variantId)
                .map(({ memoryBytes }) => memoryBytes);
              free.set(to, free.get(to)! - Math.min(...largest));
              expect(to).to.not.equal(action.workerId);
              expect(free.get(to)).to.be.at.least(0);
            }
          }
        },
      ),
    );
  });
});
