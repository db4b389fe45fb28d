/** A baseline that scales nothing: what the owner loads is what there is (Clipper+). */

import type { ScalingPolicy } from './view.ts';

export const staticPolicy: ScalingPolicy<undefined> = {
  initial: undefined,
  decide: () => [[], undefined],
};
