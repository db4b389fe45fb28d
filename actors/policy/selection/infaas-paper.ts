/**
 * Case I as the paper has it (INFaaS §4.2; `reference/infaas.md` §4): of the active instances of
 * variants that meet the requirement, the cheapest variant and its least-loaded worker; else, of
 * the inactive ones, that of least load and inference time, on the least-used worker; else the
 * closest. A variant's latency is its profile's: what is queued does not count, an overloaded or
 * interfered instance does.
 *
 * Deviations: accuracy and cost are kept to at every level; the paper's code kept to neither.
 */

import type { Random } from '../../../runtime/random.ts';
import { backlogMs, isAvoided, loadedMs, workerForLoad } from './completion.ts';
import { type Choice, placeOrReject, selectClosest } from './closest.ts';
import { fastEnough, qualifies } from './requirement.ts';
import type { FleetView, InstanceView, QueryView, Selection, VariantView } from './view.ts';

export function selectAsInfaasPaper(view: FleetView, query: QueryView, _random: Random): Selection {
  for (const variant of view.variants) {
    if (!qualifies(variant, query) || !fastEnough(view, variant, query)) continue;
    const instance = leastLoaded(view, variant, query);
    if (instance === undefined) continue;
    const choice = { variant, instance, worker: instance.worker };
    return placeOrReject(view, query, choice, 'active, meets the requirement, least-loaded worker');
  }
  const cold = quickestLoad(view, query);
  return cold === undefined
    ? selectClosest(view, query)
    : placeOrReject(view, query, cold, 'nothing active meets it; least load and inference time');
}

/**
 * By the utilisation of its worker, which is what the paper's workers report; of several there, the
 * one that owes least, as the worker's own dispatcher would choose.
 */
function leastLoaded(
  { nowMs }: FleetView,
  variant: VariantView,
  query: QueryView,
): InstanceView | undefined {
  let best: InstanceView | undefined;
  let bestMs = Infinity;
  for (const instance of variant.instances) {
    if (instance.state !== 'active' || isAvoided(instance, query)) continue;
    const ms = backlogMs(instance, nowMs);
    const gap = best === undefined ? -1 : instance.worker.utilisation - best.worker.utilisation;
    if (gap > 0 || (gap === 0 && ms >= bestMs)) continue;
    best = instance;
    bestMs = ms;
  }
  return best;
}

/** Of variants without any instance; one that is loading or busy is not loaded once more. */
function quickestLoad(view: FleetView, query: QueryView): Choice | undefined {
  let best: Choice | undefined;
  let bestMs = Infinity;
  for (const variant of view.variants) {
    if (variant.instances.length > 0 || !qualifies(variant, query)) continue;
    const ms = loadedMs(view, variant, query.batch);
    if (ms >= bestMs || !fastEnough(view, variant, query)) continue;
    const worker = workerForLoad(view, variant, query);
    if (worker !== undefined) [best, bestMs] = [{ variant, instance: undefined, worker }, ms];
  }
  return best;
}
