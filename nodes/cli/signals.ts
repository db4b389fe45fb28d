/**
 * How a command that stays ends: the first SIGINT or SIGTERM asks it to stop in good order, the
 * second ends the process at once.
 */

import type { Terminal } from './terminal.ts';

const stopSignals = ['SIGINT', 'SIGTERM'] as const;
const exitCodeOfSignal = { SIGINT: 130, SIGTERM: 143 } as const;

export interface StopSignals {
  /** Aborted by the first signal. */
  readonly stop: AbortSignal;
  /** Signals do again what they did before. */
  release(): void;
}

/** `onFirst` is said when the first signal comes. */
export function listenForStop(terminal: Terminal, onFirst: string): StopSignals {
  const controller = new AbortController();
  const handle = (signal: 'SIGINT' | 'SIGTERM'): void => {
    if (controller.signal.aborted) process.exit(exitCodeOfSignal[signal]);
    terminal.err(onFirst);
    controller.abort();
  };
  for (const signal of stopSignals) process.on(signal, handle);
  return {
    stop: controller.signal,
    release: () => {
      for (const signal of stopSignals) process.removeListener(signal, handle);
    },
  };
}

export function aborted(signal: AbortSignal): Promise<void> {
  return signal.aborted
    ? Promise.resolve()
    : new Promise((resolve) => {
        signal.addEventListener('abort', () => resolve(), { once: true });
      });
}

const heldMs = 3_000;

/**
 * Everything is closed, so the event loop should run dry; should something hold it all the same, the
 * process ends after three seconds, with the exit code it has. The timer itself holds nothing.
 */
export function leaveEvenIfHeld(): void {
  setTimeout(() => process.exit(), heldMs).unref();
}
