/**
 * The most accurate variant that answers in time: cost counts only as a ceiling. Right where the
 * machine is paid for anyway.
 */

import type { Random } from '../../../runtime/random.ts';
import { type FitOrder, selectFirstFit } from './first-fit.ts';
import type { FleetView, QueryView, Selection, VariantView } from './view.ts';

export const accurateFirst: FitOrder = {
  descending: true,
  preferred: 'most accurate',
  isPast: ({ accuracy }, { slo }) => slo.accuracyMin !== undefined && accuracy < slo.accuracyMin,
  worthLoading: (cold, warm) => cold.accuracy > warm.accuracy,
};

const sortedByAccuracy = new WeakMap<readonly VariantView[], readonly VariantView[]>();

export function selectMostAccurate(view: FleetView, query: QueryView, random: Random): Selection {
  return selectFirstFit(byAccuracy(view), query, random, accurateFirst);
}

/**
 * Its variants ascending; the dispatcher makes a new list whenever the registry changes, so once a
 * list is enough.
 */
export function byAccuracy(view: FleetView): FleetView {
  const { variants, nowMs, workers, hopMs, loadExtraMs } = view;
  let sorted = sortedByAccuracy.get(variants);
  if (sorted === undefined) {
    sorted = [...variants].sort((a, b) => a.accuracy - b.accuracy || b.costUsd - a.costUsd);
    sortedByAccuracy.set(variants, sorted);
  }
  // Field by field: of every query, and a spread takes many times as long.
  return { variants: sorted, nowMs, workers, hopMs, loadExtraMs };
}
