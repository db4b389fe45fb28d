/** The suite's own test: a store with a flaw does not pass it, and one without does. */

import { expect } from 'chai';

import { brokenStores } from './broken-stores.ts';
import { lmdbHarness } from './store-harness.ts';
import { storeCases } from './store-suite.ts';

/** The first case that fails; the rest need not be run. */
async function firstFailure(flaw: string): Promise<string | undefined> {
  for (const { name, run } of storeCases) {
    const harness = await lmdbHarness(flaw, 300);
    try {
      await run(harness);
    } catch {
      return name;
    } finally {
      await harness.close().catch(() => undefined);
    }
  }
  return undefined;
}

describe("the metadata store's suite", function () {
  this.timeout(60_000);
  for (const { flaw } of brokenStores) {
    it(`notices a store that ${flaw}`, async () => {
      expect(await firstFailure(flaw)).to.be.a('string');
    });
  }

  it('notices a killed writer whose store acknowledges before it has written', async () => {
    const survival = storeCases.find(({ name }) => name.includes('killed'));
    const harness = await lmdbHarness('acknowledges before it has written');
    const failure = await survival?.run(harness).then(
      () => undefined,
      (error: unknown) => String(error),
    );
    await harness.close();
    expect(failure).to.contain('killed/');
  });
});
