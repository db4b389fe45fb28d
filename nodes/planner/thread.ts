/** The planner's thread: solves what it is sent, one problem after another. */

import { parentPort, workerData } from 'node:worker_threads';

import type { Plan, PlanProblem } from '../../actors/policy/planning/problem.ts';
import { createSolver, type SolveLimits } from './solve.ts';

export interface SolveRequest {
  readonly job: number;
  readonly problems: readonly PlanProblem[];
}

export interface SolveReply {
  readonly job: number;
  readonly plans: readonly Plan[];
}

const solve = await createSolver();
parentPort?.on('message', ({ job, problems }: SolveRequest) => {
  const plans = problems.map((problem) => solve(problem, workerData as SolveLimits));
  parentPort?.postMessage({ job, plans } satisfies SolveReply);
});
