/**
 * A baseline that ignores load, speed and cost: any loaded instance of a variant that qualifies,
 * drawn at random; loads the cheapest qualifying variant that there is room for when none is.
 */

import type { Random } from '../../../runtime/random.ts';
import { type Choice, firstLoad, placeOrReject } from './closest.ts';
import { isAvoided, usability } from './completion.ts';
import { nothingQualifies, nowhereToRun, qualifies } from './requirement.ts';
import type { FleetView, QueryView, Selection } from './view.ts';

export function selectAtRandom(view: FleetView, query: QueryView, random: Random): Selection {
  let qualified = false;
  let drawn: Choice | undefined;
  let avoided: Choice | undefined;
  let seen = 0;
  for (const variant of view.variants) {
    if (!qualifies(variant, query)) continue;
    qualified = true;
    for (const instance of variant.instances) {
      if (usability(instance) === 0) continue;
      const choice = { variant, instance, worker: instance.worker };
      if (isAvoided(instance, query)) {
        avoided ??= choice;
        continue;
      }
      seen += 1;
      if (random() * seen < 1) drawn = choice;
    }
  }
  if (!qualified) return nothingQualifies(view, query);
  const choice = drawn ?? firstLoad(view, query) ?? avoided;
  // It does not look at the latency, so it refuses none for it.
  return choice === undefined
    ? { kind: 'refuse', error: nowhereToRun(view), preload: undefined }
    : placeOrReject(view, { ...query, onMiss: 'best-effort' }, choice, 'drawn at random');
}
