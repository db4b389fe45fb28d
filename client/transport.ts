/**
 * How requests reach a gateway: the interface of both transports, and what they share, the table of
 * requests that wait for an answer.
 */

import { type OutcomeCode, type QueryError, queryError } from '../actors/domain/outcome.ts';

export type FleetOperation = 'tasks' | 'architectures' | 'variants' | 'workers' | 'instances';

export type RegistrationOperation = 'upload' | 'register' | 'unregister';

export type OfflineOperation =
  'offline-submit' | 'offline-status' | 'offline-cancel' | 'offline-list';

export type Operation =
  | 'query'
  | 'explain'
  | 'quote'
  | FleetOperation
  | RegistrationOperation
  | OfflineOperation
  | 'subscribe';

/** An answer as it arrived, its tensors still bytes. */
export interface WireAnswer {
  readonly ok: boolean;
  readonly error?: QueryError;
  /** True: more comes for the same request. */
  readonly partial?: boolean;
  readonly [field: string]: unknown;
}

export interface Transport {
  /** `id` is unique among what is in flight. Never rejects: whatever fails is an answer. */
  request(
    operation: Operation,
    id: string,
    body: Readonly<Record<string, unknown>>,
    timeoutMs: number,
    onPartial?: (answer: WireAnswer) => void,
  ): Promise<WireAnswer>;
  /** The query is then answered `cancelled`, unless its answer was on its way. */
  cancel(id: string): void;
  /** What is in flight is answered `unavailable`. */
  close(): Promise<void>;
}

export function failure(code: OutcomeCode, message: string): WireAnswer {
  return { ok: false, error: queryError(code, message) };
}

interface Waiting {
  readonly resolve: (answer: WireAnswer) => void;
  readonly sentMs: number;
  /** Put off by each partial answer. */
  expiresMs: number;
  readonly timeoutMs: number;
  readonly bytes: number;
  readonly onPartial: ((answer: WireAnswer) => void) | undefined;
}

/** The gateway keeps `timeoutMs`; this long after it, it is taken for dead. */
const graceMs = 5_000;
const sweepMs = 250;

/** Requests in flight by key; each is settled exactly once. */
export class WaitingAnswers {
  private readonly waiting = new Map<string, Waiting>();
  private timer: ReturnType<typeof setTimeout> | undefined;

  get size(): number {
    return this.waiting.size;
  }

  has(key: string): boolean {
    return this.waiting.has(key);
  }

  add(
    key: string,
    timeoutMs: number,
    bytes: number,
    onPartial?: (answer: WireAnswer) => void,
  ): Promise<WireAnswer> {
    return new Promise((resolve) => {
      const sentMs = performance.now();
      const expiresMs = sentMs + timeoutMs + graceMs;
      this.waiting.set(key, { resolve, sentMs, expiresMs, timeoutMs, bytes, onPartial });
      this.keepSweeping();
    });
  }

  settle(key: string, answer: WireAnswer): void {
    const waiting = this.waiting.get(key);
    if (waiting === undefined) return;
    if (answer.partial === true) {
      waiting.expiresMs = performance.now() + waiting.timeoutMs + graceMs;
      waiting.onPartial?.(answer);
      return;
    }
    this.waiting.delete(key);
    if (this.waiting.size === 0) this.stopSweeping();
    waiting.resolve(answer);
  }

  settleAll(answer: WireAnswer): void {
    for (const key of [...this.waiting.keys()]) this.settle(key, answer);
  }

  /** The only one, where there is only one: whom an answer without an id must mean. */
  only(): string | undefined {
    const [key, ...others] = this.waiting.keys();
    return others.length === 0 ? key : undefined;
  }

  largest(): string | undefined {
    let largest: string | undefined;
    let most = -1;
    for (const [key, { bytes }] of this.waiting) {
      if (bytes > most) [largest, most] = [key, bytes];
    }
    return largest;
  }

  /** Keys of what has waited for at least `ms`. */
  olderThan(ms: number): string[] {
    const before = performance.now() - ms;
    return [...this.waiting].filter(([, { sentMs }]) => sentMs <= before).map(([key]) => key);
  }

  /** Runs only while something waits, so that it keeps no process alive. */
  private keepSweeping(): void {
    this.timer ??= setTimeout(() => {
      this.timer = undefined;
      const nowMs = performance.now();
      for (const [key, { expiresMs }] of this.waiting) {
        if (expiresMs > nowMs) continue;
        this.settle(key, failure('deadline_exceeded', 'the gateway did not answer in time'));
      }
      if (this.waiting.size > 0) this.keepSweeping();
    }, sweepMs);
  }

  private stopSweeping(): void {
    clearTimeout(this.timer);
    this.timer = undefined;
  }
}

/** Resolves with true when `ready` does within `ms`, else with false. */
export async function within(ready: Promise<unknown>, ms: number): Promise<boolean> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<boolean>((resolve) => {
    timer = setTimeout(() => resolve(false), ms);
  });
  const done = ready.then(
    () => true,
    () => false,
  );
  const intime = await Promise.race([done, late]);
  clearTimeout(timer);
  return intime;
}
