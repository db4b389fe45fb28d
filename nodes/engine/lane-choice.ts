/**
 * Which lane a new instance gets, for as long as it lives. Pure.
 *
 * Instances of one variant go to different lanes first: several of them on a worker are there to
 * use several cores. Then the lane that was least busy lately; among idle ones, the one with the
 * fewest instances.
 */

export interface LaneLoad {
  /** Instances of the variant in question. */
  readonly sameVariant: number;
  readonly instances: number;
  /** Share of its time that the lane was at work lately, 0 to 1. */
  readonly utilisation: number;
}

/** One more resident instance weighs as much as this share of a lane's time. */
const instanceShare = 0.05;

/** The position of the least-loaded lane; the first among equals. `lanes` is not empty. */
export function chooseLane(lanes: readonly LaneLoad[]): number {
  let best = 0;
  let lowest = Infinity;
  lanes.forEach(({ sameVariant, instances, utilisation }, position) => {
    const load = sameVariant + utilisation + instanceShare * instances;
    if (load < lowest) {
      lowest = load;
      best = position;
    }
  });
  return best;
}
