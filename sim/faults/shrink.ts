/**
 * Makes a failing plan small: leaves out faults and then queries for as long as it still fails in
 * the same way. Within a budget of replays, since each costs as much as the first.
 */

import type { Plan } from './plan.ts';

/** @param fails Replays a plan and says whether it still fails. */
export function shrinkPlan(
  plan: Plan,
  fails: (smaller: Plan) => boolean,
  replaysMax: number,
): Plan {
  let left = replaysMax;
  const stillFails = (smaller: Plan): boolean => {
    if (left <= 0) return false;
    left -= 1;
    return fails(smaller);
  };
  let small = plan;
  const faults = shrinkList(plan.faults, (some) => stillFails({ ...small, faults: some }));
  small = { ...small, faults };
  const queries = shrinkList(plan.queries, (some) => stillFails({ ...small, queries: some }));
  return { ...small, queries };
}

/** Leaves out ever smaller runs of the list: halves first, single entries at last. */
function shrinkList<T>(
  list: readonly T[],
  stillFails: (some: readonly T[]) => boolean,
): readonly T[] {
  let kept = list;
  for (let size = Math.ceil(kept.length / 2); size >= 1; size = Math.floor(size / 2)) {
    for (let at = 0; at < kept.length;) {
      const some = [...kept.slice(0, at), ...kept.slice(at + size)];
      if (some.length < kept.length && stillFails(some)) kept = some;
      else at += size;
    }
  }
  return kept;
}
