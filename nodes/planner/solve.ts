/**
 * Solves a plan: greedily first, then exactly by HiGHS within a time limit; the better of the two,
 * for the greedy plan is there at once and the exact one is better where classes compete. A
 * solver's result is checked before it counts.
 */

import { createRequire } from 'node:module';

import type { default as highs } from 'highs';

import { planGreedily } from '../../actors/policy/planning/greedy.ts';
import { milpOf, planOf } from '../../actors/policy/planning/milp.ts';
import { faultOf, type Plan, type PlanProblem } from '../../actors/policy/planning/problem.ts';

export interface SolveLimits {
  /** Of HiGHS, s; what it has found by then counts. */
  readonly solverS: number;
  /** Relative distance from the bound at which it stops. */
  readonly gap: number;
}

/** Without a solution they have no values. */
type Columns = Readonly<Record<string, { readonly Primal?: number }>>;

export type Solver = (problem: PlanProblem, limits: SolveLimits) => Plan;

/** Loads HiGHS once (WebAssembly, one thread); it blocks whoever calls the solver. */
export async function createSolver(): Promise<Solver> {
  const load = createRequire(import.meta.url)('highs') as (typeof highs)['default'];
  const solver = await load();
  return (problem, { solverS, gap }) => {
    const greedy = planGreedily(problem);
    if (problem.classes.length === 0) return greedy;
    const solution = solver.solve(milpOf(problem, greedy), {
      time_limit: solverS,
      mip_rel_gap: gap,
      output_flag: false,
    });
    const columns = solution.Columns as Columns;
    const exact = planOf(problem, (column) => columns[column]?.Primal ?? 0);
    const isBetter = exact.value > greedy.value && faultOf(problem, exact) === undefined;
    return isBetter ? exact : greedy;
  };
}
