/**
 * The suite of hosts notices: each host that breaks a promise fails the case about that promise,
 * and the wrappers that break them are not themselves what fails.
 */

import { expect } from 'chai';
import { brokenHosts, unbrokenHosts } from './broken-hosts.ts';
import type { CreateHarness } from './host-harness.ts';
import { createNactHarness, createSimHarness } from './host-harness.ts';
import { hostCases } from './host-suite.ts';

const harnesses: readonly (readonly [string, CreateHarness])[] = [
  ['nact', createNactHarness],
  ['virtual time', createSimHarness],
];

for (const [hostName, createHarness] of harnesses) {
  describe(`a broken actor host: ${hostName}`, () => {
    for (const { name, wrap } of unbrokenHosts) {
      it(`passes as one that ${name}`, async () => {
        for (const { run } of hostCases) await run(createHarness(wrap));
      });
    }

    for (const { name, foundBy, wrap } of brokenHosts) {
      it(`is found out when it ${name}`, async () => {
        const finder = hostCases.find((one) => one.name === foundBy);
        expect(finder, foundBy).to.not.equal(undefined);
        const failure = await finder?.run(createHarness(wrap)).catch((error: unknown) => error);
        expect(failure).to.be.instanceOf(Error);
      });
    }
  });
}
