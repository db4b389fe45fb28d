/**
 * The bus contract on every bus we ship. The simulator's model of it proves the same in its tests.
 */

import { inProcessHarness, natsHarness } from './bus-harnesses.ts';
import { describeBus } from './bus-suite.ts';

describeBus('in-process', () => inProcessHarness());

describe('with a real nats-server', function () {
  this.timeout(30_000);
  describeBus('nats', natsHarness);
});
