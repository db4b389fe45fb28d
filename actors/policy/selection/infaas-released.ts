/**
 * Selection as the released code of INFaaS does it (stanford-mast/INFaaS at 4c5ff7b;
 * `reference/infaas.md` §4): variants in ascending accuracy from the least that is enough, a number
 * of them that grows with the SLO; running ones that are not blacklisted before others, the one
 * that takes most of the SLO; with an SLO over 100 ms none that takes less than 100 ms, so that no
 * accelerator is spent on it; then one of the three least busy workers, at random.
 *
 * Deviations: accuracy and cost are kept to at every level (the code ignores the cost always, the
 * accuracy where an architecture is named); its cache of five decisions, shared by all use cases,
 * is left out; busyness is what an instance owes, where the code has queries a second.
 */

import type { Random } from '../../../runtime/random.ts';
import { backlogMs, batchMs, isAvoided, loadedMs, workerForLoad } from './completion.ts';
import { type Choice, placeOrReject, selectClosest } from './closest.ts';
import { qualifies } from './requirement.ts';
import type { FleetView, InstanceView, QueryView, Selection, VariantView } from './view.ts';

/** Above this an SLO is loose, and fast variants are not for it. */
const looseMs = 100;
const inspectedMin = 3;
const inspectedShare = 0.15;
const inspectionMs = 0.6;
const coldPenalty = 1_000;
const workersMax = 3;

export function selectAsInfaasReleased(
  view: FleetView,
  query: QueryView,
  random: Random,
): Selection {
  const choice = search(view, query, random, true) ?? search(view, query, random, false);
  return choice === undefined
    ? selectClosest(view, query)
    : placeOrReject(view, query, choice, 'running before loading, least slack to the SLO');
}

function search(
  view: FleetView,
  query: QueryView,
  random: Random,
  sparing: boolean,
): Choice | undefined {
  const { sloLeftMs } = query;
  const share = Math.floor((inspectedShare * sloLeftMs) / inspectionMs);
  let left = Math.max(inspectedMin, share);
  let best: Choice | undefined;
  let bestScore = Infinity;
  for (const variant of byAccuracy(view.variants)) {
    if (!qualifies(variant, query)) continue;
    if (left === 0) break;
    left -= 1;
    const ms = batchMs(variant, query.batch) + view.hopMs;
    if (ms > sloLeftMs) continue;
    if (sparing && sloLeftMs !== Infinity && sloLeftMs > looseMs && ms < looseMs) continue;
    const running = variant.instances.filter(
      (instance) => instance.state === 'active' && !isAvoided(instance, query),
    );
    if (running.length > 0) {
      // Without an SLO there is no slack to save: the slowest again.
      const score = sloLeftMs === Infinity ? 1 / (1 + ms) : sloLeftMs - ms;
      if (score >= bestScore) continue;
      const instance = oneOfLeastBusy(running, view.nowMs, random);
      [best, bestScore] = [{ variant, instance, worker: instance.worker }, score];
    } else if (variant.instances.length === 0) {
      const score = coldPenalty + loadedMs(view, variant, query.batch);
      const worker = score < bestScore ? workerForLoad(view, variant, query) : undefined;
      if (worker !== undefined)
        [best, bestScore] = [{ variant, instance: undefined, worker }, score];
    }
  }
  return best;
}

function oneOfLeastBusy(
  running: readonly InstanceView[],
  nowMs: number,
  random: Random,
): InstanceView {
  const least = [...running]
    .sort((a, b) => backlogMs(a, nowMs) - backlogMs(b, nowMs) || (a.id < b.id ? -1 : 1))
    .slice(0, workersMax);
  return least[Math.floor(random() * least.length)] as InstanceView;
}

const sortedByAccuracy = new WeakMap<readonly VariantView[], readonly VariantView[]>();

/** Ascending. The dispatcher makes a new list whenever the registry changes. */
function byAccuracy(variants: readonly VariantView[]): readonly VariantView[] {
  const known = sortedByAccuracy.get(variants);
  if (known !== undefined) return known;
  const sorted = [...variants].sort((a, b) => a.accuracy - b.accuracy || (a.id < b.id ? -1 : 1));
  sortedByAccuracy.set(variants, sorted);
  return sorted;
}
