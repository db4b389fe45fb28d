/** Joint plans: what they buy and mix, that they can be carried out, and where they are put. */

import { expect } from 'chai';
import fc from 'fast-check';

import { assignPlan, type AssignWorker } from '../../../../actors/policy/planning/assign.ts';
import { planGreedily } from '../../../../actors/policy/planning/greedy.ts';
import { milpOf, planOf } from '../../../../actors/policy/planning/milp.ts';
import {
  defaultPlanRules,
  faultOf,
  type PlanClass,
  type PlanMachines,
  type PlanOption,
  type PlanProblem,
  usableUnits,
} from '../../../../actors/policy/planning/problem.ts';

const gibibyte = 2 ** 30;

function option(variantId: string, parts: Partial<PlanOption> = {}): PlanOption {
  return {
    ...{ variantId, kind: 'cpu', accuracy: 80, unitQps: 50, memoryBytes: gibibyte / 8 },
    ...{ loadMs: 200, loaded: true },
    ...parts,
  };
}

function machines(parts: Partial<PlanMachines> = {}): PlanMachines {
  return {
    ...{ kind: 'cpu', units: 4, memoryBytes: 8 * gibibyte, usdPerHour: 0.2 },
    ...{ now: 1, min: 1, max: 8 },
    ...parts,
  };
}

function problem(classes: readonly PlanClass[], ...kinds: PlanMachines[]): PlanProblem {
  return { classes, machines: kinds.length > 0 ? kinds : [machines()], rules: defaultPlanRules };
}

const fast = option('fast', { accuracy: 75, unitQps: 100 });
const slow = option('slow', { accuracy: 85, unitQps: 20 });
const both = [slow, fast];
const usable = usableUnits(4, defaultPlanRules.staffing);

/** Rate by variant. */
function ratesOf(of: PlanProblem): Record<string, number> {
  const rates: Record<string, number> = {};
  for (const { classAt, optionAt, rateQps } of planGreedily(of).shares) {
    const { variantId } = of.classes[classAt]!.options[optionAt]!;
    rates[variantId] = (rates[variantId] ?? 0) + rateQps;
  }
  return rates;
}

describe('the joint plan', () => {
  it('gives all accuracy that the machines have room for, and buys none for it', () => {
    const low = problem([{ key: 'k', rateQps: 20, options: both }]);
    expect(ratesOf(low)).to.deep.equal({ slow: 20 });
    expect(planGreedily(low).machines).to.deep.equal({ cpu: 1 });
  });

  it('mixes where the room is not enough for all', () => {
    const { slow: accurate = 0, fast: quick = 0 } = ratesOf(
      problem([{ key: 'k', rateQps: 200, options: both }]),
    );
    expect(accurate + quick).to.be.closeTo(200, 1e-6);
    expect(accurate / 20 + quick / 100).to.be.closeTo(usable, 1e-6);
  });

  it('buys the fewest machines that carry the load', () => {
    const plan = planGreedily(problem([{ key: 'k', rateQps: 1_000, options: both }]));
    const count = plan.machines.cpu ?? 0;
    expect(100 * usableUnits(4 * count, defaultPlanRules.staffing)).to.be.above(1_000);
    expect(100 * usableUnits(4 * (count - 1), defaultPlanRules.staffing)).to.be.below(1_000);
    expect(plan.unservedQps).to.equal(0);
  });

  it('gives machines up when nothing needs them, never below the least', () => {
    const plan = planGreedily(
      problem([{ key: 'k', rateQps: 5, options: both }], machines({ now: 6, min: 2 })),
    );
    expect(plan.machines).to.deep.equal({ cpu: 2 });
  });

  it('takes the kind of hardware that costs less for the load', () => {
    const gpu = option('gpu', { kind: 'cuda', accuracy: 85, unitQps: 3_000 });
    const kinds = [
      machines({ min: 0, now: 0, max: 30 }),
      machines({ kind: 'cuda', units: 1, usdPerHour: 3, min: 0, now: 0 }),
    ];
    const machinesAt = (rateQps: number): unknown =>
      planGreedily(problem([{ key: 'k', rateQps, options: [gpu, ...both] }], ...kinds)).machines;
    expect(machinesAt(100)).to.deep.equal({ cpu: 1, cuda: 0 });
    const { cpu = 0, cuda = 0 } = machinesAt(10_000) as Record<string, number>;
    expect(0.2 * cpu + 3 * cuda).to.be.below(0.2 * 28);
  });

  it('leaves unserved what there is no machine for, and says how much', () => {
    const plan = planGreedily(
      problem([{ key: 'k', rateQps: 1_000, options: [fast] }], machines({ max: 1 })),
    );
    expect(plan.unservedQps).to.be.closeTo(1_000 - 100 * usable, 1e-6);
  });

  it('buys machines for their memory where that is what is short', () => {
    const classes = Array.from({ length: 10 }, (_, at) => ({
      ...{ key: `k${String(at)}`, rateQps: 1 },
      options: [option(`v${String(at)}`, { memoryBytes: gibibyte })],
    }));
    const asked = problem(classes, machines({ memoryBytes: 4 * gibibyte }));
    const plan = planGreedily(asked);
    // Three of them fit into four fifths of four.
    expect(plan.machines).to.deep.equal({ cpu: 4 });
    expect(plan.unservedQps).to.be.closeTo(0, 1e-6);
    const cramped = planGreedily(problem(classes, machines({ memoryBytes: 4 * gibibyte, max: 2 })));
    expect(cramped.unservedQps).to.be.closeTo(4, 1e-6);
    expect(faultOf(asked, { ...plan, machines: { cpu: 2 } })).to.equal('cpu lacks memory');
  });

  it('gives a variant the memory of as many instances as its work needs', () => {
    const only = option('only', { unitQps: 50, memoryBytes: 2 * gibibyte });
    const asked = problem(
      [{ key: 'k', rateQps: 140, options: [only] }],
      machines({ units: 8, memoryBytes: 8 * gibibyte, max: 1 }),
    );
    // Three instances of 70 % of a unit each.
    expect(planGreedily(asked).unservedQps).to.be.closeTo(140 - 3 * 0.7 * 50, 1e-6);
  });

  it('plans nothing that no machine can hold', () => {
    const huge = option('huge', { memoryBytes: 10 * gibibyte });
    const plan = planGreedily(problem([{ key: 'k', rateQps: 10, options: [huge] }]));
    expect(plan.unservedQps).to.equal(10);
    expect(plan.machines).to.deep.equal({ cpu: 1 });
  });

  it('gives a better variant the memory of the one that it replaces', () => {
    const least = option('least', { accuracy: 60, memoryBytes: 4 * gibibyte });
    const good = option('good', { accuracy: 90, memoryBytes: 4 * gibibyte });
    const rates = ratesOf(
      problem(
        [{ key: 'k', rateQps: 10, options: [good, least] }],
        machines({ memoryBytes: 8 * gibibyte, max: 1 }),
      ),
    );
    expect(rates).to.deep.equal({ good: 10 });
  });

  it('trades no memory away twice', () => {
    const classes: PlanClass[] = [
      {
        ...{ key: 'a', rateQps: 10 },
        options: [
          option('t', { accuracy: 60, unitQps: 100, memoryBytes: gibibyte / 2 }),
          option('f', { accuracy: 70, unitQps: 20, memoryBytes: gibibyte / 10 }),
        ],
      },
      {
        ...{ key: 'b', rateQps: 50 },
        options: [
          option('o', { accuracy: 60, unitQps: 100, memoryBytes: gibibyte / 10 }),
          option('n', { accuracy: 70, unitQps: 50, memoryBytes: gibibyte }),
        ],
      },
    ];
    const tight = machines({ units: 1.6, memoryBytes: 1.875 * gibibyte, max: 1 });
    const asked = problem(classes, tight);
    expect(faultOf(asked, planGreedily(asked))).to.equal(undefined);
  });

  it('trades between classes where one gains more than the other loses', () => {
    const steep = [option('a1', { accuracy: 90, unitQps: 25 }), option('a0', { accuracy: 50 })];
    const flat = [option('b1', { accuracy: 76, unitQps: 25 }), option('b0', { accuracy: 75 })];
    const rates = ratesOf(
      problem([
        { key: 'flat', rateQps: 40, options: flat },
        { key: 'steep', rateQps: 40, options: steep },
      ]),
    );
    expect(rates['a1']).to.be.closeTo(40, 1e-6);
    expect(rates['b1']).to.be.within(25, 39);
  });

  const anyProblem = fc
    .record({
      variants: fc.array(
        fc.record({
          accuracy: fc.integer({ min: 50, max: 95 }),
          unitQps: fc.integer({ min: 1, max: 200 }),
          kind: fc.constantFrom('cpu' as const, 'cuda' as const),
          memoryBytes: fc.constantFrom(gibibyte / 8, gibibyte / 2, gibibyte, 3 * gibibyte),
          loaded: fc.boolean(),
        }),
        { minLength: 1, maxLength: 8 },
      ),
      classes: fc.array(
        fc.record({
          rateQps: fc.integer({ min: 1, max: 500 }),
          choices: fc.uniqueArray(fc.nat(7), { minLength: 1, maxLength: 5 }),
        }),
        { maxLength: 5 },
      ),
      cpus: fc.nat(5),
      gpus: fc.nat(2),
      memoryEighths: fc.integer({ min: 1, max: 32 }),
    })
    .map(({ variants, classes, cpus, gpus, memoryEighths }) =>
      problem(
        // Classes share variants, as they share tasks.
        classes.map(({ rateQps, choices }, k) => ({
          ...{ key: `k${k}`, rateQps },
          options: [...new Set(choices.map((choice) => choice % variants.length))].map((v) =>
            option(`v${v}`, variants[v]),
          ),
        })),
        machines({ now: cpus, min: 0, max: 6, memoryBytes: (memoryEighths * gibibyte) / 8 }),
        machines({
          kind: 'cuda',
          memoryBytes: gibibyte,
          units: 1,
          usdPerHour: 1,
          now: gpus,
          min: 0,
          max: 3,
        }),
      ),
    );

  it('can be carried out, whatever it is asked, and is the same for the same', () => {
    fc.assert(
      fc.property(anyProblem, (asked) => {
        const plan = planGreedily(asked);
        expect(faultOf(asked, plan)).to.equal(undefined);
        expect(planGreedily(asked)).to.deep.equal(plan);
      }),
    );
  });

  it('never puts more on a worker than its memory holds', () => {
    fc.assert(
      fc.property(anyProblem, fc.integer({ min: 1, max: 8 }), (asked, eighths) => {
        const workers: AssignWorker[] = ['a', 'b', 'c'].map((id) => ({
          ...{ id, kind: id === 'c' ? 'cuda' : 'cpu', units: 4, loaded: {} },
          memoryBytes: (eighths * gibibyte) / 4,
        }));
        const assignment = assignPlan(asked, planGreedily(asked), workers);
        const all = asked.classes.flatMap(({ options }) => options);
        const bytesOf = (id: string): number =>
          all.find(({ variantId }) => variantId === id)?.memoryBytes ?? 0;
        for (const counts of Object.values(assignment)) {
          const held = Object.entries(counts).reduce((sum, [id, n]) => sum + n * bytesOf(id), 0);
          expect(held).to.be.at.most((eighths * gibibyte) / 4);
        }
      }),
    );
  });

  it('keeps what is loaded where it is', () => {
    const asked = problem([{ key: 'k', rateQps: 20, options: [slow] }]);
    const on = (loaded: AssignWorker['loaded'], id: string): AssignWorker => ({
      ...{ id, kind: 'cpu', units: 4, memoryBytes: 8 * gibibyte, loaded },
    });
    const plan = planGreedily(asked);
    const { a, b } = assignPlan(asked, plan, [on({}, 'a'), on({ slow: 2 }, 'b')]);
    expect(b!['slow']).to.be.at.least(2);
    expect((a!['slow'] ?? 0) + b!['slow']!).to.be.below(5);
  });

  it('is written as a program that a solver reads, and read from its columns', () => {
    const asked = problem([{ key: 'k', rateQps: 20, options: both }]);
    const text = milpOf(asked, planGreedily(asked));
    expect(text).to.contain(' d0: r0 + z0_0 + z0_1 = 20');
    expect(text).to.contain(' 1 <= m_cpu <= 8');
    expect(text).to.match(/General\n m_cpu\nEnd\n$/);
    const values: Record<string, number> = { z0_0: 20, m_cpu: 1 };
    const plan = planOf(asked, (column) => values[column] ?? 0);
    expect(plan.shares).to.deep.equal([{ classAt: 0, optionAt: 0, rateQps: 20 }]);
    expect(faultOf(asked, plan)).to.equal(undefined);
    expect(faultOf(asked, { ...plan, machines: { cpu: 0 } })).to.match(/not allowed/);
  });
});
