/** One variant for all queries of a kind, as users of Clipper+ and SM+ name it, case by case. */

import { expect } from 'chai';

import { type Selection, selectionPolicies } from '../../../../actors/policy/selection/index.ts';
import { seededRandom } from '../../../../runtime/random.ts';
import {
  fleetOf,
  type FleetSketch,
  queryOf,
  type QuerySketch,
  type VariantSketch,
  workerOf,
} from '../../../support/fleet-view.ts';

function outcomeOf(fleet: FleetSketch, query: QuerySketch): string {
  const selection: Selection = selectionPolicies.designated(
    fleetOf(fleet),
    queryOf(query),
    seededRandom(1),
  );
  if (selection.kind === 'refuse') return selection.error.code;
  const { variant, instance, worker, missed } = selection;
  const where = instance === undefined ? `cold on ${worker.id}` : `on ${instance.id}`;
  return `${variant.id} ${where}${missed.length > 0 ? ', late' : ''}`;
}

const workers = [
  workerOf('w1', { utilisation: 0.9 }),
  workerOf('w2', { utilisation: 0.2 }),
  workerOf('full', { memoryFreeBytes: 0 }),
];
const active = [{}];
const small = { id: 'small', accuracy: 90, costUsd: 1, ms: 10 };
const large = { id: 'large', accuracy: 99, costUsd: 10, ms: 50 };

interface Case {
  readonly behaviour: string;
  readonly variants: readonly VariantSketch[];
  readonly query: QuerySketch;
  readonly outcome: string;
}

const cases: readonly Case[] = [
  {
    behaviour: 'takes the cheapest of those accurate enough',
    variants: [
      { ...small, instances: active },
      { ...large, instances: active },
    ],
    query: { latencyMs: 200 },
    outcome: 'small on small-1',
  },
  {
    behaviour: 'takes the dearer one where accuracy asks for it',
    variants: [
      { ...small, instances: active },
      { ...large, instances: active },
    ],
    query: { latencyMs: 200, accuracyMin: 95 },
    outcome: 'large on large-1',
  },
  {
    behaviour: 'wants half of the latency to spare, for the batch before',
    variants: [
      { ...small, ms: 60, instances: active },
      { ...large, instances: active },
    ],
    query: { latencyMs: 100 },
    outcome: 'large on large-1',
  },
  {
    behaviour: 'takes the quickest where none has half of it to spare',
    variants: [
      { ...small, ms: 60, instances: active },
      { ...large, ms: 70, instances: active },
    ],
    query: { latencyMs: 100 },
    outcome: 'small on small-1',
  },
  {
    behaviour: 'changes to no other while its own is slow',
    variants: [
      { ...small, instances: [{ backlogMs: 5_000 }] },
      { ...large, instances: active },
    ],
    query: { latencyMs: 200 },
    outcome: 'small on small-1, late',
  },
  {
    behaviour: 'loads its own rather than take another that is loaded',
    variants: [small, { ...large, instances: active }],
    query: { latencyMs: 2_000 },
    outcome: 'small cold on w2',
  },
  {
    behaviour: 'takes the least loaded of its instances, whatever their state of health',
    variants: [
      {
        ...small,
        instances: [
          { backlogMs: 30 },
          { backlogMs: 10, state: 'overloaded' },
          { backlogMs: 20, state: 'interfered' },
        ],
      },
    ],
    query: { latencyMs: 200 },
    outcome: 'small on small-2',
  },
  {
    behaviour: 'counts what it sent since the report',
    variants: [{ ...small, instances: [{ sentSinceMs: 40 }, { backlogMs: 30 }] }],
    query: { latencyMs: 200 },
    outcome: 'small on small-2',
  },
  {
    behaviour: 'takes a loaded instance before one that loads',
    variants: [
      { ...small, instances: [{ state: 'loading', loadLeftMs: 100 }, { backlogMs: 500 }] },
    ],
    query: { latencyMs: 2_000 },
    outcome: 'small on small-2',
  },
  {
    behaviour: 'avoids the instance that failed the query before',
    variants: [{ ...small, instances: [{}, { backlogMs: 50 }] }],
    query: { latencyMs: 200, avoid: 'small-1' },
    outcome: 'small on small-2',
  },
  {
    behaviour: 'never sends to an instance that is leaving',
    variants: [{ ...small, instances: [{ state: 'draining' }, { state: 'migrating' }] }],
    query: { latencyMs: 2_000 },
    outcome: 'small cold on w2',
  },
  {
    behaviour: 'takes another where its own has no room at all',
    variants: [
      { ...small, memoryBytes: 5_000 },
      { ...large, instances: active },
    ],
    query: { latencyMs: 200 },
    outcome: 'large on large-1',
  },
  {
    behaviour: 'refuses what no variant is accurate enough for',
    variants: [{ ...small, instances: active }],
    query: { accuracyMin: 95 },
    outcome: 'slo_infeasible',
  },
  {
    behaviour: 'refuses what would be late, if the query wants that',
    variants: [{ ...small, instances: [{ backlogMs: 5_000 }] }],
    query: { latencyMs: 200, onMiss: 'reject' },
    outcome: 'slo_infeasible',
  },
];

describe('selection policy designated', () => {
  for (const { behaviour, variants, query, outcome } of cases) {
    it(behaviour, () => {
      expect(outcomeOf({ variants, workers }, query)).to.equal(outcome);
    });
  }
});
