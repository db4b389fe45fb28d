/** The heap of events: any pushes come out by due time, tie-break and sequence. */

import { expect } from 'chai';
import fc from 'fast-check';
import { EventHeap } from '../../sim/event-heap.ts';

interface Entry {
  readonly due: number;
  readonly tie: number;
  readonly sequence: number;
  fire(): void;
}

const keys = fc.array(fc.tuple(fc.nat(5), fc.nat(3)), { maxLength: 700 });

function entriesOf(pairs: readonly (readonly [number, number])[]): Entry[] {
  return pairs.map(([due, tie], sequence) => ({ due, tie, sequence, fire: () => undefined }));
}

function inOrder(a: Entry, b: Entry): number {
  return a.due - b.due || a.tie - b.tie || a.sequence - b.sequence;
}

function drain(heap: EventHeap): unknown[] {
  const popped: unknown[] = [];
  while (heap.size > 0) popped.push(heap.pop());
  return popped;
}

describe('EventHeap', () => {
  it('gives out events by due time, then tie-break, then sequence', () => {
    fc.assert(
      fc.property(keys, (pairs) => {
        const heap = new EventHeap();
        const entries = entriesOf(pairs);
        for (const entry of entries) heap.push(entry.due, entry.tie, entry);
        expect(drain(heap)).to.deep.equal([...entries].sort(inOrder));
      }),
      { numRuns: 40 },
    );
  });

  it('keeps what is left in order when some are swept away', () => {
    fc.assert(
      fc.property(keys, fc.integer({ min: 2, max: 5 }), (pairs, modulus) => {
        const heap = new EventHeap();
        const entries = entriesOf(pairs);
        for (const entry of entries) heap.push(entry.due, entry.tie, entry);
        const isKept = (entry: Entry): boolean => entry.sequence % modulus === 0;
        heap.sweep((event) => isKept(event as Entry));
        expect(drain(heap)).to.deep.equal(entries.filter(isKept).sort(inOrder));
      }),
      { numRuns: 40 },
    );
  });
});
