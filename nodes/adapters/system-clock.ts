/**
 * The real clock: `performance.now` for deciding, `Date` for records that people read, `setTimeout`
 * for timers.
 */

import type { Cancel, Clock } from '../../runtime/clock.ts';

/** `setTimeout` fires at once for longer delays (beyond 32 bits), so those are taken in steps. */
const STEP_MAX_MS = 2 ** 31 - 1;

export interface SystemClockOptions {
  /** Whether timers let the process exit while they wait. Default: false, they keep it alive. */
  readonly unrefTimers?: boolean;
}

export function createSystemClock(options: SystemClockOptions = {}): Clock {
  const unref = options.unrefTimers === true;
  return {
    nowMs: () => performance.now(),
    wallMs: () => Date.now(),
    schedule: (delayMs, callback) => scheduleInSteps(delayMs, callback, unref),
  };
}

function scheduleInSteps(delayMs: number, callback: () => void, unref: boolean): Cancel {
  let leftMs = delayMs;
  let timer: NodeJS.Timeout;
  const step = (): void => {
    // Rounded up: Node truncates, and a timer that fires early would be set again by its owner.
    const stepMs = Math.min(STEP_MAX_MS, Math.ceil(leftMs));
    leftMs -= stepMs;
    timer = setTimeout(leftMs > 0 ? step : callback, stepMs);
    if (unref) timer.unref();
  };
  step();
  return () => {
    clearTimeout(timer);
  };
}
