/**
 * A baseline that ignores load, speed and cost: any loaded instance of a variant that qualifies,
 * drawn at random; loads the least accurate qualifying variant when none is.
 */

import type { Random } from '../../../runtime/random.ts';
import { batchMs, completionMs, usability, workerForLoad } from './completion.ts';
import { latencyMissed, noMiss, nothingQualifies, nowhereToRun, qualifies } from './requirement.ts';
import type { FleetView, InstanceView, QueryView, Selection, VariantView } from './view.ts';

export function selectAtRandom(view: FleetView, query: QueryView, random: Random): Selection {
  let chosen: { variant: VariantView; instance: InstanceView } | undefined;
  let first: VariantView | undefined;
  let seen = 0;
  for (const variant of view.variants) {
    if (!qualifies(variant, query)) continue;
    first ??= variant;
    for (const instance of variant.instances) {
      if (usability(instance) === 0 || instance.id === query.avoid) continue;
      seen += 1;
      if (random() * seen < 1) chosen = { variant, instance };
    }
  }
  if (first === undefined) return nothingQualifies(view, query);
  const worker = chosen?.instance.worker ?? workerForLoad(view, first);
  if (worker === undefined) return { kind: 'refuse', error: nowhereToRun(view) };
  const variant = chosen?.variant ?? first;
  const predictedMs =
    chosen === undefined
      ? variant.loadMs + batchMs(variant, query.batch) + view.hopMs
      : completionMs(view, variant, chosen.instance, query.batch);
  return {
    kind: 'place',
    variant,
    instance: chosen?.instance,
    worker,
    predictedMs,
    missed: predictedMs <= query.sloLeftMs ? noMiss : latencyMissed,
    reason: 'drawn at random from what is loaded',
    preload: undefined,
  };
}
