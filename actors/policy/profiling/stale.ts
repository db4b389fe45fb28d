/**
 * Which profiles are to be measured anew: those that are off wherever their variant runs. One that
 * is off on one worker and right on another tells of that worker, and so does a worker on which
 * everything is off while other workers are well (`reference/policies.md` §6: a variant slow
 * everywhere: re-profile; all on a worker slow: the worker; else the instance). Pure.
 */

import type { VariantId } from '../../domain/variant.ts';
import type { WorkerId } from '../../domain/worker.ts';

/** What a worker's monitor found of a variant that it runs, by `drift.ts`. */
export interface VariantDrift {
  readonly variantId: VariantId;
  /** Observed over profiled times. */
  readonly ratio: number;
  /** Off for long enough. */
  readonly stale: boolean;
}

export interface WorkerDrift {
  readonly workerId: WorkerId;
  readonly drifts: readonly VariantDrift[];
}

export interface StaleProfile {
  readonly variantId: VariantId;
  /** For people and logs: how far off, and where. */
  readonly reason: string;
}

/** Ratios within this of 1, either way, count as right. */
const rightWithin = 1.25;

/** By variant, those whose profile is stale; ties by id. */
export function staleProfiles(seen: readonly WorkerDrift[]): readonly StaleProfile[] {
  const byVariant = new Map<VariantId, { worker: WorkerDrift; drift: VariantDrift }[]>();
  for (const worker of seen) {
    for (const drift of worker.drifts) {
      const found = byVariant.get(drift.variantId) ?? [];
      found.push({ worker, drift });
      byVariant.set(drift.variantId, found);
    }
  }
  const stale: StaleProfile[] = [];
  for (const [variantId, found] of byVariant) {
    if (!found.some(({ drift }) => drift.stale)) continue;
    if (found.some(({ drift }) => !isOff(drift.ratio))) continue;
    const blameless = found.filter(
      ({ worker, drift }) => !isWorkersFault(worker, drift.variantId, seen),
    );
    if (blameless.length === 0) continue;
    const where = found.map(
      ({ worker, drift }) => `${drift.ratio.toFixed(2)} times on ${worker.workerId}`,
    );
    stale.push({ variantId, reason: `it takes ${where.sort().join(', ')} what its profile says` });
  }
  return stale.sort((a, b) => (a.variantId < b.variantId ? -1 : 1));
}

function isOff(ratio: number): boolean {
  return Math.max(ratio, 1 / ratio) > rightWithin;
}

/** All else that it runs is off too, and other workers are not so. */
function isWorkersFault(
  worker: WorkerDrift,
  variantId: VariantId,
  seen: readonly WorkerDrift[],
): boolean {
  const others = worker.drifts.filter((drift) => drift.variantId !== variantId);
  if (others.length === 0 || others.some(({ ratio }) => !isOff(ratio))) return false;
  return seen.some(
    ({ workerId, drifts }) =>
      workerId !== worker.workerId && drifts.some(({ ratio }) => !isOff(ratio)),
  );
}
