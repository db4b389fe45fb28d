/**
 * An instance's queue: by priority, then by deadline, earliest first, arrival order between equals.
 * A query whose SLO can no longer be met moves behind all that can still be: otherwise the late
 * ones would make everybody else late. They have their turns (`batches.ts`), lest a steady flow
 * starves them; so has, once it is late, what others go before by their priority.
 */

import { isOffline } from '../domain/offline-job.ts';
import type { RunQuery } from '../worker/protocol.ts';

export interface Waiting {
  readonly query: RunQuery;
  /** Higher goes first. */
  readonly priority: number;
  readonly arrivedMs: number;
  /** The SLO’s deadline while it can be met, then the hard bound. */
  dueMs: number;
  readonly hardDueMs: number;
  /** Its SLO can no longer be met. */
  late: boolean;
  readonly size: number;
}

export function waitingOf(query: RunQuery, nowMs: number): Waiting {
  const hardDueMs = nowMs + query.delivery.budgetMs;
  const { priority } = query.delivery;
  return {
    query,
    priority,
    arrivedMs: nowMs,
    // Behind everything online, whatever its deadline.
    dueMs: isOffline(priority) ? Infinity : Math.min(hardDueMs, hardDueMs - query.sloLeadMs),
    hardDueMs,
    late: false,
    size: query.batch,
  };
}

/** Those in time, then the late, then what is never due; in each by priority, then by deadline. */
function goesBefore(a: Waiting, b: Waiting): boolean {
  if (a.late !== b.late) return a.late ? b.dueMs === Infinity : a.dueMs < Infinity;
  if (a.priority !== b.priority) return a.priority > b.priority;
  return a.dueMs <= b.dueMs;
}

/** Inserts in order; the common case, a later deadline than all, costs nothing. */
export function insertByDue(queue: Waiting[], waiting: Waiting): void {
  const last = queue.at(-1);
  if (last === undefined || goesBefore(last, waiting)) queue.push(waiting);
  else
    queue.splice(
      firstAfter(queue, (there) => goesBefore(there, waiting)),
      0,
      waiting,
    );
}

/** Where the late begin; the length of the queue where there are none. */
export function firstLate(queue: readonly Waiting[]): number {
  const at = firstAfter(queue, ({ late, dueMs }) => !late && dueMs < Infinity);
  return queue[at]?.late === true ? at : queue.length;
}

/** How many are in time and how many late; what is never due (offline work) is neither. */
export function countsOf(queue: readonly Waiting[]): {
  readonly inTime: number;
  readonly late: number;
} {
  const inTime = firstAfter(queue, ({ late, dueMs }) => !late && dueMs < Infinity);
  // The common case: nobody is late.
  if (inTime === queue.length) return { inTime, late: 0 };
  return { inTime, late: firstAfter(queue, ({ dueMs }) => dueMs < Infinity) - inTime };
}

/** The first for which `isBefore` does not hold, of a queue where it holds for a beginning. */
function firstAfter(queue: readonly Waiting[], isBefore: (there: Waiting) => boolean): number {
  let low = 0;
  let high = queue.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    const there = queue[middle];
    if (there !== undefined && isBefore(there)) low = middle + 1;
    else high = middle;
  }
  return low;
}

/**
 * Takes out those that must not run any more: past their hard bound, or with `rejectLate` and no
 * longer able to meet their SLO. Others that cannot meet it are late from now on. `alone(size)` is
 * the predicted time of a query run at once by itself.
 */
export function settleLate(
  queue: Waiting[],
  nowMs: number,
  alone: (size: number) => number,
): readonly Waiting[] {
  let dropped: Waiting[] | undefined;
  for (let at = 0; ;) {
    const first = queue[at];
    if (first === undefined || first.late || first.dueMs === Infinity) break;
    const isLate = first.dueMs < nowMs + alone(first.size);
    const mustDrop = first.hardDueMs <= nowMs || first.query.rejectLate;
    // Its hard bound is near: it may still make it, and nothing is gained by waiting.
    if (!isLate || (!mustDrop && first.dueMs >= first.hardDueMs)) {
      at = firstBelow(queue, first);
      continue;
    }
    queue.splice(at, 1);
    if (mustDrop) {
      dropped ??= [];
      dropped.push(first);
    } else {
      first.late = true;
      first.dueMs = first.hardDueMs;
      insertByDue(queue, first);
    }
  }
  for (let at = firstLate(queue); ;) {
    const first = queue[at];
    if (first === undefined || first.dueMs === Infinity) break;
    if (first.dueMs <= nowMs) {
      dropped ??= [];
      dropped.push(...queue.splice(at, 1));
    } else {
      at = firstBelow(queue, first);
    }
  }
  return dropped ?? none;
}

/** Where those of lower priority begin, or the late behind `there`, the first of its priority. */
function firstBelow(queue: readonly Waiting[], there: Waiting): number {
  const last = queue.at(-1);
  // The common case: all alike.
  if (last === undefined || isAsUrgent(last, there)) return queue.length;
  return firstAfter(queue, (other) => isAsUrgent(other, there) || goesBefore(other, there));
}

function isAsUrgent(a: Waiting, b: Waiting): boolean {
  return a.late === b.late && a.priority === b.priority;
}

const none: readonly Waiting[] = [];

/** From `from` on, at most `max` that may share a batch under `batchKey`, in order. */
export function alikeIn(
  queue: readonly Waiting[],
  batchKey: string,
  max: number,
  from = 0,
): Waiting[] {
  const alike: Waiting[] = [];
  for (let index = from; index < queue.length && alike.length < max; index += 1) {
    const waiting = queue[index];
    if (waiting?.query.batchKey === batchKey) alike.push(waiting);
  }
  return alike;
}

/** Removes and returns the first `count` from `from` on whose key is `batchKey`, in order. */
export function takeBatch(queue: Waiting[], batchKey: string, count: number, from = 0): Waiting[] {
  const next = queue.slice(from, from + count);
  if (next.every((waiting) => waiting.query.batchKey === batchKey))
    return queue.splice(from, count);
  const taken: Waiting[] = [];
  for (let index = from; index < queue.length && taken.length < count;) {
    const waiting = queue[index];
    if (waiting?.query.batchKey === batchKey) {
      taken.push(waiting);
      queue.splice(index, 1);
    } else {
      index += 1;
    }
  }
  return taken;
}
