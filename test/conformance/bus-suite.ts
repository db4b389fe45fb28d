/**
 * What every bus must do, as a list of cases that can be run against any of them: the in-process
 * one, NATS with a real server, and the broken ones of `broken-buses.ts`, each of which must fail.
 *
 * "Nothing came" is never decided by waiting: a later message on the same subject is the fence,
 * since a bus keeps order.
 */

import { closingCases, disconnectingCases, noRespondersCases } from './bus-connection-cases.ts';
import { deliveryCases, subscribingCases } from './bus-delivery-cases.ts';
import type { BusCase, BusHarness } from './bus-harness.ts';

export const busCases: readonly BusCase[] = [
  ...deliveryCases,
  ...subscribingCases,
  ...noRespondersCases,
  ...disconnectingCases,
  ...closingCases,
];

/** Runs every case of the suite against the buses that `createHarness` makes, one harness each. */
export function describeBus(name: string, createHarness: () => Promise<BusHarness>): void {
  describe(`the bus contract: ${name}`, () => {
    for (const { name: sentence, run } of busCases) {
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
