/** Runs a node until it is told to stop or cannot go on: what up, controller, gateway, worker share. */

import type { Cli } from './cli.ts';
import { CommandFailed } from './errors.ts';
import { startProgress } from './progress.ts';
import { aborted, leaveEvenIfHeld, listenForStop } from './signals.ts';

export interface StayingRoot {
  readonly failed: Promise<Error>;
  close(): Promise<void>;
}

export interface StayOptions<R extends StayingRoot> {
  readonly what: string;
  readonly start: () => Promise<R>;
  /** Prints where it listens and what to type next. */
  readonly started: (root: R) => void;
}

/** Resolves when the node has ended in good order; throws what ended it otherwise. */
export async function stay<R extends StayingRoot>(
  cli: Cli,
  options: StayOptions<R>,
): Promise<void> {
  const { terminal } = cli;
  const signals = listenForStop(
    terminal,
    `stopping the ${options.what}: what is in flight is answered first; once more to stop at once`,
  );
  try {
    const progress = startProgress(terminal, `starting the ${options.what} …`);
    const root = await options.start().finally(() => progress.done());
    if (!signals.stop.aborted) options.started(root);
    const failure = await Promise.race([root.failed, aborted(signals.stop).then(() => undefined)]);
    if (failure === undefined) {
      await root.close();
      terminal.err('stopped');
      return;
    }
    // The rest may be unable to end in good order now; what went wrong is said whatever happens.
    terminal.err(`the ${options.what} cannot go on: ${failure.message}`);
    await root.close().catch(() => undefined);
    throw new CommandFailed(
      `the ${options.what} ended: ${failure.message}`,
      'node_failed',
      failure,
    );
  } finally {
    signals.release();
    leaveEvenIfHeld();
  }
}
