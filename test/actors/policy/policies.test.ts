/**
 * What every whole policy keeps to, decision by decision: its selection, batching, scaling, and
 * fleet part, each with and without a plan. `policies.sim.test.ts` has them in whole systems.
 */

import { expect } from 'chai';
import fc from 'fast-check';

import { batchPolicies } from '../../../actors/policy/batching/index.ts';
import type { BatchView } from '../../../actors/policy/batching/plan.ts';
import { type FleetScaler, fleetPolicies } from '../../../actors/policy/fleet/index.ts';
import type { FleetAction, FleetView } from '../../../actors/policy/fleet/view.ts';
import { type Policy, policies } from '../../../actors/policy/policies.ts';
import { type Scaler, scalingPolicies } from '../../../actors/policy/scaling/index.ts';
import type { ScaleAction, ScalingView } from '../../../actors/policy/scaling/view.ts';
import { type Selection, selectionPolicies } from '../../../actors/policy/selection/index.ts';
import { seededRandom } from '../../../runtime/random.ts';
import { fleetView, fleetWorker, placed } from '../../support/fleet-scaling.ts';
import { anyFleet, anyQuery, idleFleet, queryOf } from '../../support/fleet-view.ts';
import { instanceView, scalingView } from '../../support/scaling-view.ts';
import { mebibyte, perQuery, variantOf } from '../../support/variants.ts';

const variants = [1, 4, 16].map((ms, at) =>
  variantOf(`v${at}`, { latency: perQuery(ms), memoryBytes: (at + 1) * 6 * mebibyte }),
);
const anyId = fc.constantFrom(...variants.map(({ id }) => id));
const anyCounts = fc.dictionary(anyId, fc.nat(4));
const states = ['active', 'overloaded', 'interfered', 'loading', 'draining'] as const;

/** A worker with or without a plan for it, fresh or stale. */
const anyWorker: fc.Arbitrary<ScalingView> = fc
  .record({
    instances: fc.array(
      fc.record({
        variantId: anyId,
        state: fc.constantFrom(...states),
        rateQps: fc.nat(300),
        idleMs: fc.nat(100_000),
      }),
      { maxLength: 6 },
    ),
    freeMib: fc.nat(40),
    plan: fc.option(fc.record({ counts: anyCounts, agoMs: fc.nat(40_000) }), { nil: undefined }),
  })
  .map(({ instances, freeMib, plan }) =>
    scalingView(
      variants,
      instances.map(({ variantId, ...rest }, at) =>
        instanceView(variantId, { ...rest, id: `w1/i-${at}` }),
      ),
      {
        nowMs: 100_000,
        memoryFreeBytes: freeMib * mebibyte,
        plan: plan && { counts: plan.counts, atMs: 100_000 - plan.agoMs },
      },
    ),
  );

const heldMib = 64;
const anyMachines: fc.Arbitrary<FleetView> = fc
  .record({
    workers: fc.array(
      fc.record({
        utilisation: fc.integer({ min: 0, max: 100 }).map((percent) => percent / 100),
        usedMib: fc.nat(heldMib),
        removable: fc.boolean(),
        instances: fc.array(
          fc.record({ of: fc.nat(2), mib: fc.integer({ min: 1, max: 30 }), tenths: fc.nat(5) }),
          { maxLength: 4 },
        ),
      }),
      { maxLength: 5 },
    ),
    starting: fc.nat(2),
    min: fc.nat(3),
    more: fc.nat(4),
    asking: fc.nat(3),
    wanted: fc.option(fc.nat(12), { nil: undefined }),
  })
  .map(({ workers, starting, min, more, asking, wanted }) =>
    fleetView(
      workers.map(({ usedMib, instances, ...rest }, at) =>
        fleetWorker(`w${at}`, {
          ...{ ...rest, memoryUsedBytes: usedMib * mebibyte },
          instances: instances.map(({ of, mib, tenths }) =>
            placed(`v${of}`, { memoryBytes: mib * mebibyte, unitsUsed: tenths / 10 }),
          ),
        }),
      ),
      {
        limits: { cpu: { min, max: min + more } },
        starting: Array.from({ length: starting }, () => ({ kind: 'cpu' as const })),
        unplaced: Array.from({ length: asking }, (_, at) => ({
          ...{ variantId: 'v0', hardware: 'cpu' as const, memoryBytes: mebibyte, from: `w${at}` },
        })),
        plan: wanted === undefined ? undefined : { machines: { cpu: wanted } },
      },
    ),
  );

const anyBatch: fc.Arbitrary<BatchView> = fc
  .record({
    dueMs: fc.array(fc.integer({ min: -50, max: 500 }), { minLength: 1, maxLength: 12 }),
    stepsMs: fc.array(fc.integer({ min: 1, max: 40 }), { minLength: 1, maxLength: 8 }),
    arrivalsPerMs: fc.nat(40).map((each) => each / 20),
  })
  .map(({ dueMs, stepsMs, arrivalsPerMs }) => {
    let ms = 0;
    return {
      ...{ nowMs: 0, arrivalsPerMs },
      queue: dueMs.sort((a, b) => a - b).map((due) => ({ dueMs: due, size: 1 })),
      latencyMs: Float64Array.from([0, ...stepsMs.map((step) => (ms += step))]),
    };
  });

/** Its decision now, and after its patience ran out looking at the same. */
function scaled(scaler: Scaler, view: ScalingView): ScaleAction[][] {
  const [now, next] = scaler(view);
  let then = next;
  for (let slot = 1; slot < 15; slot += 1) {
    then = then({ ...view, nowMs: view.nowMs + slot * 1_000 })[1];
  }
  const [later] = then({ ...view, nowMs: view.nowMs + 15_000 });
  return [now, later].map((decisions) => decisions.flatMap(({ actions }) => [...actions]));
}

function sized(scaler: FleetScaler, view: FleetView): FleetAction[][] {
  const [now, next] = scaler(view);
  const [later] = next({ ...view, nowMs: view.nowMs + view.rules.releaseAfterMs });
  return [now, later].map((decisions) => decisions.map(({ action }) => action));
}

function predictedMs(selection: Selection): number {
  if (selection.kind === 'refuse') throw new Error(`refused: ${selection.error.message}`);
  return selection.predictedMs;
}

for (const [name, policy] of Object.entries<Policy>(policies)) {
  const select = selectionPolicies[policy.selection];
  const plan = batchPolicies[policy.batching];
  const scale = scalingPolicies[policy.scaling];
  const size = fleetPolicies[policy.fleet];

  describe(`the whole policy ${name}`, () => {
    it('gives nothing slower for a tighter SLO', () => {
      const latency = fc.integer({ min: 1, max: 1_000 });
      fc.assert(
        fc.property(idleFleet, latency, latency, fc.nat(), (view, one, other, seed) => {
          const [tight, loose] = [Math.min(one, other), Math.max(one, other)].map((latencyMs) =>
            predictedMs(select(view, queryOf({ latencyMs }), seededRandom(seed))),
          );
          expect(tight).to.be.at.most(loose!);
        }),
      );
    });

    it('places no query and loads nothing where there is no room', () => {
      fc.assert(
        fc.property(anyFleet, anyQuery, (view, query) => {
          const selection = select(view, query, seededRandom(1));
          const isCold = selection.kind === 'place' && selection.instance === undefined;
          for (const load of [selection.preload, isCold ? selection : undefined]) {
            if (load === undefined) continue;
            expect(load.worker.memoryFreeBytes).to.be.at.least(load.variant.memoryBytes);
          }
        }),
      );
    });

    it('never has a worker load more than its free memory', () => {
      fc.assert(
        fc.property(anyWorker, (view) => {
          for (const actions of scaled(scale, view)) {
            let bytes = 0;
            for (const action of actions) {
              if (action.do !== 'load' && action.do !== 'replace') continue;
              const variant = variants.find(({ id }) => id === action.variantId);
              const count = action.do === 'load' ? action.count : 1;
              bytes += count * variant!.profile.memoryBytes;
            }
            expect(bytes).to.be.at.most(view.memoryFreeBytes);
          }
        }),
      );
    });

    it('never exceeds the limits of the fleet, nor moves more to a machine than it holds', () => {
      fc.assert(
        fc.property(anyMachines, (view) => {
          const { min, max } = view.limits.cpu!;
          for (const actions of sized(size, view)) {
            let count = view.workers.length + view.starting.length;
            const freeBytes = new Map(
              view.workers.map(({ id, memoryUsedBytes }) => [
                id,
                heldMib * mebibyte - memoryUsedBytes,
              ]),
            );
            for (const action of actions) {
              if (action.do === 'add') {
                count += action.count;
                expect(count).to.be.at.most(max);
                continue;
              }
              count -= 1;
              expect(count).to.be.at.least(min);
              const leaving = view.workers.find(({ id }) => id === action.workerId)!;
              expect(leaving.removable).to.equal(true);
              for (const { variantId, to } of action.moves) {
                expect(to).to.not.equal(leaving.id);
                const sizes = leaving.instances
                  .filter((each) => each.variantId === variantId)
                  .map(({ memoryBytes }) => memoryBytes);
                freeBytes.set(to, freeBytes.get(to)! - Math.min(...sizes));
                expect(freeBytes.get(to)).to.be.at.least(0);
              }
            }
          }
        }),
      );
    });

    it('runs a queue dry: it runs some of it, or waits no longer than its last due time', () => {
      fc.assert(
        fc.property(anyBatch, (view) => {
          const decided = plan(view);
          if (decided.do === 'run') {
            expect(decided.count).to.be.within(1, view.queue.length);
            return;
          }
          expect(decided.untilMs).to.be.within(view.nowMs, view.queue.at(-1)!.dueMs);
          expect(decided.untilMs).to.be.above(view.nowMs);
        }),
      );
    });

    it('decides the same of the same, in all its parts', () => {
      fc.assert(
        fc.property(anyFleet, anyQuery, fc.nat(), (view, query, seed) => {
          const decide = (): Selection => select(view, query, seededRandom(seed));
          expect(decide()).to.deep.equal(decide());
        }),
      );
      fc.assert(
        fc.property(anyWorker, anyMachines, anyBatch, (worker, machines, batch) => {
          expect(scaled(scale, worker)).to.deep.equal(scaled(scale, worker));
          expect(sized(size, machines)).to.deep.equal(sized(size, machines));
          expect(plan(batch)).to.deep.equal(plan(batch));
        }),
      );
    });
  });
}
