/**
 * The conformance suite of actor hosts: what `runtime/actor.ts` promises, as cases that any host
 * must pass. The cases are data, so that `host-broken.test.ts` can show that broken hosts fail.
 */

import { addressCases } from './host-cases/addresses.ts';
import { failureCases } from './host-cases/failures.ts';
import { lifecycleCases } from './host-cases/lifecycle.ts';
import { messageCases } from './host-cases/messages.ts';
import { timerCases } from './host-cases/timers.ts';
import { watchingCases } from './host-cases/watching.ts';
import type { CreateHarness, HostCase } from './host-harness.ts';

export const hostCases: readonly HostCase[] = [
  ...messageCases,
  ...failureCases,
  ...lifecycleCases,
  ...watchingCases,
  ...timerCases,
  ...addressCases,
];

export function describeHost(name: string, createHarness: CreateHarness): void {
  describe(`actor host: ${name}`, () => {
    for (const { name: sentence, run } of hostCases) {
      it(sentence, async () => {
        await run(createHarness());
      });
    }
  });
}
