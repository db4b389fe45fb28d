/** How each fleet policy that plans does so: how often, for what demand, with which rules. */

import type { FleetPolicyName } from '../fleet/index.ts';
import { expectedQps, type Forecast } from './forecast.ts';
import { defaultPlanRules, type PlanRules } from './problem.ts';

export interface Planning {
  readonly everyMs: number;
  readonly rules: PlanRules;
  /** What to provide for, of a class, until what is ordered now is there. */
  readonly qpsOf: (forecast: Forecast, leadMs: number) => number;
  /** Machines are bought and given up by the plan; else those that there are serve. */
  readonly elastic: boolean;
  /** What a plan would unload goes only when the next one agrees. */
  readonly agreed: boolean;
  /** A rise above what was planned for by this factor is planned for at once; undefined: never. */
  readonly soonerAbove: number | undefined;
}

/**
 * Proteus (ASPLOS'24; `reference/policies.md` §3, §7): the most accurate mix that carries 1.05
 * times the smoothed demand on the devices that there are, every ten seconds as its simulator does.
 * Deviations: accuracy has a floor; loads have a small price; its smoothing is that of ten seconds
 * where its code has twenty.
 */
const proteus: Planning = {
  everyMs: 10_000,
  rules: { ...defaultPlanRules, staffing: 0, loadPointsPerS: 0.01 },
  qpsOf: ({ smoothQps }) => 1.05 * smoothQps,
  elastic: false,
  agreed: false,
  soonerAbove: undefined,
};

const ours: Planning = {
  everyMs: 5_000,
  rules: defaultPlanRules,
  qpsOf: expectedQps,
  elastic: true,
  agreed: true,
  soonerAbove: 1.2,
};

export const plannings: Readonly<Partial<Record<FleetPolicyName, Planning>>> = { ours, proteus };
