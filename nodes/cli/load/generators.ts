/**
 * The two ways to send: open loop (at given times, whatever comes back) and closed loop (so many at
 * once, the next when one is answered). Both over the clock port, so that tests run without
 * waiting.
 */

import type { Clock } from '../../../runtime/clock.ts';
import type { LoadResult } from './recorder.ts';

/** Sends query number `index`; resolves always, with how it ended. */
export type SendQuery = (index: number) => Promise<LoadResult['outcome']>;

export interface GeneratorOptions {
  readonly clock: Clock;
  readonly send: SendQuery;
  readonly record: (result: LoadResult) => void;
  /** Queries in flight at most; one more is recorded as `not_sent`. */
  readonly inFlightMax: number;
  readonly stop: AbortSignal;
}

/** Queries under way, for the live line and for the end to wait on. */
export class InFlight {
  count = 0;
  private waiting: (() => void)[] = [];

  add(): void {
    this.count += 1;
  }

  remove(): void {
    this.count -= 1;
    if (this.count > 0) return;
    for (const resolve of this.waiting.splice(0)) resolve();
  }

  /** Resolves when nothing is under way any more. */
  drained(): Promise<void> {
    return this.count === 0
      ? Promise.resolve()
      : new Promise((resolve) => this.waiting.push(resolve));
  }
}

/** A generator that waits for a distant arrival looks up this often, to see whether to stop. */
const lookUpMs = 100;

/** Sends at `arrivals` (ms from now); resolves when the last was sent, not when it was answered. */
export function runOpenLoop(
  options: GeneratorOptions,
  inFlight: InFlight,
  arrivals: Iterator<number, void>,
): Promise<void> {
  const { clock, stop } = options;
  const startMs = clock.nowMs();
  let index = 0;
  let next = arrivals.next();
  return new Promise((resolve) => {
    const pump = (): void => {
      while (next.done !== true && !stop.aborted) {
        const dueMs = startMs + next.value;
        const waitMs = dueMs - clock.nowMs();
        if (waitMs > 0) {
          clock.schedule(Math.min(waitMs, lookUpMs), pump);
          return;
        }
        sendOne(options, inFlight, index, dueMs);
        index += 1;
        next = arrivals.next();
      }
      resolve();
    };
    pump();
  });
}

function sendOne(
  options: GeneratorOptions,
  inFlight: InFlight,
  index: number,
  intendedMs: number,
): void {
  const { clock, record } = options;
  const sentMs = clock.nowMs();
  if (inFlight.count >= options.inFlightMax) {
    const outcome = { ok: false, code: 'not_sent' } as const;
    record({ intendedMs, sentMs, endedMs: sentMs, outcome });
    return;
  }
  inFlight.add();
  void options.send(index).then((outcome) => {
    record({ intendedMs, sentMs, endedMs: clock.nowMs(), outcome });
    inFlight.remove();
  });
}

/**
 * A query that fails is followed by the next only after this long: a lost system is not hammered.
 */
const afterFailureMs = 20;

/** Keeps `concurrency` queries in flight for `durationMs`; resolves when the last was answered. */
export async function runClosedLoop(
  options: GeneratorOptions,
  inFlight: InFlight,
  concurrency: number,
  durationMs: number,
): Promise<void> {
  const { clock, send, record, stop } = options;
  const endMs = clock.nowMs() + durationMs;
  let index = 0;
  const lane = async (): Promise<void> => {
    while (!stop.aborted) {
      const sentMs = clock.nowMs();
      if (sentMs >= endMs) return;
      inFlight.add();
      const outcome = await send(index++);
      record({ intendedMs: sentMs, sentMs, endedMs: clock.nowMs(), outcome });
      inFlight.remove();
      if (!outcome.ok) await sleep(clock, afterFailureMs);
    }
  };
  await Promise.all(Array.from({ length: concurrency }, lane));
}

function sleep(clock: Clock, ms: number): Promise<void> {
  return new Promise((resolve) => {
    clock.schedule(ms, resolve);
  });
}
