/**
 * What gives way when a load lacks memory: of the idle instances those of lowest value, and of
 * equal value those idle for longest. An instance whose variant has another here is worth less than
 * the last of its variant. Busy ones are never among the candidates.
 */

import type { InstanceId } from '../../domain/instance.ts';
import type { VariantId } from '../../domain/variant.ts';

export interface IdleInstance {
  readonly id: InstanceId;
  readonly variantId: VariantId;
  readonly memoryBytes: number;
  readonly idleMs: number;
}

export interface EvictionView {
  readonly idle: readonly IdleInstance[];
  /** Instances of each variant on the worker, busy ones included. */
  readonly copies: ReadonlyMap<VariantId, number>;
  readonly neededBytes: number;
}

/** The instances to unload, in order; undefined where even all of them are not enough. */
export function planEviction(view: EvictionView): readonly IdleInstance[] | undefined {
  const copies = new Map(view.copies);
  const left = [...view.idle].sort((a, b) => b.idleMs - a.idleMs || (a.id < b.id ? -1 : 1));
  const chosen: IdleInstance[] = [];
  let freedBytes = 0;
  while (freedBytes < view.neededBytes) {
    const spare = left.findIndex(({ variantId }) => (copies.get(variantId) ?? 0) > 1);
    const [next] = left.splice(Math.max(0, spare), 1);
    if (next === undefined) return undefined;
    copies.set(next.variantId, (copies.get(next.variantId) ?? 1) - 1);
    chosen.push(next);
    freedBytes += next.memoryBytes;
  }
  // Small ones taken first may be needless once a large one gives way.
  return chosen.filter(({ memoryBytes }) => {
    if (freedBytes - memoryBytes < view.neededBytes) return true;
    freedBytes -= memoryBytes;
    return false;
  });
}
