/** A baseline that adds and removes nothing: the workers that there are (Clipper+, SM+). */

import type { FleetPolicy } from './view.ts';

export const staticFleet: FleetPolicy<undefined> = {
  initial: undefined,
  decide: () => [[], undefined],
};
