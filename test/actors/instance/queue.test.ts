/** An instance's queue: by priority and deadline, late ones behind, only equals in a batch. */

import { expect } from 'chai';
import fc from 'fast-check';

import { offlinePriority } from '../../../actors/domain/offline-job.ts';
import {
  alikeIn,
  countsOf,
  firstLate,
  insertByDue,
  settleLate,
  takeBatch,
  type Waiting,
  waitingOf,
} from '../../../actors/instance/queue.ts';
import { runQuery, type RunQueryParts } from '../../support/run-queries.ts';

function queueOf(...parts: readonly RunQueryParts[]): Waiting[] {
  const queue: Waiting[] = [];
  parts.forEach((part, at) => insertByDue(queue, waitingOf(runQuery(`q${at + 1}`, part), 0)));
  return queue;
}

function ids(queue: readonly Waiting[]): string[] {
  return queue.map(({ query }) => query.queryId);
}

const alone10 = (size: number): number => size * 10;

describe('the queue of an instance', () => {
  it('is ordered by deadline, equals by arrival, whatever the order of arrival', () => {
    const deadlines = fc.array(fc.integer({ min: 0, max: 5 }), { maxLength: 30 });
    fc.assert(
      fc.property(deadlines, (budgets) => {
        const queue = queueOf(...budgets.map((sloBudgetMs) => ({ sloBudgetMs })));
        const expected = budgets
          .map((due, at) => ({ due, id: `q${at + 1}` }))
          .sort((a, b) => a.due - b.due)
          .map(({ id }) => id);
        expect(ids(queue)).to.deep.equal(expected);
      }),
    );
  });

  it('takes the hard bound as deadline where it comes before the SLO’s', () => {
    const queue = queueOf({ sloBudgetMs: 500 }, { sloBudgetMs: 900, budgetMs: 300 });
    expect(ids(queue)).to.deep.equal(['q2', 'q1']);
  });

  it('is ordered by priority before it is by deadline, in time or late', () => {
    const queue = queueOf({ sloBudgetMs: 50 }, { priority: 9, sloBudgetMs: 500 }, { priority: 4 });
    expect(ids(queue)).to.deep.equal(['q2', 'q3', 'q1']);
    const late = { sloBudgetMs: 5 };
    const mixed = queueOf(late, { ...late, priority: 9 }, { sloBudgetMs: 900 }, { priority: 2 });
    expect(settleLate(mixed, 0, alone10)).to.deep.equal([]);
    expect(ids(mixed)).to.deep.equal(['q4', 'q3', 'q2', 'q1']);
    expect(firstLate(mixed)).to.equal(2);
  });

  it('finds who is late, and who must go, behind others of higher priority', () => {
    const high = { priority: 9, sloBudgetMs: 1_000 };
    const queue = queueOf(high, { sloBudgetMs: 5, budgetMs: 90 }, { sloBudgetMs: 800 }, high);
    expect(settleLate(queue, 0, alone10)).to.deep.equal([]);
    expect(ids(queue)).to.deep.equal(['q1', 'q4', 'q3', 'q2']);
    expect(ids(settleLate(queue, 90, alone10))).to.deep.equal(['q2']);
    expect(ids(queue)).to.deep.equal(['q1', 'q4', 'q3']);
  });

  it('has offline queries behind all others, whatever their deadlines', () => {
    const offline = { priority: offlinePriority, budgetMs: 1 };
    const queue = queueOf(offline, { budgetMs: 600_000 }, offline, { sloBudgetMs: 5 });
    expect(ids(queue)).to.deep.equal(['q4', 'q2', 'q1', 'q3']);
    expect(settleLate(queueOf(offline), 10, alone10)).to.deep.equal([]);
  });

  it('counts who is in time and who late, offline queries with neither', () => {
    const offline = { priority: offlinePriority };
    const queue = queueOf(offline, { sloBudgetMs: 5 }, { sloBudgetMs: 100 }, offline, {});
    expect(countsOf(queue)).to.deep.equal({ inTime: 3, late: 0 });
    settleLate(queue, 0, alone10);
    expect(countsOf(queue)).to.deep.equal({ inTime: 2, late: 1 });
    expect(countsOf(queueOf(offline))).to.deep.equal({ inTime: 0, late: 0 });
  });

  it('moves a query that cannot meet its SLO any more behind those that can', () => {
    const queue = queueOf({ sloBudgetMs: 5 }, { sloBudgetMs: 100 });
    expect(settleLate(queue, 0, alone10)).to.deep.equal([]);
    expect(ids(queue)).to.deep.equal(['q2', 'q1']);
  });

  it('knows where the late begin, between those in time and offline ones', () => {
    const queue = queueOf({ sloBudgetMs: 5 }, { sloBudgetMs: 100 }, { priority: offlinePriority });
    expect(firstLate(queue)).to.equal(3);
    settleLate(queue, 0, alone10);
    expect(ids(queue)).to.deep.equal(['q2', 'q1', 'q3']);
    expect(firstLate(queue)).to.equal(1);
    insertByDue(queue, waitingOf(runQuery('q4', { sloBudgetMs: 20_000 }), 0));
    expect(ids(queue)).to.deep.equal(['q2', 'q4', 'q1', 'q3']);
    expect(firstLate(queue)).to.equal(2);
  });

  it('takes out the late at their hard bound, though others go before them', () => {
    const queue = queueOf({ sloBudgetMs: 5, budgetMs: 200 }, { sloBudgetMs: 1_000 });
    expect(settleLate(queue, 0, alone10)).to.deep.equal([]);
    expect(settleLate(queue, 199, alone10)).to.deep.equal([]);
    expect(ids(settleLate(queue, 200, alone10))).to.deep.equal(['q1']);
    expect(ids(queue)).to.deep.equal(['q2']);
  });

  it('takes out those that would rather be rejected than late, and those past their bound', () => {
    const queue = queueOf(
      { sloBudgetMs: 5, rejectLate: true },
      { sloBudgetMs: 100, rejectLate: true },
      { budgetMs: 2 },
    );
    expect(ids(settleLate(queue, 3, alone10))).to.deep.equal(['q3', 'q1']);
    expect(ids(queue)).to.deep.equal(['q2']);
  });

  it('keeps a query at its head that may miss its bound but has not yet', () => {
    const queue = queueOf({ budgetMs: 8 }, { budgetMs: 100 });
    expect(settleLate(queue, 3, alone10)).to.deep.equal([]);
    expect(ids(queue)).to.deep.equal(['q1', 'q2']);
  });

  const anyQueue = fc.array(
    fc.record({
      sloBudgetMs: fc.integer({ min: 0, max: 60 }),
      budgetMs: fc.integer({ min: 0, max: 120 }),
      rejectLate: fc.boolean(),
      batch: fc.integer({ min: 1, max: 3 }),
      priority: fc.integer({ min: 0, max: 2 }),
    }),
    { maxLength: 12 },
  );

  it('loses nobody by settling, and drops nobody who can be in time', () => {
    fc.assert(
      fc.property(anyQueue, fc.integer({ min: 0, max: 80 }), (parts, nowMs) => {
        const queue = queueOf(...parts);
        const before = ids(queue);
        const dropped = settleLate(queue, nowMs, alone10);
        expect([...ids(queue), ...ids(dropped)].sort()).to.deep.equal(before.sort());
        for (const { query, size, hardDueMs } of dropped) {
          const dueMs = Math.min(hardDueMs - query.sloLeadMs, hardDueMs);
          expect(nowMs + alone10(size)).to.be.above(dueMs);
        }
        const from = firstLate(queue);
        for (const part of [queue.slice(0, from), queue.slice(from)]) {
          const keys = part.map(({ priority, dueMs }) => -1_000 * priority + dueMs);
          expect(keys).to.deep.equal([...keys].sort((a, b) => a - b));
        }
        expect(queue.map(({ late }) => late)).to.deep.equal(queue.map((_, at) => at >= from));
      }),
    );
  });

  it('gives a batch only queries with the key of the first, in order', () => {
    const key = fc.constantFrom('', 'a', 'b');
    fc.assert(
      fc.property(fc.array(key, { maxLength: 12 }), key, fc.nat(6), (keys, wanted, count) => {
        const queue = queueOf(...keys.map((batchKey) => ({ batchKey })));
        const all = ids(queue);
        const alike = all.filter((_, at) => keys[at] === wanted);
        expect(ids(alikeIn(queue, wanted, 4))).to.deep.equal(alike.slice(0, 4));
        const after = all.slice(2).filter((id) => alike.includes(id));
        expect(ids(alikeIn(queue, wanted, 4, 2))).to.deep.equal(after.slice(0, 4));
        const taken = ids(takeBatch(queue, wanted, count));
        expect(taken).to.deep.equal(alike.slice(0, count));
        expect(ids(queue)).to.deep.equal(all.filter((id) => !taken.includes(id)));
      }),
    );
  });
});
