/** The selection policies by the name that configuration uses. */

import { selectCheapest } from './cheapest.ts';
import { selectDesignated } from './designated.ts';
import { selectAsInfaasPaper } from './infaas-paper.ts';
import { selectAsInfaasReleased } from './infaas-released.ts';
import { selectMostAccurate } from './most-accurate.ts';
import { selectAsOurs } from './ours.ts';
import { selectAtRandom } from './random.ts';
import { selectAsProteus } from './proteus.ts';
import { selectRoundRobin } from './round-robin.ts';
import type { VariantSelector } from './view.ts';

export type {
  FleetView,
  InstanceView,
  QueryView,
  Selection,
  UnitsView,
  VariantSelector,
  VariantView,
  WorkerView,
} from './view.ts';

export const selectionPolicies = {
  ours: selectAsOurs,
  cheapest: selectCheapest,
  'most-accurate': selectMostAccurate,
  'infaas-paper': selectAsInfaasPaper,
  'infaas-released': selectAsInfaasReleased,
  designated: selectDesignated,
  proteus: selectAsProteus,
  'round-robin': selectRoundRobin,
  random: selectAtRandom,
} as const satisfies Readonly<Record<string, VariantSelector>>;

export type SelectionPolicyName = keyof typeof selectionPolicies;
