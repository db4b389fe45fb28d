/**
 * A baseline that ignores load, speed and cost: the loaded instances of variants that qualify, in
 * turn; loads the cheapest that there is room for when none is. In turn means whoever was sent the
 * fewest, so that no counter is kept beside the view.
 */

import type { Random } from '../../../runtime/random.ts';
import { type Choice, firstLoad, placeOrReject } from './closest.ts';
import { isAvoided, usability } from './completion.ts';
import { nothingQualifies, nowhereToRun, qualifies } from './requirement.ts';
import type { FleetView, InstanceView, QueryView, Selection, VariantView } from './view.ts';

export function selectRoundRobin(view: FleetView, query: QueryView, _random: Random): Selection {
  const candidates = view.variants.filter((variant) => qualifies(variant, query));
  if (candidates.length === 0) return nothingQualifies(view, query);
  const next = nextInTurn(candidates, query, false);
  const choice = next ?? firstLoad(view, query) ?? nextInTurn(candidates, query, true);
  return choice === undefined
    ? { kind: 'refuse', error: nowhereToRun(view), preload: undefined }
    : placeOrReject(view, { ...query, onMiss: 'best-effort' }, choice, 'its turn');
}

function nextInTurn(
  candidates: readonly VariantView[],
  query: QueryView,
  avoided: boolean,
): Choice | undefined {
  let best: { readonly variant: VariantView; readonly instance: InstanceView } | undefined;
  for (const variant of candidates) {
    for (const instance of variant.instances) {
      if (usability(instance) === 0 || isAvoided(instance, query) !== avoided) continue;
      if (best === undefined || isBefore(instance, best.instance)) best = { variant, instance };
    }
  }
  return best === undefined ? undefined : { ...best, worker: best.instance.worker };
}

function isBefore(a: InstanceView, b: InstanceView): boolean {
  return a.sent < b.sent || (a.sent === b.sent && a.id < b.id);
}
