/**
 * How a command that stays ends: the first SIGINT or SIGTERM asks it to stop in good order, the
 * second ends the process at once.
 */

const stopSignals = ['SIGINT', 'SIGTERM'] as const;
const exitCodeOfSignal = { SIGINT: 130, SIGTERM: 143 } as const;

export interface StopSignals {
  /** Aborted by the first signal. */
  readonly stop: AbortSignal;
  /** As if the first signal had come. */
  readonly request: () => void;
  /** Signals do again what they did before. */
  release(): void;
}

/**
 * `onFirst` is called when the first signal comes. A process that another of ours `spawned` is
 * ended by that one: a Ctrl-C in its terminal reaches both, and is not for this one.
 */
export function listenForStop(onFirst: () => void, spawned = false): StopSignals {
  const controller = new AbortController();
  const request = (): void => {
    if (controller.signal.aborted) return;
    onFirst();
    controller.abort();
  };
  const handle = (signal: 'SIGINT' | 'SIGTERM'): void => {
    if (spawned && signal === 'SIGINT') return;
    if (controller.signal.aborted) process.exit(exitCodeOfSignal[signal]);
    request();
  };
  for (const signal of stopSignals) process.on(signal, handle);
  return {
    stop: controller.signal,
    request,
    release: () => {
      for (const signal of stopSignals) process.removeListener(signal, handle);
    },
  };
}

/** Rejects never; resolves when `signal` is aborted. */
export function aborted(signal: AbortSignal): Promise<void> {
  return signal.aborted
    ? Promise.resolve()
    : new Promise((resolve) => {
        signal.addEventListener('abort', () => resolve(), { once: true });
      });
}
