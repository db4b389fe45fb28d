/** Ours as a table: machines as the plan buys them, ordered at once, given back with patience. */

import { expect } from 'chai';

import { oursFleet, type OursState } from '../../../../actors/policy/fleet/ours.ts';
import type { FleetAction, FleetView, FleetWorker } from '../../../../actors/policy/fleet/view.ts';
import { fleetView, fleetWorker, placed } from '../../../support/fleet-scaling.ts';

function actionsOf(view: FleetView, state: OursState = oursFleet.initial): FleetAction[] {
  return oursFleet.decide(view, state)[0].map(({ action }) => action);
}

const three = ['a', 'b', 'c'].map((id, at) => fleetWorker(id, { utilisation: 0.1 * (at + 1) }));

function wanting(cpu: number, workers: readonly FleetWorker[] = three, parts = {}): FleetView {
  return fleetView(workers, { plan: { machines: { cpu } }, ...parts });
}

/** What is done when, s: the same view every 2 s, but for who was removed. */
function history(
  viewAt: FleetView | ((atS: number) => FleetView),
  untilS: number,
): [atS: number, action: FleetAction['do']][] {
  let state = oursFleet.initial;
  const done: [number, FleetAction['do']][] = [];
  const gone = new Set<string>();
  for (let atS = 0; atS <= untilS; atS += 2) {
    const view = typeof viewAt === 'function' ? viewAt(atS) : viewAt;
    const workers = view.workers.filter(({ id }) => !gone.has(id));
    const [decisions, next] = oursFleet.decide({ ...view, workers, nowMs: 1_000 * atS }, state);
    state = next;
    for (const { action } of decisions) {
      done.push([atS, action.do]);
      if (action.do === 'remove') gone.add(action.workerId);
    }
  }
  return done;
}

const add = (count: number): FleetAction => ({ do: 'add', kind: 'cpu', count });

describe('the fleet-autoscaler of ours', () => {
  const cases: readonly (readonly [string, FleetView, readonly FleetAction[]])[] = [
    ['does nothing while there are as many as the plan buys', wanting(3), []],
    ['orders all that is missing at once', wanting(5), [add(2)]],
    [
      'counts those that are starting',
      wanting(5, three, { starting: [{ kind: 'cpu' }] }),
      [add(1)],
    ],
    [
      'orders no more than the owner allows',
      wanting(9, three, { limits: { cpu: { min: 0, max: 4 } } }),
      [add(1)],
    ],
    [
      'keeps to the owner’s minimum, whatever the plan buys',
      wanting(0, [], { limits: { cpu: { min: 2, max: 4 } } }),
      [add(2)],
    ],
    ['gives nothing back at once', wanting(1), []],
    [
      'goes by the paper’s rule until there is a plan',
      fleetView([fleetWorker('a', { utilisation: 0.9 })]),
      [add(1)],
    ],
  ];
  for (const [behaviour, view, expected] of cases) {
    it(behaviour, () => {
      expect(actionsOf(view)).to.deep.equal(expected);
    });
  }

  it('gives back after a minute what no plan wanted, one after the other, least used first', () => {
    expect(history(wanting(1), 190)).to.deep.equal([
      [60, 'remove'],
      [66, 'remove'],
    ]);
    const [, state] = oursFleet.decide(wanting(1), oursFleet.initial);
    const [gone] = actionsOf({ ...wanting(1), nowMs: 61_000 }, state);
    expect(gone).to.include({ do: 'remove', workerId: 'a' });
  });

  it('keeps as many as any plan of that minute wanted, and judges anew by the next', () => {
    const twiceTwo = (atS: number): FleetView => wanting(atS === 30 ? 2 : 1);
    expect(history(twiceTwo, 190)).to.deep.equal([
      [60, 'remove'],
      [122, 'remove'],
    ]);
  });

  it('gives none back that cannot be removed, nor one whose instances fit nowhere else', () => {
    const kept = three.map((worker) => ({ ...worker, removable: false }));
    expect(history(wanting(1, kept), 130)).to.deep.equal([]);
    const full = three.map((worker) => ({
      ...worker,
      utilisation: 0.6,
      instances: [placed(`only on ${worker.id}`, { unitsUsed: 0.6 })],
    }));
    expect(history(wanting(1, full), 130)).to.deep.equal([]);
  });

  it('is four times as patient once it wanted back what it gave', () => {
    let state: OursState = oursFleet.initial;
    const step = (view: FleetView, atS: number): FleetAction[] => {
      const [decisions, next] = oursFleet.decide({ ...view, nowMs: 1_000 * atS }, state);
      state = next;
      return decisions.map(({ action }) => action);
    };
    expect(step(wanting(2), 0)).to.deep.equal([]);
    expect(step(wanting(2), 60)).to.have.length(1);
    const two = three.slice(1);
    expect(step(wanting(3, two), 70)).to.deep.equal([add(1)]);
    expect(step(wanting(2), 100)).to.deep.equal([]);
    expect(step(wanting(2), 338)).to.deep.equal([]);
    expect(step(wanting(2), 340)).to.have.length(1);
  });
});
