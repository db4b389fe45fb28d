/** What every selection policy keeps to, whatever the fleet and the query. */

import { expect } from 'chai';
import fc from 'fast-check';

import {
  type Selection,
  selectionPolicies,
  type SelectionPolicyName,
} from '../../../../actors/policy/selection/index.ts';
import { seededRandom } from '../../../../runtime/random.ts';
import {
  activeInTime,
  anyFleet,
  anyQuery,
  idleFleet,
  meets,
  queryOf,
} from '../../../support/fleet-view.ts';

type Placed = Extract<Selection, { kind: 'place' }>;

function placed(selection: Selection): Placed {
  if (selection.kind === 'refuse') throw new Error(`refused: ${selection.error.message}`);
  return selection;
}

/** Policies that count what is queued. */
const fitting: readonly SelectionPolicyName[] = ['cheapest', 'most-accurate'];
/** Policies that heed latency at all; the other baselines do not, on purpose. */
const heeding: readonly SelectionPolicyName[] = [...fitting, 'infaas-paper', 'infaas-released'];
const all = Object.keys(selectionPolicies) as SelectionPolicyName[];

for (const name of all) {
  const select = selectionPolicies[name];

  describe(`selection policy ${name}`, () => {
    it('never gives less accuracy or costs more than asked', () => {
      fc.assert(
        fc.property(anyFleet, anyQuery, (view, query) => {
          const selection = select(view, query, seededRandom(1));
          if (selection.kind === 'place') expect(meets(selection.variant, query)).to.equal(true);
          const { preload } = selection;
          if (preload !== undefined) expect(meets(preload.variant, query)).to.equal(true);
        }),
      );
    });

    it('decides the same for the same view, query and random stream', () => {
      fc.assert(
        fc.property(anyFleet, anyQuery, fc.nat(), (view, query, seed) => {
          const first = select(view, query, seededRandom(seed));
          const again = select(view, query, seededRandom(seed));
          expect(again).to.deep.equal(first);
        }),
      );
    });

    it('refuses exactly those that no variant can satisfy or no worker can hold', () => {
      fc.assert(
        fc.property(anyFleet, anyQuery, (view, drawn) => {
          const query = { ...drawn, onMiss: 'best-effort' as const };
          const selection = select(view, query, seededRandom(1));
          const candidates = view.variants.filter((variant) => meets(variant, query));
          const can = candidates.some(
            (variant) =>
              view.workers.some((worker) => worker.memoryFreeBytes >= variant.memoryBytes) ||
              variant.instances.some(({ state }) => !/migrating|draining/.test(state)),
          );
          expect(selection.kind).to.equal(can ? 'place' : 'refuse');
          if (selection.kind === 'place') return;
          const code = candidates.length === 0 ? 'slo_infeasible' : 'unavailable';
          expect(selection.error.code).to.equal(code);
        }),
      );
    });

    it('names a nearest accuracy and cost that can be had', () => {
      fc.assert(
        fc.property(anyFleet, anyQuery, (view, drawn) => {
          let query = { ...drawn, onMiss: 'best-effort' as const };
          fc.pre(!view.variants.some((variant) => meets(variant, query)));
          for (let asked = 0; asked < 2; asked += 1) {
            const selection = select(view, query, seededRandom(1));
            if (selection.kind === 'place' || selection.error.code !== 'slo_infeasible') return;
            const nearest = selection.error.details['nearest'] as Partial<typeof query.slo>;
            const [field] = Object.entries(nearest);
            query = { ...query, slo: { ...query.slo, ...Object.fromEntries([field!]) } };
          }
          expect(view.variants.some((variant) => meets(variant, query))).to.equal(true);
        }),
      );
    });

    it('loads only where there is room', () => {
      fc.assert(
        fc.property(anyFleet, anyQuery, (view, query) => {
          const selection = select(view, query, seededRandom(1));
          const { preload } = selection;
          const cold = selection.kind === 'place' && selection.instance === undefined;
          for (const load of [preload, cold ? selection : undefined]) {
            if (load === undefined) continue;
            expect(load.worker.memoryFreeBytes).to.be.at.least(load.variant.memoryBytes);
          }
        }),
      );
    });
  });
}

for (const name of heeding) {
  const select = selectionPolicies[name];

  describe(`latency by policy ${name}`, () => {
    it('is never worse for a query that asks for less of it', () => {
      const latency = fc.integer({ min: 1, max: 1_000 });
      fc.assert(
        fc.property(idleFleet, latency, latency, (view, one, other) => {
          const [tight, loose] = [Math.min(one, other), Math.max(one, other)];
          const fast = placed(select(view, queryOf({ latencyMs: tight }), seededRandom(1)));
          const slow = placed(select(view, queryOf({ latencyMs: loose }), seededRandom(1)));
          expect(fast.predictedMs).to.be.at.most(slow.predictedMs);
        }),
      );
    });

    it('is kept or the query is refused with onMiss reject', () => {
      fc.assert(
        fc.property(anyFleet, anyQuery, (view, drawn) => {
          const query = { ...drawn, onMiss: 'reject' as const };
          const selection = select(view, query, seededRandom(1));
          if (selection.kind === 'refuse') return;
          expect(selection.predictedMs).to.be.at.most(query.sloLeftMs);
        }),
      );
    });
  });
}

for (const name of fitting) {
  const select = selectionPolicies[name];

  describe(`queues by policy ${name}`, () => {
    it('never make it late while an active instance answers in time', () => {
      fc.assert(
        fc.property(anyFleet, anyQuery, (view, query) => {
          const inTime = activeInTime(view, query);
          fc.pre(inTime.length > 0);
          const { instance, missed } = placed(select(view, query, seededRandom(1)));
          expect(inTime).to.include(instance);
          expect(missed).to.deep.equal([]);
        }),
      );
    });

    it('are in the nearest latency that a refusal names: the least that is not refused', () => {
      fc.assert(
        fc.property(anyFleet, anyQuery, (view, drawn) => {
          const query = { ...drawn, onMiss: 'reject' as const };
          const selection = select(view, query, seededRandom(1));
          if (selection.kind === 'place') return;
          const nearest = selection.error.details['nearest'] as { latencyMs?: number } | undefined;
          if (nearest?.latencyMs === undefined) return;
          const { latencyMs } = nearest;
          const { slo } = query;
          const eased = { ...query, slo: { ...slo, latencyMs }, sloLeftMs: latencyMs };
          expect(placed(select(view, eased, seededRandom(1))).missed).to.deep.equal([]);
          const still = { ...eased, sloLeftMs: latencyMs - 0.2 };
          expect(select(view, still, seededRandom(1)).kind).to.equal('refuse');
        }),
      );
    });
  });
}
