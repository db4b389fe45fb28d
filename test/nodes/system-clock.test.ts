/** The real clock, as far as it can be told without waiting. */

import { setImmediate as nextIteration } from 'node:timers/promises';
import { expect } from 'chai';
import { createSystemClock } from '../../nodes/adapters/system-clock.ts';

describe('createSystemClock', () => {
  it('never calls back within schedule, and not after a cancel', async () => {
    const clock = createSystemClock();
    let early = true;
    let cancelled = 0;
    const fired = new Promise<boolean>((resolve) => {
      clock.schedule(0, () => resolve(early));
    });
    clock.schedule(0, () => {
      cancelled += 1;
    })();
    early = false;
    expect(await fired).to.equal(false);
    await nextIteration();
    expect(cancelled).to.equal(0);
  });

  it('does not take a delay beyond 32 bits for none', async () => {
    const clock = createSystemClock();
    let fired = 0;
    const cancels = [2 ** 31, 2 ** 40, 1e15].map((delayMs) =>
      clock.schedule(delayMs, () => {
        fired += 1;
      }),
    );
    await new Promise<void>((resolve) => {
      clock.schedule(2, resolve);
    });
    await nextIteration();
    expect(fired).to.equal(0);
    for (const cancel of cancels) cancel();
  });

  it('moves forward, and says what day it is', () => {
    const clock = createSystemClock({ unrefTimers: true });
    const firstMs = clock.nowMs();
    expect(clock.nowMs()).to.be.at.least(firstMs);
    expect(new Date(clock.wallMs()).getUTCFullYear()).to.be.at.least(2024);
    // Does not keep this process alive.
    clock.schedule(60_000, () => undefined);
  });
});
