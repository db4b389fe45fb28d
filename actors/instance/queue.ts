/**
 * An instance's queue: by deadline, earliest first, arrival order between equals. A query whose SLO
 * can no longer be met moves behind those that can still be: otherwise the late ones would make
 * everybody else late. Not behind all that will ever come, lest a steady flow starves it: it is due
 * again when half of what was left of its time has passed.
 */

import { isOffline } from '../domain/offline-job.ts';
import type { RunQuery } from '../worker/protocol.ts';

export interface Waiting {
  readonly query: RunQuery;
  readonly arrivedMs: number;
  /** Orders the queue: the SLO’s deadline while it can be met, then half-way, then the bound. */
  dueMs: number;
  readonly hardDueMs: number;
  /** Its SLO can no longer be met. */
  movedBack: boolean;
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
    movedBack: false,
    size: query.batch,
  };
}

/** Inserts in order; the common case, a later deadline than all, costs nothing. */
export function insertByDue(queue: Waiting[], waiting: Waiting): void {
  let low = 0;
  let high = queue.length;
  const last = queue[high - 1];
  if (last === undefined || last.dueMs <= waiting.dueMs) {
    queue.push(waiting);
    return;
  }
  while (low < high) {
    const middle = (low + high) >> 1;
    const there = queue[middle];
    if (there !== undefined && there.dueMs <= waiting.dueMs) low = middle + 1;
    else high = middle;
  }
  queue.splice(low, 0, waiting);
}

/**
 * Takes out those that must not run any more: past their hard bound, or with `rejectLate` and no
 * longer able to meet their SLO. Others that cannot meet it are moved back. `alone(size)` is the
 * predicted time of a query run at once by itself.
 */
export function settleLate(
  queue: Waiting[],
  nowMs: number,
  alone: (size: number) => number,
): readonly Waiting[] {
  let dropped: Waiting[] | undefined;
  for (;;) {
    const head = queue[0];
    if (head === undefined || head.dueMs >= nowMs + alone(head.size)) break;
    queue.shift();
    const mustDrop = head.hardDueMs <= nowMs || head.query.rejectLate;
    if (mustDrop) {
      dropped ??= [];
      dropped.push(head);
    } else if (head.dueMs < head.hardDueMs) {
      const halfMs = nowMs + (head.hardDueMs - nowMs) / 2;
      const isFirst = !head.movedBack && halfMs >= nowMs + alone(head.size);
      // Once: moved by half again and again, what waits for company would never start.
      head.movedBack = true;
      head.dueMs = isFirst ? halfMs : head.hardDueMs;
      insertByDue(queue, head);
    } else {
      // Its hard bound is near: it may still make it, and nothing is gained by waiting.
      queue.unshift(head);
      break;
    }
  }
  return dropped ?? none;
}

const none: readonly Waiting[] = [];

/** The first of the queue, at most `max`, that may share a batch under `batchKey`, in order. */
export function alikeIn(queue: readonly Waiting[], batchKey: string, max: number): Waiting[] {
  const alike: Waiting[] = [];
  for (const waiting of queue) {
    if (alike.length === max) break;
    if (waiting.query.batchKey === batchKey) alike.push(waiting);
  }
  return alike;
}

/** Removes and returns the first `count` whose key is `batchKey`, in order. */
export function takeBatch(queue: Waiting[], batchKey: string, count: number): Waiting[] {
  const allAlike = queue.slice(0, count).every((waiting) => waiting.query.batchKey === batchKey);
  if (allAlike) return queue.splice(0, count);
  const taken: Waiting[] = [];
  for (let index = 0; index < queue.length && taken.length < count;) {
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
