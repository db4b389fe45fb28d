/**
 * The frame of INFaaS' Case I (`reference/infaas.md` §4), shared by policies that differ only in
 * the order in which they prefer variants:
 *
 * 1. the first variant, in that order, that qualifies and has an instance that answers in time;
 *    if a preferred one was passed over only because it is not loaded, it is loaded meanwhile;
 * 2. else a variant to load: the first that answers in time even so, or, unless such a one is being
 *    loaded already, the quickest of those that are fast enough once loaded;
 * 3. else the closest: what answers soonest, or `slo_infeasible` with `onMiss: reject`.
 *
 * Deviation from the paper: step 1 counts what is queued, and step 2 is never taken while something
 * loaded can answer in time.
 */

import type { Random } from '../../../runtime/random.ts';
import {
  batchMs,
  completionMs,
  firstInstance,
  isAvoided,
  lateMs,
  loadedMs,
  usability,
  workerForLoad,
} from './completion.ts';
import {
  fastEnough,
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
  Preload,
  QueryView,
  Selection,
  VariantView,
  WorkerView,
} from './view.ts';

/**
 * A load is worth its while when the better variant costs at most this share of the one serving.
 */
const preloadBelow = 0.8;

/**
 * With one that answers in time, though busy, so many more are looked at for an idle one: of a
 * thousand loaded ones not all.
 */
const looksOnMax = 8;
/**
 * Where it has too little to spare as well, more, and of the rest ever fewer: twice as many are
 * passed over each time. To end there would leave a policy that prefers slow variants without fast
 * ones. Of very many each has its like beside it: a coarser look finds as good a one.
 */
const looksForSlackMax = 32;
const looksForSlackMaxOfMany = 1;
const many = 256;

interface Warm {
  readonly variant: VariantView;
  readonly instance: InstanceView;
  readonly ms: number;
}

interface Cold {
  readonly variant: VariantView;
  readonly worker: WorkerView;
  /** Until it has loaded and answered. */
  readonly ms: number;
}

/** What the search for an instance in time came upon on its way. */
interface Passed {
  /** The first of the order that is not loaded and would be fast enough. */
  readonly cold: VariantView | undefined;
  /** Something fast enough is being loaded. */
  readonly coming: boolean;
  /** Something loaded would be fast enough with nothing ahead of it: it lacks time, not speed. */
  readonly able: boolean;
  readonly soonest: Warm | undefined;
}

export interface FitOrder {
  /** Goes through the variants in the policy's order; the view has them cheapest first. */
  readonly descending: boolean;
  readonly preferred: string;
  /** Neither the variant nor any behind it in the order qualifies: the search may end. */
  readonly isPast: (variant: VariantView, query: QueryView) => boolean;
  /**
   * Is `cold` so much better than the `warm` one that serves that it should be loaded meanwhile?
   */
  readonly worthLoading: (cold: VariantView, warm: VariantView) => boolean;
  /** An instance counts as in time within this share of the latency left; by default all of it. */
  readonly slackShare?: number;
  /** Late or not, nothing is loaded for a query that something loaded can serve. */
  readonly loadsForWant?: boolean;
  /**
   * Slack is given to late work on the same units first, and nothing is loaded meanwhile where what
   * is loaded lacks time, not speed.
   */
  readonly yields?: boolean;
}

export const cheapestFirst: FitOrder = {
  descending: false,
  preferred: 'cheapest',
  isPast: ({ costUsd }, { slo, batch }) =>
    slo.costUsdMax !== undefined && costUsd * batch > slo.costUsdMax,
  worthLoading: (cold, warm) => cold.costUsd <= warm.costUsd * preloadBelow,
};

export function selectFirstFit(
  view: FleetView,
  query: QueryView,
  random: Random,
  order: FitOrder,
): Selection {
  let cold: VariantView | undefined;
  let coming = false;
  let able = false;
  let soonest: Warm | undefined;
  let qualified = false;
  let lookedOn = 0;
  let skipped = 1;
  const looksMax = looksMaxOf(view, order);
  const slackMs = slackOf(query, order);
  for (let step = 0; step < view.variants.length; step += 1) {
    const variant = variantAt(view, order, step);
    if (variant === undefined || order.isPast(variant, query)) break;
    if (!qualifies(variant, query)) continue;
    qualified = true;
    const instance = firstInstance(view, variant, query, random);
    if (instance === undefined) {
      if (cold === undefined && !coming && fastEnough(view, variant, query)) cold = variant;
      continue;
    }
    const ms = completionMs(view, variant, instance, query.batch);
    // What has slack to give gives it to the late first.
    const spentMs = order.yields === true ? ms + lateMs(instance) : ms;
    if (spentMs <= slackMs && usability(instance) === 2 && !isAvoided(instance, query)) {
      const better = cold !== undefined && order.worthLoading(cold, variant) ? cold : undefined;
      const reason = `the ${order.preferred} loaded variant that meets the SLO`;
      return placedWarm(view, query, { variant, instance, ms }, reason, better);
    }
    if (instance.state === 'loading' && fastEnough(view, variant, query)) coming = true;
    able ||= isAble(view, variant, instance, query);
    if (soonest === undefined || ms < soonest.ms) soonest = { variant, instance, ms };
    if (soonest.ms > query.sloLeftMs) continue;
    lookedOn += 1;
    if (lookedOn <= looksMax) continue;
    if (order.slackShare === undefined) break;
    step += skipped;
    skipped *= 2;
  }
  if (!qualified) return nothingQualifies(view, query);
  return closest(view, query, order, { cold, coming, able, soonest });
}

/** Who asks for no latency has a bound all the same, and is not to wait until it is over. */
function slackOf({ sloLeftMs, timeoutLeftMs }: QueryView, { slackShare }: FitOrder): number {
  return slackShare === undefined ? sloLeftMs : slackShare * Math.min(sloLeftMs, timeoutLeftMs);
}

function looksMaxOf({ variants }: FleetView, { slackShare }: FitOrder): number {
  if (slackShare === undefined) return looksOnMax;
  return variants.length > many ? looksForSlackMaxOfMany : looksForSlackMax;
}

/** Of the latency that is asked, at the pace that it shows, with nothing ahead of the query. */
function isAble(
  view: FleetView,
  variant: VariantView,
  instance: InstanceView,
  query: QueryView,
): boolean {
  // Who asks for none would wait for ever on what is able to: a load may relieve that.
  if (query.sloLeftMs === Infinity) return false;
  const ms = instance.slowdown * batchMs(variant, query.batch) + view.hopMs;
  return ms <= query.sloLeftMs && !isAvoided(instance, query);
}

function variantAt(view: FleetView, order: FitOrder, step: number): VariantView | undefined {
  return view.variants[order.descending ? view.variants.length - 1 - step : step];
}

/** Nothing active answers in time: load, or serve as soon as can be, or refuse. */
function closest(view: FleetView, query: QueryView, order: FitOrder, passed: Passed): Selection {
  const { coming, able, soonest } = passed;
  // A load takes time from those that lack it: whoever plans decides whether it is worth that.
  const cold = order.yields === true && able ? undefined : passed.cold;
  const warmMs = soonest?.ms ?? Infinity;
  const inTime = soonest !== undefined && warmMs <= query.sloLeftMs;
  const isWarmEnough = inTime || (order.loadsForWant === true && soonest !== undefined);
  const loads = isWarmEnough ? noLoads : loadsOf(view, query, order);
  const last = soonest === undefined ? loads.quickest : undefined;
  const load = loads.inTime ?? (coming ? undefined : (loads.fast ?? last));
  if (query.onMiss === 'reject' && Math.min(load?.ms ?? Infinity, warmMs) > query.sloLeftMs) {
    const nearest = (loads.quickest?.ms ?? Infinity) < warmMs ? loads.quickest : soonest;
    const error = nearest === undefined ? nowhereToRun(view) : tooLate(query, nearest);
    return { kind: 'refuse', error, preload: preloadOf(view, query, cold) };
  }
  if (load !== undefined && load.ms <= warmMs) return placedCold(query, load);
  if (soonest === undefined) {
    return { kind: 'refuse', error: nowhereToRun(view), preload: undefined };
  }
  const reason = inTime
    ? 'busy or slowed, but it answers in time, and no idle variant does'
    : 'no variant answers in time; this is the soonest of those accurate and cheap enough';
  return placedWarm(view, query, soonest, reason, cold);
}

interface Loads {
  /** The first of the order that answers in time, its load included. */
  readonly inTime: Cold | undefined;
  /** The quickest of those that are fast enough once loaded, and of all. */
  readonly fast: Cold | undefined;
  readonly quickest: Cold | undefined;
}

const noLoads: Loads = { inTime: undefined, fast: undefined, quickest: undefined };

/** Case I, step 2: what could be loaded for the query, of the variants that there is room for. */
function loadsOf(view: FleetView, query: QueryView, order: FitOrder): Loads {
  let quickest: Cold | undefined;
  let fast: Cold | undefined;
  for (let step = 0; step < view.variants.length; step += 1) {
    const variant = variantAt(view, order, step);
    if (variant === undefined || order.isPast(variant, query)) break;
    if (!qualifies(variant, query) || isLoaded(variant)) continue;
    const worker = workerForLoad(view, variant, query);
    if (worker === undefined) continue;
    const load = { variant, worker, ms: loadedMs(view, variant, query.batch) };
    if (load.ms <= query.sloLeftMs) return { inTime: load, fast: load, quickest: load };
    if (quickest === undefined || load.ms < quickest.ms) quickest = load;
    if (fastEnough(view, variant, query) && load.ms < (fast?.ms ?? Infinity)) fast = load;
  }
  return { inTime: undefined, fast, quickest };
}

function isLoaded(variant: VariantView): boolean {
  return variant.instances.some((instance) => usability(instance) > 0);
}

function placedWarm(
  view: FleetView,
  query: QueryView,
  { variant, instance, ms }: Warm,
  reason: string,
  better: VariantView | undefined,
): Selection {
  return {
    kind: 'place',
    variant,
    instance,
    worker: instance.worker,
    predictedMs: ms,
    missed: ms <= query.sloLeftMs ? noMiss : latencyMissed,
    reason: `${reason} (predicted ${ms.toFixed(1)} ms)`,
    preload: preloadOf(view, query, better),
  };
}

function placedCold(query: QueryView, { variant, worker, ms }: Cold): Selection {
  const inTime = ms <= query.sloLeftMs;
  const why = inTime ? 'in time even with its load' : 'late, but the soonest of all';
  return {
    kind: 'place',
    variant,
    instance: undefined,
    worker,
    predictedMs: ms,
    missed: inTime ? noMiss : latencyMissed,
    reason:
      `no loaded variant answers in time, so ${variant.id} is loaded on ${worker.id}: ` +
      `predicted ${ms.toFixed(1)} ms, ${why}`,
    preload: undefined,
  };
}

function preloadOf(
  view: FleetView,
  query: QueryView,
  variant: VariantView | undefined,
): Preload | undefined {
  const worker = variant === undefined ? undefined : workerForLoad(view, variant, query);
  return variant === undefined || worker === undefined ? undefined : { variant, worker };
}
