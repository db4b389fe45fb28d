/**
 * What a query requires of a variant, and the answer when nobody can give it.
 *
 * Accuracy and cost are floors and ceilings: a query is never quietly given less than it asked, it
 * is refused. Latency is a target: unless `onMiss` is `reject` the closest variant serves, late.
 */

import { type QueryError, queryError } from '../../domain/outcome.ts';
import type { SloField } from '../../domain/query.ts';
import { batchMs } from './completion.ts';
import type { FleetView, QueryView, Selection, VariantView } from './view.ts';

export const noMiss: readonly SloField[] = [];
export const latencyMissed: readonly SloField[] = ['latencyMs'];

/** Accuracy and cost; latency is judged where it depends on an instance. */
export function qualifies(variant: VariantView, query: QueryView): boolean {
  const { accuracyMin, costUsdMax } = query.slo;
  return (
    (accuracyMin === undefined || variant.accuracy >= accuracyMin) &&
    (costUsdMax === undefined || variant.costUsd * query.batch <= costUsdMax)
  );
}

/** `slo_infeasible` naming the nearest that can be had, or `unavailable` when nothing can serve. */
export function nothingQualifies(view: FleetView, query: QueryView): Selection {
  const { accuracyMin, costUsdMax } = query.slo;
  const cheapEnough = view.variants.filter(
    (variant) => costUsdMax === undefined || variant.costUsd * query.batch <= costUsdMax,
  );
  const accurateEnough = view.variants.filter(
    (variant) => accuracyMin === undefined || variant.accuracy >= accuracyMin,
  );
  const nearest: Record<string, number> = {};
  let what: string;
  if (accurateEnough.length === 0) {
    const best = Math.max(...view.variants.map((variant) => variant.accuracy));
    nearest['accuracyMin'] = best;
    what = `no variant is ${String(accuracyMin)} % accurate; the best has ${String(best)} %`;
  } else if (cheapEnough.length === 0) {
    const least = leastCost(accurateEnough, query.batch);
    nearest['costUsdMax'] = least;
    what =
      `no variant costs at most ${perThousand(costUsdMax ?? 0)}; ` +
      `the cheapest that is accurate enough costs ${perThousand(least)}`;
  } else {
    const best = Math.max(...cheapEnough.map((variant) => variant.accuracy));
    const least = leastCost(accurateEnough, query.batch);
    nearest['accuracyMin'] = best;
    nearest['costUsdMax'] = least;
    what =
      `no variant has both; at that cost the best accuracy is ${String(best)} %, ` +
      `at that accuracy the least cost is ${perThousand(least)}`;
  }
  return {
    kind: 'refuse',
    error: queryError('slo_infeasible', what, { nearest }),
    preload: undefined,
  };
}

/** With `onMiss: reject`: nobody can answer within the latency asked; `nearest` would be first. */
export function tooLate(
  query: QueryView,
  nearest: { readonly variant: VariantView; readonly ms: number },
): QueryError {
  // A tenth up where rounding went below: who asks for what is named must get it.
  const tenths = Math.ceil(nearest.ms * 10);
  const latencyMs = (tenths / 10 < nearest.ms ? tenths + 1 : tenths) / 10;
  return queryError(
    'slo_infeasible',
    `nothing answers within ${String(query.slo.latencyMs ?? 0)} ms now; ` +
      `the nearest is ${String(latencyMs)} ms by ${nearest.variant.id}`,
    { nearest: { latencyMs } },
  );
}

export function nowhereToRun(view: FleetView): QueryError {
  return view.workers.length === 0
    ? queryError('unavailable', 'no worker has joined; start one with `infaas worker`')
    : queryError('unavailable', 'no worker has the memory to load a variant that qualifies');
}

function leastCost(variants: readonly VariantView[], batch: number): number {
  return Math.min(...variants.map((variant) => variant.costUsd * batch));
}

/** True when the variant alone, with nothing ahead of it, is within what is left of the latency. */
export function fastEnough(view: FleetView, variant: VariantView, query: QueryView): boolean {
  return batchMs(variant, query.batch) + view.hopMs <= query.sloLeftMs;
}

/** As prices are listed; the numbers in `details` stay those of one query, as they are asked. */
function perThousand(costUsd: number): string {
  return `${String(Number((costUsd * 1000).toPrecision(3)))} USD for 1,000 queries`;
}
