/**
 * Suspects: variants that were running or loading when an engine host died. They are loaded apart
 * from others until they have proven themselves, so that a poison model, or a poison query that is
 * placed again, takes the innocent down once and no more. Pure bookkeeping.
 */

import type { VariantId } from '../../actors/domain/variant.ts';

export class Quarantine {
  private readonly goodBatches = new Map<VariantId, number>();
  private readonly batchesNeeded: number;

  constructor(batchesNeeded: number) {
    this.batchesNeeded = batchesNeeded;
  }

  /** From now on, and from zero again when it already was one. */
  suspect(variantId: VariantId): void {
    this.goodBatches.set(variantId, 0);
  }

  /** Where its next load goes. */
  holds(variantId: VariantId): boolean {
    return this.goodBatches.has(variantId);
  }

  /** A batch of it ended as it should; enough of them end the suspicion. */
  ranWell(variantId: VariantId): void {
    const good = this.goodBatches.get(variantId);
    if (good === undefined) return;
    if (good + 1 >= this.batchesNeeded) this.goodBatches.delete(variantId);
    else this.goodBatches.set(variantId, good + 1);
  }
}
