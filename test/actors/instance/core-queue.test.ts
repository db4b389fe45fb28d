/** Whose batch gets a core: by priority and deadline, the late one in eight, offline last. */

import { expect } from 'chai';
import fc from 'fast-check';

import { CoreQueue, lateEvery, type WaitingBatch } from '../../../actors/instance/core-queue.ts';

interface Named extends WaitingBatch {
  readonly id: string;
}

function inTime(id: string, dueMs: number): Named {
  return { id, priority: 0, dueMs, late: false };
}

function late(id: string, dueMs: number): Named {
  return { id, priority: 0, dueMs, late: true };
}

const offline = (id: string): Named => inTime(id, Infinity);

function orderOf(...batches: readonly Named[]): string[] {
  const queue = new CoreQueue<Named>();
  for (const batch of batches) queue.push(batch);
  return Array.from({ length: queue.length }, () => queue.shift()?.id ?? '');
}

describe('batches that wait for a core', () => {
  it('get it by deadline, equals as they came', () => {
    const order = orderOf(inTime('c', 30), inTime('a', 10), inTime('b', 20), inTime('b2', 20));
    expect(order).to.deep.equal(['a', 'b', 'b2', 'c']);
  });

  it('go before the late, whatever their deadlines, and these before offline ones', () => {
    const order = orderOf(offline('o'), late('l2', 9), late('l1', 5), inTime('a', 1_000));
    expect(order).to.deep.equal(['a', 'l1', 'l2', 'o']);
  });

  it('go by priority before they go by deadline, in time or late', () => {
    const high = { priority: 3 };
    const batches = [inTime('a', 10), { ...inTime('b', 90), ...high }, late('l1', 1)];
    const order = orderOf(...batches, { ...late('l2', 5), ...high });
    expect(order).to.deep.equal(['b', 'a', 'l2', 'l1']);
  });

  it('leave one turn in eight to the late', () => {
    const queue = new CoreQueue<Named>();
    for (let at = 0; at < 3; at += 1) queue.push(late(`late ${String(at)}`, at));
    const turns: number[] = [];
    for (let turn = 1; turn <= 3 * lateEvery; turn += 1) {
      queue.push(inTime('in time', turn));
      if (queue.shift()?.late === true) turns.push(turn);
    }
    expect(turns).to.deep.equal([lateEvery, 2 * lateEvery, 3 * lateEvery]);
  });

  it('leave offline ones none', () => {
    const queue = new CoreQueue<Named>();
    queue.push(offline('o'));
    for (let turn = 1; turn <= 3 * lateEvery; turn += 1) {
      queue.push(inTime('in time', turn));
      expect(queue.shift()?.id).to.equal('in time');
    }
    expect(queue.shift()?.id).to.equal('o');
    expect(queue.shift()).to.equal(undefined);
  });

  it('are all there again, once each, and none after a clearing', () => {
    const batch = fc.record({
      dueMs: fc.oneof(fc.integer({ min: 0, max: 100 }), fc.constant(Infinity)),
      late: fc.boolean(),
      priority: fc.integer({ min: 0, max: 2 }),
      id: fc.uuid(),
    });
    fc.assert(
      fc.property(fc.uniqueArray(batch, { selector: ({ id }) => id }), (batches) => {
        expect(orderOf(...batches).sort()).to.deep.equal(batches.map(({ id }) => id).sort());
        const queue = new CoreQueue<Named>();
        for (const each of batches) queue.push(each);
        queue.clear();
        expect(queue.shift()).to.equal(undefined);
      }),
    );
  });
});
