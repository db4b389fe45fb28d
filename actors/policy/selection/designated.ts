/**
 * What users of Clipper+ and SM+ do (`reference/infaas.md` §7): they name the variant themselves,
 * once, and their queries go to its least loaded instance. Here the choice is made for them, as one
 * who has read the profiles would: of the variants accurate enough and with half of the latency to
 * spare, the one of most throughput a dollar. No other serves the query while there is room for it.
 */

import type { Random } from '../../../runtime/random.ts';
import { type Choice, placeOrReject, selectClosest } from './closest.ts';
import { backlogMs, batchMs, isAvoided, usability, workerForLoad } from './completion.ts';
import { nothingQualifies, qualifies } from './requirement.ts';
import type { FleetView, InstanceView, QueryView, Selection, VariantView } from './view.ts';

/** The other half is for the batch before. */
const engineShare = 0.5;

export function selectDesignated(view: FleetView, query: QueryView, _random: Random): Selection {
  const variant = designatedFor(view, query);
  if (variant === undefined) return nothingQualifies(view, query);
  const choice = leastOutstanding(view, variant, query) ?? loadOf(view, variant, query);
  // There is no room for it anywhere: better another than none.
  if (choice === undefined) return selectClosest(view, query);
  return placeOrReject(view, query, choice, 'the variant that its user chose');
}

/** The cheapest a query at the batch that its latency allows; else the quickest. */
export function designatedFor(view: FleetView, query: QueryView): VariantView | undefined {
  let best: VariantView | undefined;
  let bestUsd = Infinity;
  let quickest: VariantView | undefined;
  for (const variant of view.variants) {
    if (!qualifies(variant, query) || !hasHardware(view, variant)) continue;
    const aloneMs = batchMs(variant, query.batch);
    if (quickest === undefined || aloneMs < batchMs(quickest, query.batch)) quickest = variant;
    const allowedMs = engineShare * (query.slo.latencyMs ?? Infinity);
    if (aloneMs > allowedMs) continue;
    const usd = variant.costUsd * workShare(variant, allowedMs);
    if (usd < bestUsd) [best, bestUsd] = [variant, usd];
  }
  return best ?? quickest;
}

/** Time a query at the best batch within `allowedMs`, as a share of that at batch 1. */
function workShare({ latencyMs }: VariantView, allowedMs: number): number {
  const alone = latencyMs[1] ?? 0;
  let best = alone;
  for (let batch = 2; batch < latencyMs.length; batch += 1) {
    const ms = latencyMs[batch] ?? Infinity;
    if (ms > allowedMs) break;
    best = Math.min(best, ms / batch);
  }
  return alone > 0 ? best / alone : 1;
}

/** Who chooses a variant has machines for it. */
function hasHardware({ workers }: FleetView, { hardware }: VariantView): boolean {
  return workers.some(
    ({ kinds }) => kinds === undefined || hardware === undefined || kinds.has(hardware),
  );
}

function leastOutstanding(
  { nowMs }: FleetView,
  variant: VariantView,
  query: QueryView,
): Choice | undefined {
  let best: InstanceView | undefined;
  let bestRank = -1;
  let bestMs = Infinity;
  for (const instance of variant.instances) {
    const usable = usability(instance);
    if (usable === 0) continue;
    const rank = instance.state === 'loading' || isAvoided(instance, query) ? 0 : 1;
    const ms = backlogMs(instance, nowMs);
    if (rank < bestRank || (rank === bestRank && ms >= bestMs)) continue;
    [best, bestRank, bestMs] = [instance, rank, ms];
  }
  return best === undefined ? undefined : { variant, instance: best, worker: best.worker };
}

function loadOf(view: FleetView, variant: VariantView, query: QueryView): Choice | undefined {
  const worker = workerForLoad(view, variant, query);
  return worker === undefined ? undefined : { variant, instance: undefined, worker };
}
