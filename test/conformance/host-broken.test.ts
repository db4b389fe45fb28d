/** The suite of hosts fails on each host that breaks a promise: it would notice. */

import { expect } from 'chai';
import { brokenHosts } from './broken-hosts.ts';
import type { CreateHarness } from './host-harness.ts';
import { createNactHarness, createSimHarness } from './host-harness.ts';
import { hostCases } from './host-suite.ts';

const harnesses: readonly (readonly [string, CreateHarness])[] = [
  ['nact', createNactHarness],
  ['virtual time', createSimHarness],
];

/** The cases that `wrap` makes fail. */
async function failuresOf(
  createHarness: CreateHarness,
  wrap: Parameters<CreateHarness>[0],
): Promise<string[]> {
  const failed: string[] = [];
  for (const { name, run } of hostCases) {
    try {
      await run(createHarness(wrap));
    } catch {
      failed.push(name);
    }
  }
  return failed;
}

for (const [hostName, createHarness] of harnesses) {
  describe(`a broken actor host: ${hostName}`, () => {
    it('is not what the unbroken one is', async () => {
      expect(await failuresOf(createHarness, undefined)).to.deep.equal([]);
    });

    for (const { name, wrap } of brokenHosts) {
      it(`is found out when it ${name}`, async () => {
        const failed = await failuresOf(createHarness, wrap);
        expect(failed).to.not.deep.equal([]);
        expect(failed.length, 'most of the suite still passes').to.be.lessThan(
          hostCases.length / 2,
        );
      }).timeout(20_000);
    }
  });
}
