/**
 * The frame of INFaaS' Case I (`reference/infaas.md` §4), shared by policies that differ only in the
 * order in which they prefer variants:
 *
 * 1. the first variant, in that order, that qualifies and has an instance that answers in time;
 *    if a preferred one was passed over only because it is not loaded, it is loaded meanwhile;
 * 2. else a variant that is fast enough once loaded: load it;
 * 3. else the closest: what answers soonest, or `slo_infeasible` with `onMiss: reject`.
 *
 * Deviation from the paper: step 1 counts what is queued, and step 2 is never taken while something
 * loaded can answer in time.
 */

import type { Random } from '../../../runtime/random.ts';
import { batchMs, completionMs, firstInstance, usability, workerForLoad } from './completion.ts';
import {
  fastEnough,
  latencyMissed,
  noMiss,
  nothingQualifies,
  nowhereToRun,
  qualifies,
  tooLate,
} from './requirement.ts';
import type { FleetView, InstanceView, QueryView, Selection, VariantView } from './view.ts';

/** A load is worth its while when the better variant costs at most this share of the one serving. */
const preloadBelow = 0.8;

interface Found {
  variant: VariantView;
  instance: InstanceView;
  ms: number;
}

export interface FitOrder {
  /** Goes through the variants in the policy's order; the view has them cheapest first. */
  readonly descending: boolean;
  readonly preferred: string;
  /** Is `cold` so much better than the `warm` one that serves that it should be loaded meanwhile? */
  readonly worthLoading: (cold: VariantView, warm: VariantView) => boolean;
}

export const cheapestFirst: FitOrder = {
  descending: false,
  preferred: 'cheapest',
  worthLoading: (cold, warm) => cold.costUsd <= warm.costUsd * preloadBelow,
};

export function selectFirstFit(
  view: FleetView,
  query: QueryView,
  random: Random,
  order: FitOrder,
): Selection {
  const { variants } = view;
  let cold: VariantView | undefined;
  let soonest: Found | undefined;
  let qualified = false;
  for (let step = 0; step < variants.length; step += 1) {
    const variant = variants[order.descending ? variants.length - 1 - step : step];
    if (variant === undefined || !qualifies(variant, query)) continue;
    qualified = true;
    const instance = variant.instances.length > 0 ? firstInstance(view, variant, query, random) : undefined;
    if (instance === undefined) {
      if (cold === undefined && fastEnough(view, variant, query)) cold = variant;
      continue;
    }
    const ms = completionMs(view, variant, instance, query.batch);
    if (ms <= query.sloLeftMs && usability(instance) === 2 && instance.id !== query.avoid) {
      return placed(view, query, { variant, instance, ms }, order, cold);
    }
    if (soonest === undefined || ms < soonest.ms) soonest = { variant, instance, ms };
  }
  if (!qualified) return nothingQualifies(view, query);
  return closest(view, query, cold, soonest, order);
}

function placed(
  view: FleetView,
  query: QueryView,
  found: Found,
  order: FitOrder,
  cold: VariantView | undefined,
): Selection {
  const better = cold !== undefined && order.worthLoading(cold, found.variant) ? cold : undefined;
  const worker = better === undefined ? undefined : workerForLoad(view, better);
  return {
    kind: 'place',
    variant: found.variant,
    instance: found.instance,
    worker: found.instance.worker,
    predictedMs: found.ms,
    missed: found.ms <= query.sloLeftMs ? noMiss : latencyMissed,
    reason: `${order.preferred} loaded variant that answers in time (predicted ${found.ms.toFixed(1)} ms)`,
    preload: better === undefined || worker === undefined ? undefined : { variant: better, worker },
  };
}

/** Nothing loaded answers in time: load, or serve late, or refuse. */
function closest(
  view: FleetView,
  query: QueryView,
  cold: VariantView | undefined,
  soonest: Found | undefined,
  order: FitOrder,
): Selection {
  const toLoad = cold ?? (soonest === undefined ? fastestToAnswer(view, query) : undefined);
  const worker = toLoad === undefined ? undefined : workerForLoad(view, toLoad);
  const coldMs =
    toLoad === undefined || worker === undefined
      ? Infinity
      : toLoad.loadMs + batchMs(toLoad, query.batch) + view.hopMs;
  const warmMs = soonest?.ms ?? Infinity;
  if (coldMs === Infinity && soonest === undefined) {
    return { kind: 'refuse', error: nowhereToRun(view) };
  }
  const soonestMs = Math.min(coldMs, warmMs);
  if (query.onMiss === 'reject' && soonestMs > query.sloLeftMs) {
    const name = (coldMs < warmMs ? toLoad?.id : soonest?.variant.id) ?? 'none';
    return { kind: 'refuse', error: tooLate(query, soonestMs, name) };
  }
  if (toLoad !== undefined && worker !== undefined && coldMs <= warmMs) {
    return {
      kind: 'place',
      variant: toLoad,
      instance: undefined,
      worker,
      predictedMs: coldMs,
      missed: coldMs <= query.sloLeftMs ? noMiss : latencyMissed,
      reason: `${order.preferred} variant that qualifies, not loaded: load it on ${worker.id}`,
      preload: undefined,
    };
  }
  if (soonest === undefined) return { kind: 'refuse', error: nowhereToRun(view) };
  return {
    kind: 'place',
    variant: soonest.variant,
    instance: soonest.instance,
    worker: soonest.instance.worker,
    predictedMs: soonest.ms,
    missed: soonest.ms <= query.sloLeftMs ? noMiss : latencyMissed,
    reason: `nothing answers in time; soonest of those that qualify (predicted ${soonest.ms.toFixed(1)} ms)`,
    preload: toLoad === undefined || worker === undefined ? undefined : { variant: toLoad, worker },
  };
}

/** Case I, step 2: the least load + inference time. */
function fastestToAnswer(view: FleetView, query: QueryView): VariantView | undefined {
  let best: VariantView | undefined;
  let bestMs = Infinity;
  for (const variant of view.variants) {
    if (!qualifies(variant, query)) continue;
    const ms = variant.loadMs + batchMs(variant, query.batch);
    if (ms < bestMs) {
      best = variant;
      bestMs = ms;
    }
  }
  return best;
}
