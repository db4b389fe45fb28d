/** The exact solver: never worse than the greedy plan, and what it says is checked. */

import { expect } from 'chai';
import fc from 'fast-check';

import { planGreedily } from '../../../actors/policy/planning/greedy.ts';
import {
  defaultPlanRules,
  faultOf,
  type PlanProblem,
} from '../../../actors/policy/planning/problem.ts';
import { createSolver, type Solver } from '../../../nodes/planner/solve.ts';

const gibibyte = 2 ** 30;

const anyProblem: fc.Arbitrary<PlanProblem> = fc
  .array(
    fc.record({
      rateQps: fc.integer({ min: 10, max: 300 }),
      options: fc.array(
        fc.record({
          accuracy: fc.integer({ min: 50, max: 95 }),
          unitQps: fc.integer({ min: 5, max: 200 }),
        }),
        { minLength: 1, maxLength: 5 },
      ),
    }),
    { minLength: 1, maxLength: 6 },
  )
  .map((classes) => ({
    classes: classes.map(({ rateQps, options }, k) => ({
      ...{ key: `k${k}`, rateQps },
      options: options.map((parts, o) => ({
        ...{ variantId: `v${k}-${o}`, kind: 'cpu' as const, memoryBytes: gibibyte / 8 },
        ...{ loadMs: 200, loaded: true },
        ...parts,
      })),
    })),
    machines: [
      {
        ...{ kind: 'cpu' as const, units: 8, memoryBytes: 32 * gibibyte, usdPerHour: 0.4 },
        ...{ now: 2, min: 2, max: 2 },
      },
    ],
    rules: defaultPlanRules,
  }));

describe('the planner’s solver', () => {
  let solve: Solver;

  before(async () => {
    solve = await createSolver();
  });

  it('is never worse than the greedy plan, sometimes better, and always sound', () => {
    let better = 0;
    fc.assert(
      fc.property(anyProblem, (problem) => {
        const plan = solve(problem, { solverS: 1, gap: 1e-4 });
        const greedy = planGreedily(problem);
        expect(faultOf(problem, plan)).to.equal(undefined);
        expect(plan.value).to.be.at.least(greedy.value - 1e-9);
        if (plan.by === 'milp') better += 1;
      }),
      { numRuns: 60, seed: 1 },
    );
    expect(better).to.be.above(0);
  });
});
