/**
 * The events of a simulation, ordered by (due, tie-break, sequence): a binary heap whose keys lie
 * in typed arrays, so that pushing and popping allocate nothing.
 */

export interface SimEvent {
  fire(): void;
}

const CAPACITY_MIN = 256;

export class EventHeap {
  #size = 0;
  #pushed = 0;
  #dues = new Float64Array(CAPACITY_MIN);
  #ties = new Float64Array(CAPACITY_MIN);
  #sequences = new Float64Array(CAPACITY_MIN);
  #events: (SimEvent | undefined)[] = [];

  get size(): number {
    return this.#size;
  }

  /** When the next event is due; Infinity when there is none. */
  get nextDueMs(): number {
    return this.#size === 0 ? Infinity : (this.#dues[0] as number);
  }

  /** @param tie Orders events that are due at the same time; equal ones keep their sequence. */
  push(dueMs: number, tie: number, event: SimEvent): void {
    if (this.#size === this.#dues.length) this.#grow();
    this.#pushed += 1;
    this.#siftUp(this.#size, dueMs, tie, this.#pushed, event);
    this.#size += 1;
  }

  /** The next event. Only to be called when `size` is above 0. */
  pop(): SimEvent {
    const first = this.#events[0] as SimEvent;
    this.#size -= 1;
    const last = this.#size;
    const moved = this.#events[last] as SimEvent;
    this.#events[last] = undefined;
    if (last > 0) this.#siftDown(last, moved);
    return first;
  }

  /** Drops the events that `keep` refuses; the others stay in order. */
  sweep(keep: (event: SimEvent) => boolean): void {
    const before = this.#size;
    this.#size = 0;
    for (let at = 0; at < before; at += 1) {
      const event = this.#events[at] as SimEvent;
      if (!keep(event)) continue;
      // Never writes ahead of what it reads: a heap of `size` entries ends at or before `at`.
      const [due, tie, sequence] = this.#keysAt(at);
      this.#siftUp(this.#size, due, tie, sequence, event);
      this.#size += 1;
    }
    this.#events.fill(undefined, this.#size, before);
  }

  #keysAt(at: number): [number, number, number] {
    return [this.#dues[at] as number, this.#ties[at] as number, this.#sequences[at] as number];
  }

  #siftUp(hole: number, due: number, tie: number, sequence: number, event: SimEvent): void {
    let at = hole;
    while (at > 0) {
      const parent = (at - 1) >> 1;
      if (!this.#isAfter(parent, due, tie, sequence)) break;
      this.#copy(parent, at);
      at = parent;
    }
    this.#dues[at] = due;
    this.#ties[at] = tie;
    this.#sequences[at] = sequence;
    this.#events[at] = event;
  }

  /** Places the entry whose keys still lie at `last` (just past the end), starting at the root. */
  #siftDown(last: number, event: SimEvent): void {
    const due = this.#dues[last] as number;
    const tie = this.#ties[last] as number;
    const sequence = this.#sequences[last] as number;
    let at = 0;
    for (;;) {
      let child = 2 * at + 1;
      if (child >= last) break;
      if (child + 1 < last && this.#isAfterEntry(child, child + 1)) child += 1;
      if (this.#isAfter(child, due, tie, sequence)) break;
      this.#copy(child, at);
      at = child;
    }
    this.#dues[at] = due;
    this.#ties[at] = tie;
    this.#sequences[at] = sequence;
    this.#events[at] = event;
  }

  #isAfterEntry(a: number, b: number): boolean {
    return this.#isAfter(
      a,
      this.#dues[b] as number,
      this.#ties[b] as number,
      this.#sequences[b] as number,
    );
  }

  #isAfter(a: number, due: number, tie: number, sequence: number): boolean {
    const otherDue = this.#dues[a] as number;
    if (otherDue !== due) return otherDue > due;
    const otherTie = this.#ties[a] as number;
    if (otherTie !== tie) return otherTie > tie;
    return (this.#sequences[a] as number) > sequence;
  }

  #copy(from: number, to: number): void {
    this.#dues[to] = this.#dues[from] as number;
    this.#ties[to] = this.#ties[from] as number;
    this.#sequences[to] = this.#sequences[from] as number;
    this.#events[to] = this.#events[from];
  }

  #grow(): void {
    const capacity = this.#dues.length * 2;
    this.#dues = enlarged(this.#dues, capacity);
    this.#ties = enlarged(this.#ties, capacity);
    this.#sequences = enlarged(this.#sequences, capacity);
  }
}

function enlarged(before: Float64Array, capacity: number): Float64Array<ArrayBuffer> {
  const after = new Float64Array(capacity);
  after.set(before);
  return after;
}
