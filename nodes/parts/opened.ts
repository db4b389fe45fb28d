/**
 * What a root has opened so far, to be closed in the reverse order: when the node ends, and when
 * its start fails halfway, which must not leave a connection or a child that keeps the process.
 */

export interface Opened {
  push(close: () => Promise<unknown>): void;
  /** The last opened first; a second call closes nothing twice. */
  readonly close: () => Promise<void>;
}

/** Runs `start`, which pushes whatever it opens; closes all of it before a failure is passed on. */
export async function openOrClose<T>(start: (opened: Opened) => Promise<T>): Promise<T> {
  const closers: (() => Promise<unknown>)[] = [];
  const opened: Opened = {
    push: (close) => {
      closers.push(close);
    },
    close: async () => {
      for (let last = closers.pop(); last !== undefined; last = closers.pop()) await last();
    },
  };
  try {
    return await start(opened);
  } catch (error) {
    // Why the start failed matters more than what then could not be closed.
    await opened.close().catch(() => undefined);
    throw error;
  }
}
