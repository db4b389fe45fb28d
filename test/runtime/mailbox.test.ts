/** The mailbox against a plain model of it, for any sequence of offers and takes. */

import { expect } from 'chai';
import fc from 'fast-check';
import { Mailbox, Ring } from '../../runtime/mailbox.ts';
import type { Lane } from '../../runtime/actor.ts';

type Step = { readonly offer: Lane } | { readonly force: Lane } | 'take';

const lane = fc.constantFrom<Lane>('work', 'control');
const step: fc.Arbitrary<Step> = fc.oneof(
  lane.map((offer) => ({ offer })),
  lane.map((force) => ({ force })),
  fc.constant('take' as const),
);

/** What a mailbox does, written to be obviously right. */
class ModelMailbox {
  readonly #lanes: Record<Lane, unknown[]> = { work: [], control: [] };
  readonly #max: number;

  constructor(max: number) {
    this.#max = max;
  }

  get size(): number {
    return this.#lanes.work.length + this.#lanes.control.length;
  }

  offer(into: Lane, message: unknown): boolean {
    if (this.#lanes[into].length >= this.#max) return false;
    this.#lanes[into].push(message);
    return true;
  }

  force(into: Lane, message: unknown): void {
    this.#lanes[into].push(message);
  }

  take(): unknown {
    return this.#lanes.control.length > 0 ? this.#lanes.control.shift() : this.#lanes.work.shift();
  }
}

describe('Mailbox', () => {
  it('does what its model does', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 12 }),
        fc.array(step, { maxLength: 120 }),
        (max, steps) => {
          const mailbox = new Mailbox(max);
          const model = new ModelMailbox(max);
          steps.forEach((what, at) => {
            if (what === 'take') {
              if (model.size > 0) expect(mailbox.take()).to.equal(model.take());
            } else if ('offer' in what) {
              expect(mailbox.offer(what.offer, at)).to.equal(model.offer(what.offer, at));
            } else {
              mailbox.force(what.force, at);
              model.force(what.force, at);
            }
            expect(mailbox.size).to.equal(model.size);
          });
          while (model.size > 0) expect(mailbox.take()).to.equal(model.take());
        },
      ),
    );
  });

  it('refuses a message beyond its bound and takes one again when there is room', () => {
    const mailbox = new Mailbox(2);
    expect(['a', 'b', 'c'].map((message) => mailbox.offer('work', message))).to.deep.equal([
      true,
      true,
      false,
    ]);
    expect(mailbox.offer('control', 'd')).to.equal(true);
    expect([mailbox.take(), mailbox.take()]).to.deep.equal(['d', 'a']);
    expect(mailbox.offer('work', 'e')).to.equal(true);
  });
});

describe('Ring', () => {
  it('stays in order while it grows with its contents wrapped round', () => {
    const ring = new Ring<number>();
    const taken: number[] = [];
    let pushed = 0;
    for (let round = 0; round < 50; round += 1) {
      for (let at = 0; at < 7; at += 1) {
        ring.push(pushed);
        pushed += 1;
      }
      for (let at = 0; at < 5; at += 1) taken.push(ring.shift());
    }
    while (ring.size > 0) taken.push(ring.shift());
    expect(taken).to.deep.equal(Array.from({ length: pushed }, (_, at) => at));
  });
});
