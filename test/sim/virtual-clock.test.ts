/** Virtual time: what is due at one instant runs first in, first out; timers wait or go. */

import { expect } from 'chai';
import fc from 'fast-check';

import { type TimerGate, VirtualClock } from '../../sim/virtual-clock.ts';

/** An event: its delay, and how many of those that follow in the list it pushes when it fires. */
const events = fc.array(fc.tuple(fc.constantFrom(0, 0, 1, 2), fc.nat(2)), {
  minLength: 1,
  maxLength: 60,
});

describe('VirtualClock', () => {
  it('runs events by due time, then in the order in which they were pushed', () => {
    fc.assert(
      fc.property(events, (listed) => {
        const clock = new VirtualClock();
        const fired: { readonly dueMs: number; readonly sequence: number }[] = [];
        let sequence = 0;
        const pushNext = (): void => {
          const [delayMs, pushes] = listed[sequence] ?? [0, 0];
          const entry = { dueMs: clock.nowMs() + delayMs, sequence };
          sequence += 1;
          clock.push(delayMs, {
            fire: () => {
              expect(clock.nowMs()).to.equal(entry.dueMs);
              fired.push(entry);
              for (let at = 0; at < pushes && sequence < listed.length; at += 1) pushNext();
            },
          });
        };
        pushNext();
        while (clock.nextDueMs < Infinity) clock.step();
        const sorted = [...fired].sort((a, b) => a.dueMs - b.dueMs || a.sequence - b.sequence);
        expect(fired).to.deep.equal(sorted);
        expect(fired).to.have.length(sequence);
      }),
      { numRuns: 200 },
    );
  });

  it('lets timers of a process wait while it stands still, and never fire once it is gone', () => {
    const clock = new VirtualClock();
    let thawsAtMs = 5;
    let crashed = false;
    const gate: TimerGate = {
      get crashed() {
        return crashed;
      },
      get frozenMs() {
        return thawsAtMs - clock.nowMs();
      },
    };
    const fired: number[] = [];
    const note = (): void => void fired.push(clock.nowMs());
    clock.schedule(1, note, gate);
    clock.schedule(7, note, gate);
    const cancel = clock.schedule(2, note, gate);
    clock.schedule(3, cancel);
    while (clock.nowMs() < 7) clock.step();
    expect(fired).to.deep.equal([5, 7]);
    clock.schedule(1, note, gate);
    thawsAtMs = Infinity;
    crashed = true;
    while (clock.step());
    expect(fired).to.have.length(2);
  });
});
