/** Both hosts pass the one suite. */

import { createNactHarness, createSimHarness } from './host-harness.ts';
import { describeHost } from './host-suite.ts';

describeHost('nact', createNactHarness);
describeHost('virtual time', createSimHarness);
