/** The fleet policies by the name that configuration uses. */

import { type Remembering, remembering } from '../stateful.ts';
import { infaasPaperFleet } from './infaas-paper.ts';
import { oursFleet } from './ours.ts';
import { staticFleet } from './static.ts';
import type { FleetDecision, FleetView } from './view.ts';

export type { FleetDecision, FleetView } from './view.ts';

export type FleetScaler = Remembering<FleetView, FleetDecision>;

export const fleetPolicies = {
  'infaas-paper': remembering(infaasPaperFleet),
  ours: remembering(oursFleet),
  /** Adds none: its plan is for the machines that there are. */
  proteus: remembering(staticFleet),
  static: remembering(staticFleet),
} as const satisfies Readonly<Record<string, FleetScaler>>;

export type FleetPolicyName = keyof typeof fleetPolicies;
