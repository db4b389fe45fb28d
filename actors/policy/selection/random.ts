/**
 * A baseline that ignores load, speed and cost: any loaded instance of a variant that qualifies,
 * drawn at random; loads the cheapest qualifying variant that there is room for when none is.
 */

import type { Random } from '../../../runtime/random.ts';
import { completionMs, isAvoided, loadedMs, usability, workerForLoad } from './completion.ts';
import { latencyMissed, noMiss, nothingQualifies, nowhereToRun, qualifies } from './requirement.ts';
import type {
  FleetView,
  InstanceView,
  QueryView,
  Selection,
  VariantView,
  WorkerView,
} from './view.ts';

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
  if (choice === undefined) {
    return { kind: 'refuse', error: nowhereToRun(view), preload: undefined };
  }
  const { variant, instance, worker } = choice;
  const predictedMs =
    instance === undefined
      ? loadedMs(view, variant, query.batch)
      : completionMs(view, variant, instance, query.batch);
  return {
    kind: 'place',
    variant,
    instance,
    worker,
    predictedMs,
    missed: predictedMs <= query.sloLeftMs ? noMiss : latencyMissed,
    reason: 'drawn at random from what is loaded',
    preload: undefined,
  };
}

interface Choice {
  readonly variant: VariantView;
  readonly instance: InstanceView | undefined;
  readonly worker: WorkerView;
}

function firstLoad(view: FleetView, query: QueryView): Choice | undefined {
  for (const variant of view.variants) {
    if (!qualifies(variant, query)) continue;
    const worker = workerForLoad(view, variant, query);
    if (worker !== undefined) return { variant, instance: undefined, worker };
  }
  return undefined;
}
