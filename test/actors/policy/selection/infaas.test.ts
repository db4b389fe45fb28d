/** The two readings of INFaaS' selection, and the round-robin baseline, case by case. */

import { expect } from 'chai';

import {
  type Selection,
  selectionPolicies,
  type SelectionPolicyName,
} from '../../../../actors/policy/selection/index.ts';
import { seededRandom } from '../../../../runtime/random.ts';
import {
  fleetOf,
  type FleetSketch,
  queryOf,
  type QuerySketch,
  workerOf,
} from '../../../support/fleet-view.ts';

function select(
  policy: SelectionPolicyName,
  fleet: FleetSketch,
  query: QuerySketch,
  seed = 1,
): string {
  return outcomeOf(selectionPolicies[policy](fleetOf(fleet), queryOf(query), seededRandom(seed)));
}

function outcomeOf(selection: Selection): string {
  if (selection.kind === 'refuse') return selection.error.code;
  const { variant, instance, worker, missed } = selection;
  const where = instance === undefined ? `cold on ${worker.id}` : `on ${instance.id}`;
  return `${variant.id} ${where}${missed.length > 0 ? ', late' : ''}`;
}

const workers = [workerOf('w1', { utilisation: 0.9 }), workerOf('w2', { utilisation: 0.2 })];
const rough = { id: 'rough', accuracy: 70, costUsd: 1, ms: 5, loadMs: 100 };
const middle = { id: 'middle', accuracy: 80, costUsd: 2, ms: 40, loadMs: 300 };
const fine = { id: 'fine', accuracy: 95, costUsd: 8, ms: 90, loadMs: 900 };

describe('selection policy infaas-paper', () => {
  const decide = (fleet: FleetSketch, query: QuerySketch): string =>
    select('infaas-paper', fleet, query);

  it('takes the cheapest active variant that meets it, on its least-loaded worker', () => {
    const instances = [{ worker: 'w1' }, { worker: 'w2' }];
    const variants = [
      { ...rough, instances },
      { ...middle, instances },
    ];
    expect(decide({ variants, workers }, { latencyMs: 50 })).to.equal('rough on rough-2');
    expect(decide({ variants, workers }, { accuracyMin: 75, latencyMs: 50 })).to.equal(
      'middle on middle-2',
    );
  });

  it('never takes an overloaded or interfered one, nor counts what is queued', () => {
    const variants = [
      { ...rough, instances: [{ state: 'overloaded' as const }] },
      { ...middle, instances: [{ state: 'interfered' as const }] },
      { ...fine, instances: [{ backlogMs: 5_000 }] },
    ];
    expect(decide({ variants }, { latencyMs: 100 })).to.equal('fine on fine-1, late');
  });

  it('else loads the one of least load and inference time, on the least-used worker', () => {
    const variants = [fine, { ...middle, loadMs: 50 }, rough];
    expect(decide({ variants, workers }, { latencyMs: 500 })).to.equal('middle cold on w2');
  });

  it('else takes what comes closest, or refuses', () => {
    const variants = [{ ...fine, instances: [{}] }];
    expect(decide({ variants }, { latencyMs: 10 })).to.equal('fine on fine-1, late');
    expect(decide({ variants }, { latencyMs: 10, onMiss: 'reject' })).to.equal('slo_infeasible');
    expect(decide({ variants }, { accuracyMin: 99 })).to.equal('slo_infeasible');
  });
});

describe('selection policy infaas-released', () => {
  const decide = (fleet: FleetSketch, query: QuerySketch, seed = 1): string =>
    select('infaas-released', fleet, query, seed);

  it('takes the running variant that leaves least of the SLO', () => {
    const variants = [rough, middle, fine].map((variant) => ({ ...variant, instances: [{}] }));
    expect(decide({ variants }, { latencyMs: 100 })).to.equal('fine on fine-1');
    expect(decide({ variants }, { latencyMs: 50 })).to.equal('middle on middle-1');
  });

  it('takes a running one before any that would have to be loaded', () => {
    const variants = [{ ...rough, instances: [{}] }, middle, fine];
    expect(decide({ variants }, { latencyMs: 95 })).to.equal('rough on rough-1');
  });

  it('spares fast variants when the SLO is loose, unless there is nothing else', () => {
    const slow = { id: 'slow', accuracy: 75, costUsd: 1, ms: 150, instances: [{}] };
    const variants = [{ ...rough, instances: [{}] }, slow];
    expect(decide({ variants }, { latencyMs: 200 })).to.equal('slow on slow-1');
    expect(decide({ variants: [variants[0]!] }, { latencyMs: 200 })).to.equal('rough on rough-1');
  });

  it('looks at few variants when the SLO is tight, from the least accurate that is enough', () => {
    const many = Array.from({ length: 6 }, (_, at) => ({
      ...{ id: `v${at}`, accuracy: 70 + at, costUsd: 1, ms: 4 + at, instances: [{}] },
    }));
    expect(decide({ variants: many }, { latencyMs: 12 })).to.equal('v2 on v2-1');
    expect(decide({ variants: many }, { latencyMs: 12, accuracyMin: 72 })).to.equal('v4 on v4-1');
    expect(decide({ variants: many }, { latencyMs: 40 })).to.equal('v5 on v5-1');
  });

  it('draws one of the three least busy instances', () => {
    const instances = [90, 0, 60, 30].map((backlogMs) => ({ backlogMs }));
    const variants = [{ ...rough, instances }];
    const drawn = new Set(
      Array.from({ length: 40 }, (_, seed) => decide({ variants }, { latencyMs: 99 }, seed)),
    );
    expect([...drawn].sort()).to.deep.equal([
      'rough on rough-2',
      'rough on rough-3',
      'rough on rough-4',
    ]);
  });

  it('else loads by load and inference time', () => {
    expect(decide({ variants: [middle, fine], workers }, { latencyMs: 95 })).to.equal(
      'middle cold on w2, late',
    );
  });
});

describe('selection policy round-robin', () => {
  it('gives each loaded instance that qualifies its turn', () => {
    const variants = [
      { ...rough, instances: [{ sent: 3 }, { sent: 2 }] },
      { ...fine, instances: [{ sent: 2 }] },
    ];
    expect(select('round-robin', { variants }, {})).to.equal('fine on fine-1');
    expect(select('round-robin', { variants }, { costUsdMax: 2 })).to.equal('rough on rough-2');
  });

  it('loads the cheapest when none is loaded', () => {
    expect(select('round-robin', { variants: [fine, middle], workers }, {})).to.equal(
      'middle cold on w2',
    );
  });
});
