/**
 * What every metadata store must do, as a list of cases that can be run against any of them: lmdb,
 * JetStream KV, and the broken ones of `broken-stores.ts`, each of which must fail.
 */

import { survivalCases } from './store-cases/survival.ts';
import { watchCases } from './store-cases/watching.ts';
import { writingCases } from './store-cases/writing.ts';
import type { StoreCase, StoreHarness } from './store-harness.ts';

export const storeCases: readonly StoreCase[] = [...writingCases, ...watchCases, ...survivalCases];

/** Runs every case against the stores that `createHarness` makes, one harness each. */
export function describeStore(name: string, createHarness: () => Promise<StoreHarness>): void {
  describe(`the metadata store's contract: ${name}`, () => {
    for (const { name: sentence, run } of storeCases) {
      it(sentence, async () => {
        const harness = await createHarness();
        try {
          await run(harness);
        } finally {
          await harness.close();
        }
      });
    }
  });
}
