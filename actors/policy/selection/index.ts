/** The selection policies by the name that configuration uses. */

import { selectCheapest } from './cheapest.ts';
import { selectMostAccurate } from './most-accurate.ts';
import { selectAtRandom } from './random.ts';
import type { VariantSelector } from './view.ts';

export type {
  FleetView,
  InstanceView,
  QueryView,
  Selection,
  VariantSelector,
  VariantView,
  WorkerView,
} from './view.ts';

export const selectionPolicies = {
  cheapest: selectCheapest,
  'most-accurate': selectMostAccurate,
  random: selectAtRandom,
} as const satisfies Readonly<Record<string, VariantSelector>>;

export type SelectionPolicyName = keyof typeof selectionPolicies;
