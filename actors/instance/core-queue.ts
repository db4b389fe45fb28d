/**
 * Batches of several instances that wait for one core, or for any of several: those in time by
 * priority and then by deadline, then the late, then offline ones. Of `lateEvery` batches one is
 * late, where those in time would take all of them: the late starve nobody, and are not starved.
 */

export interface WaitingBatch {
  /** Of its first query; higher goes first. */
  readonly priority: number;
  /** Infinity: offline. */
  readonly dueMs: number;
  /** Its first query can no longer meet its SLO. */
  readonly late: boolean;
}

export const lateEvery = 8;

export class CoreQueue<B extends WaitingBatch> {
  readonly #inTime: B[] = [];
  readonly #late: B[] = [];
  readonly #offline: B[] = [];
  /** Batches since the last late one. */
  #sinceLate = 0;

  get length(): number {
    return this.#inTime.length + this.#late.length + this.#offline.length;
  }

  push(batch: B): void {
    if (batch.dueMs === Infinity) this.#offline.push(batch);
    else insertByDue(batch.late ? this.#late : this.#inTime, batch);
  }

  shift(): B | undefined {
    const isLatesTurn = this.#inTime.length === 0 || this.#sinceLate >= lateEvery - 1;
    const late = isLatesTurn ? this.#late.shift() : undefined;
    this.#sinceLate = late === undefined ? this.#sinceLate + 1 : 0;
    return late ?? this.#inTime.shift() ?? this.#offline.shift();
  }

  clear(): void {
    for (const batches of [this.#inTime, this.#late, this.#offline]) batches.length = 0;
  }
}

/** Few wait, an instance has at most one: the end is where most go. */
function insertByDue<B extends WaitingBatch>(batches: B[], batch: B): void {
  let at = batches.length;
  for (; at > 0; at -= 1) {
    const there = batches[at - 1];
    if (there === undefined || !goesBefore(batch, there)) break;
  }
  batches.splice(at, 0, batch);
}

function goesBefore(a: WaitingBatch, b: WaitingBatch): boolean {
  return a.priority === b.priority ? a.dueMs < b.dueMs : a.priority > b.priority;
}
