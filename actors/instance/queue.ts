/**
 * An instance's queue: by deadline, earliest first, arrival order between equals. A query whose SLO
 * can no longer be met moves behind all that can still be: otherwise the late ones would make
 * everybody else late. They have their turns (`batches.ts`), lest a steady flow starves them.
 */

import { isOffline } from '../domain/offline-job.ts';
import type { RunQuery } from '../worker/protocol.ts';

export interface Waiting {
  readonly query: RunQuery;
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
  return {
    query,
    arrivedMs: nowMs,
    // Behind everything online, whatever its deadline.
    dueMs: isOffline(query.delivery.priority)
      ? Infinity
      : Math.min(hardDueMs, hardDueMs - query.sloLeadMs),
    hardDueMs,
    late: false,
    size: query.batch,
  };
}

/** Those in time, then the late, then what is never due. */
function goesBefore(a: Waiting, b: Waiting): boolean {
  if (a.late !== b.late) return a.late ? b.dueMs === Infinity : a.dueMs < Infinity;
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
  for (;;) {
    const head = queue[0];
    if (head === undefined || head.late || head.dueMs >= nowMs + alone(head.size)) break;
    const mustDrop = head.hardDueMs <= nowMs || head.query.rejectLate;
    // Its hard bound is near: it may still make it, and nothing is gained by waiting.
    if (!mustDrop && head.dueMs >= head.hardDueMs) break;
    queue.shift();
    if (mustDrop) {
      dropped ??= [];
      dropped.push(head);
    } else {
      head.late = true;
      head.dueMs = head.hardDueMs;
      insertByDue(queue, head);
    }
  }
  const at = firstLate(queue);
  while ((queue[at]?.dueMs ?? Infinity) <= nowMs) {
    dropped ??= [];
    dropped.push(...queue.splice(at, 1));
  }
  return dropped ?? none;
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
