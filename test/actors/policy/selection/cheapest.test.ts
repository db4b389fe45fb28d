/** The default policy, case by case: the cheapest variant that meets accuracy, latency and cost. */

import { expect } from 'chai';

import { selectCheapest } from '../../../../actors/policy/selection/cheapest.ts';
import type { Selection } from '../../../../actors/policy/selection/index.ts';
import { seededRandom } from '../../../../runtime/random.ts';
import {
  fleetOf,
  type FleetSketch,
  queryOf,
  type QuerySketch,
  type VariantSketch,
  workerOf,
} from '../../../support/fleet-view.ts';

function select(fleet: FleetSketch, query: QuerySketch): Selection {
  return selectCheapest(fleetOf(fleet), queryOf(query), seededRandom(1));
}

/** `small on small-1`, `small cold on w1`, `small cold on w1, late` or the code of the refusal. */
function outcomeOf(selection: Selection): string {
  if (selection.kind === 'refuse') return selection.error.code;
  const { variant, instance, worker, missed } = selection;
  const where = instance === undefined ? `cold on ${worker.id}` : `on ${instance.id}`;
  return `${variant.id} ${where}${missed.length > 0 ? ', late' : ''}`;
}

function preloadOf({ preload }: Selection): string | undefined {
  return preload === undefined ? undefined : `${preload.variant.id} on ${preload.worker.id}`;
}

const active = [{}];
const small = { id: 'small', accuracy: 90, costUsd: 1, ms: 10, loadMs: 200 };
const large = { id: 'large', accuracy: 99, costUsd: 10, ms: 50, loadMs: 800 };

interface Case {
  readonly behaviour: string;
  readonly variants: readonly VariantSketch[];
  readonly query: QuerySketch;
  readonly outcome: string;
  readonly preload?: string;
}

const cases: readonly Case[] = [
  {
    behaviour: 'takes the cheapest of those that qualify',
    variants: [
      { ...small, instances: active },
      { ...large, instances: active },
    ],
    query: { latencyMs: 100 },
    outcome: 'small on small-1',
  },
  {
    behaviour: 'takes the dearer one where accuracy asks for it',
    variants: [
      { ...small, instances: active },
      { ...large, instances: active },
    ],
    query: { latencyMs: 100, accuracyMin: 95 },
    outcome: 'large on large-1',
  },
  {
    behaviour: 'passes over a queue that is too long',
    variants: [
      { ...small, instances: [{ backlogMs: 200 }] },
      { ...large, instances: active },
    ],
    query: { latencyMs: 100 },
    outcome: 'large on large-1',
  },
  {
    behaviour: 'does not keep counting work that is done since the report',
    variants: [
      { ...small, instances: [{ backlogMs: 200, reportedAgoMs: 150 }] },
      { ...large, instances: active },
    ],
    query: { latencyMs: 100 },
    outcome: 'small on small-1',
  },
  {
    behaviour: 'counts what it sent since the report',
    variants: [
      { ...small, instances: [{ sentSinceMs: 95 }] },
      { ...large, instances: active },
    ],
    query: { latencyMs: 100 },
    outcome: 'large on large-1',
  },
  {
    behaviour: 'takes the active one while an overloaded one would be sooner',
    variants: [{ ...small, instances: [{ state: 'overloaded' }, { backlogMs: 50 }] }],
    query: { latencyMs: 100 },
    outcome: 'small on small-2',
  },
  {
    behaviour: 'takes an interfered one when nothing active is in time',
    variants: [{ ...small, instances: [{ state: 'interfered' }, { backlogMs: 500 }] }],
    query: { latencyMs: 100 },
    outcome: 'small on small-1',
  },
  {
    behaviour: 'never sends to an instance that is leaving',
    variants: [{ ...small, instances: [{ state: 'draining' }, { state: 'migrating' }] }],
    query: {},
    outcome: 'small cold on w1',
  },
  {
    behaviour: 'avoids the instance that failed the query before',
    variants: [{ ...small, instances: [{}, { backlogMs: 50 }] }],
    query: { latencyMs: 100, avoid: 'small-1' },
    outcome: 'small on small-2',
  },
  {
    behaviour: 'returns to the instance to be avoided when there is no other',
    variants: [{ ...small, instances: active }],
    query: { avoid: 'small-1' },
    outcome: 'small on small-1',
  },
  {
    behaviour: 'loads the cheapest at once when nothing is loaded and there is time',
    variants: [small, large],
    query: {},
    outcome: 'small cold on w1',
  },
  {
    behaviour: 'loads what is quickest to answer when even that is late',
    variants: [
      { ...small, loadMs: 3_000 },
      { ...large, loadMs: 800 },
    ],
    query: { latencyMs: 100 },
    outcome: 'large cold on w1, late',
  },
  {
    behaviour: 'does not load what would be too slow even when loaded',
    variants: [
      { ...small, ms: 150, loadMs: 10 },
      { ...large, loadMs: 800 },
    ],
    query: { latencyMs: 100 },
    outcome: 'large cold on w1, late',
  },
  {
    behaviour: 'loads nothing while something loaded answers in time',
    variants: [
      { ...small, loadMs: 1 },
      { ...large, instances: active },
    ],
    query: { latencyMs: 100, accuracyMin: 95 },
    outcome: 'large on large-1',
  },
  {
    behaviour: 'serves by the dearer one and loads the cheaper meanwhile',
    variants: [small, { ...large, instances: active }],
    query: { latencyMs: 100 },
    outcome: 'large on large-1',
    preload: 'small on w1',
  },
  {
    behaviour: 'does not load a variant for a small saving',
    variants: [
      { ...small, costUsd: 9 },
      { ...large, instances: active },
    ],
    query: { latencyMs: 100 },
    outcome: 'large on large-1',
  },
  {
    behaviour: 'waits for what is being loaded instead of loading yet another',
    variants: [{ ...small, instances: [{ state: 'loading', loadLeftMs: 150 }] }, large],
    query: {},
    outcome: 'small on small-1',
  },
  {
    behaviour: 'loads no second variant for a late query while a fast one is being loaded',
    variants: [
      { ...small, instances: [{ state: 'loading', loadLeftMs: 900 }] },
      { ...large, loadMs: 500 },
    ],
    query: { latencyMs: 100 },
    outcome: 'small on small-1, late',
  },
  {
    behaviour: 'serves late by the soonest when nothing can be in time',
    variants: [
      { ...small, instances: [{ backlogMs: 900 }] },
      { ...large, instances: [{ backlogMs: 300 }] },
    ],
    query: { latencyMs: 100 },
    outcome: 'large on large-1, late',
  },
];

describe('the cheapest-first policy', () => {
  for (const { behaviour, variants, query, outcome, preload } of cases) {
    it(behaviour, () => {
      const selection = select({ variants }, query);
      expect(outcomeOf(selection)).to.equal(outcome);
      expect(preloadOf(selection)).to.equal(preload);
    });
  }

  it('refuses with onMiss reject naming the nearest latency, and loads what could keep it', () => {
    const selection = select({ variants: [small] }, { latencyMs: 100, onMiss: 'reject' });
    expect(outcomeOf(selection)).to.equal('slo_infeasible');
    expect(selection).to.have.nested.property('error.details.nearest').deep.equal({
      latencyMs: 210,
    });
    expect(preloadOf(selection)).to.equal('small on w1');
  });

  it('refuses an accuracy that nobody has naming the best', () => {
    const selection = select({ variants: [small, large] }, { accuracyMin: 99.5 });
    expect(selection).to.have.nested.property('error.details.nearest').deep.equal({
      accuracyMin: 99,
    });
  });

  it('refuses a cost that nobody accurate enough has naming the least', () => {
    const asked = { accuracyMin: 95, costUsdMax: 0.5, batch: 2 };
    const selection = select({ variants: [small, large] }, asked);
    expect(selection).to.have.nested.property('error.details.nearest').deep.equal({
      costUsdMax: 20,
    });
  });

  it('refuses what nobody has together naming both ways out', () => {
    const selection = select({ variants: [small, large] }, { accuracyMin: 95, costUsdMax: 5 });
    expect(selection).to.have.nested.property('error.details.nearest').deep.equal({
      accuracyMin: 90,
      costUsdMax: 10,
    });
  });

  it('loads another variant when there is no room for the preferred one', () => {
    const variants = [{ ...small, memoryBytes: 5_000 }, large];
    expect(outcomeOf(select({ variants }, {}))).to.equal('large cold on w1');
  });

  it('refuses for now when there is no room at all or no worker', () => {
    const variants = [{ ...small, memoryBytes: 5_000 }];
    expect(outcomeOf(select({ variants }, {}))).to.equal('unavailable');
    expect(outcomeOf(select({ variants: [small], workers: [] }, {}))).to.equal('unavailable');
  });

  it('loads on the least used worker with room, the one that refused before last', () => {
    const workers = [
      workerOf('w1', { utilisation: 0.5 }),
      workerOf('w2', { utilisation: 0.1, memoryFreeBytes: 50 }),
      workerOf('w3', { utilisation: 0.2 }),
    ];
    const fleet = { variants: [small], workers };
    expect(outcomeOf(select(fleet, {}))).to.equal('small cold on w3');
    expect(outcomeOf(select(fleet, { avoid: 'w3' }))).to.equal('small cold on w1');
    const only = { variants: [small], workers: workers.slice(2) };
    expect(outcomeOf(select(only, { avoid: 'w3' }))).to.equal('small cold on w3');
  });

  it('spreads over equal instances by chance', () => {
    const view = fleetOf({ variants: [{ ...small, instances: [{}, {}, {}] }] });
    const random = seededRandom(7);
    const taken = new Set<string>();
    for (let at = 0; at < 50; at += 1)
      taken.add(outcomeOf(selectCheapest(view, queryOf(), random)));
    expect(taken.size).to.equal(3);
  });
});
