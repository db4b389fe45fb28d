/**
 * Case I, step 3, of INFaaS (`reference/infaas.md` §4), for policies that are not built on
 * `first-fit.ts`: whatever answers soonest of what qualifies, loaded or to be loaded.
 */

import { completionMs, isAvoided, loadedMs, usability, workerForLoad } from './completion.ts';
import {
  latencyMissed,
  noMiss,
  nothingQualifies,
  nowhereToRun,
  qualifies,
  tooLate,
} from './requirement.ts';
import type {
  FleetView,
  InstanceView,
  QueryView,
  Selection,
  VariantView,
  WorkerView,
} from './view.ts';

export interface Choice {
  readonly variant: VariantView;
  /** Undefined: to be loaded. */
  readonly instance: InstanceView | undefined;
  readonly worker: WorkerView;
}

/** Whatever would answer soonest, where an earlier attempt failed last; or why nothing can. */
export function selectClosest(view: FleetView, query: QueryView): Selection {
  let best: Choice | undefined;
  let bestMs = Infinity;
  let spare: Choice | undefined;
  let qualified = false;
  for (const variant of view.variants) {
    if (!qualifies(variant, query)) continue;
    qualified = true;
    for (const instance of variant.instances) {
      if (usability(instance) === 0) continue;
      const choice = { variant, instance, worker: instance.worker };
      if (isAvoided(instance, query)) {
        spare ??= choice;
        continue;
      }
      const ms = completionMs(view, variant, instance, query.batch);
      if (ms < bestMs) [best, bestMs] = [choice, ms];
    }
    const ms = loadedMs(view, variant, query.batch);
    if (ms >= bestMs) continue;
    const worker = workerForLoad(view, variant, query);
    if (worker !== undefined) [best, bestMs] = [{ variant, instance: undefined, worker }, ms];
  }
  if (!qualified) return nothingQualifies(view, query);
  const choice = best ?? spare;
  if (choice === undefined)
    return { kind: 'refuse', error: nowhereToRun(view), preload: undefined };
  return placeOrReject(view, query, choice, 'nothing meets it; the soonest of what qualifies');
}

/** The cheapest that qualifies and that there is room for. */
export function firstLoad(view: FleetView, query: QueryView): Choice | undefined {
  for (const variant of view.variants) {
    if (!qualifies(variant, query)) continue;
    const worker = workerForLoad(view, variant, query);
    if (worker !== undefined) return { variant, instance: undefined, worker };
  }
  return undefined;
}

/** The placement, or with `onMiss: reject` the refusal of one that would be late. */
export function placeOrReject(
  view: FleetView,
  query: QueryView,
  { variant, instance, worker }: Choice,
  reason: string,
): Selection {
  const predictedMs =
    instance === undefined
      ? loadedMs(view, variant, query.batch)
      : completionMs(view, variant, instance, query.batch);
  const isLate = predictedMs > query.sloLeftMs;
  if (isLate && query.onMiss === 'reject') {
    const error = tooLate(query, { variant, ms: predictedMs });
    return { kind: 'refuse', error, preload: undefined };
  }
  const missed = isLate ? latencyMissed : noMiss;
  return {
    kind: 'place',
    variant,
    instance,
    worker,
    predictedMs,
    missed,
    reason,
    preload: undefined,
  };
}
