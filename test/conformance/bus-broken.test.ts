/** The suite's own test: a bus with a flaw does not pass it, and one without does. */

import { expect } from 'chai';

import { brokenBuses } from './broken-buses.ts';
import { inProcessHarness } from './bus-harnesses.ts';
import { busCases } from './bus-suite.ts';
import type { CuttableBus } from './cuttable-bus.ts';
import type { Bus } from '../../runtime/bus.ts';

/** Names of the cases that fail. */
async function failuresOf(wrap: (bus: CuttableBus) => Bus, patienceMs: number): Promise<string[]> {
  const failures: string[] = [];
  for (const { name, run } of busCases) {
    const harness = await inProcessHarness(wrap, patienceMs);
    try {
      await run(harness);
    } catch {
      failures.push(name);
    } finally {
      await harness.close();
    }
  }
  return failures;
}

describe('the bus suite', () => {
  it('passes a good bus', async () => {
    expect(await failuresOf((bus) => bus, 5_000)).to.deep.equal([]);
  });

  for (const { flaw, wrap } of brokenBuses) {
    it(`notices a bus that ${flaw}`, async function () {
      this.timeout(20_000);
      expect(await failuresOf(wrap, 100)).to.not.deep.equal([]);
    });
  }
});
