/** How commands that stay end: at once when nothing is left to do, not before they have begun. */

import { expect } from 'chai';

import { stay } from '../../../nodes/cli/stay.ts';
import { capturingTerminal } from './capture.ts';

/** Timers that would keep this process from ending. */
function timersHeld(): number {
  return process.getActiveResourcesInfo().filter((kind) => kind === 'Timeout').length;
}

describe('a command that stays', () => {
  it('leaves nothing behind that keeps the process once it was told to stop', async () => {
    const { terminal, captured } = capturingTerminal();
    // By then the test runner has set its own.
    await new Promise((resolve) => setImmediate(resolve));
    const before = timersHeld();
    let closed = false;
    await stay(
      { terminal, exitCode: 0 },
      {
        what: 'system',
        start: () =>
          Promise.resolve({
            failed: new Promise<Error>(() => undefined),
            close: () => {
              closed = true;
              return Promise.resolve();
            },
          }),
        started: (_root, stop) => {
          stop();
        },
      },
    );
    expect(closed).to.equal(true);
    expect(captured().err).to.match(/stopping the system[^]*stopped$/);
    expect(timersHeld()).to.equal(before);
  });
});
