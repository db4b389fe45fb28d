/** Ours, case by case: accuracy as far as what is loaded has time for, then what is soonest. */

import { expect } from 'chai';

import { type Selection, selectionPolicies } from '../../../../actors/policy/selection/index.ts';
import { seededRandom } from '../../../../runtime/random.ts';
import {
  fleetOf,
  type FleetSketch,
  queryOf,
  type QuerySketch,
  type VariantSketch,
} from '../../../support/fleet-view.ts';

function outcomeOf(fleet: FleetSketch, query: QuerySketch): string {
  const selection: Selection = selectionPolicies.ours(
    fleetOf(fleet),
    queryOf(query),
    seededRandom(1),
  );
  if (selection.kind === 'refuse') return selection.error.code;
  const { variant, instance, worker, missed, preload } = selection;
  const where = instance === undefined ? `cold on ${worker.id}` : `on ${instance.id}`;
  const late = missed.length > 0 ? ', late' : '';
  return `${variant.id} ${where}${late}${preload === undefined ? '' : ', loads'}`;
}

const active = [{}];
const small = { id: 'small', accuracy: 80, costUsd: 1, ms: 10 };
const large = { id: 'large', accuracy: 90, costUsd: 10, ms: 40 };
const loaded = [
  { ...small, instances: active },
  { ...large, instances: active },
];

/** Both on the same two units, which owe so much. */
function crowded(owedMs: number, lateMs = 0): VariantSketch[] {
  const shared = { units: 2, owedMs, owedAtMs: 10_000, lateMs };
  return [
    { ...small, instances: [{ shared }] },
    { ...large, instances: [{ shared }] },
  ];
}

const cases: readonly (readonly [
  behaviour: string,
  variants: readonly VariantSketch[],
  query: QuerySketch,
  outcome: string,
])[] = [
  ['takes the most accurate that is loaded', loaded, { latencyMs: 200 }, 'large on large-1'],
  [
    'takes it only within two fifths of the latency, for predictions are off',
    loaded,
    { latencyMs: 90 },
    'small on small-1',
  ],
  [
    'takes the soonest where none is within that, and does not call it late',
    loaded,
    { latencyMs: 20 },
    'small on small-1',
  ],
  [
    'gives accuracy up as its queue grows',
    [loaded[0]!, { ...large, instances: [{ backlogMs: 60 }] }],
    { latencyMs: 200 },
    'small on small-1',
  ],
  [
    'gives accuracy up likewise where no latency is asked, within two fifths of the timeout',
    [loaded[0]!, { ...large, instances: [{ backlogMs: 9_000 }] }],
    { timeoutLeftMs: 20_000 },
    'small on small-1',
  ],
  [
    'gives accuracy up as the units owe, whoever owes it',
    crowded(100),
    { latencyMs: 200 },
    'small on small-1',
  ],
  ['gives it while they owe little', crowded(60), { latencyMs: 200 }, 'large on large-1'],
  [
    'gives it up while the late wait there, who let others go ahead',
    crowded(60, 100),
    { latencyMs: 200 },
    'small on small-1',
  ],
  [
    'has what takes least of the units where all is late',
    crowded(2_000),
    { latencyMs: 200 },
    'small on small-1, late',
  ],
  [
    'never goes below the floor, late or not',
    crowded(2_000),
    { latencyMs: 200, accuracyMin: 85 },
    'large on large-1, late',
  ],
  [
    'loads nothing while something loaded can serve: that is the plan’s affair',
    [loaded[0]!, large],
    { latencyMs: 2_000 },
    'small on small-1',
  ],
  ['loads where nothing is loaded', [small, large], { latencyMs: 2_000 }, 'large cold on w1'],
  [
    'leaves overloaded and interfered instances for want of others',
    [loaded[0]!, { ...large, instances: [{ state: 'overloaded' }, { state: 'interfered' }] }],
    { latencyMs: 200 },
    'small on small-1',
  ],
  [
    'refuses what would be late, if the query wants that',
    crowded(2_000),
    { latencyMs: 200, onMiss: 'reject' },
    'slo_infeasible',
  ],
];

describe('selection by ours', () => {
  for (const [behaviour, variants, query, outcome] of cases) {
    it(behaviour, () => {
      expect(outcomeOf({ variants }, query)).to.equal(outcome);
    });
  }

  /** From the least accurate, `free` of them idle; the others answer in time, with nothing left. */
  function mostlyBusy(count: number, free: number): VariantSketch[] {
    return Array.from({ length: count }, (_, at) => ({
      ...{ id: `v${String(at)}`, accuracy: 50 + (40 * at) / count, ms: 10 },
      instances: [{ backlogMs: at < free ? 0 : 150 }],
    }));
  }

  it('finds the one that has time behind all that are more accurate and busy', () => {
    for (const count of [2, 10, 30]) {
      const variants = mostlyBusy(count, 1);
      expect(outcomeOf({ variants }, { latencyMs: 200 }), `of ${count}`).to.equal('v0 on v0-1');
    }
  });

  it('finds one that has time among a thousand', () => {
    const variants = mostlyBusy(1_000, 500);
    const [found = ''] = outcomeOf({ variants }, { latencyMs: 200 }).split(' ');
    expect(Number(found.slice(1))).to.be.below(500);
  });
});
