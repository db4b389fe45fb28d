/**
 * Runs a node until it is told to stop or cannot go on: what up, controller, gateway, worker share.
 */

import type { Cli } from './cli.ts';
import { CommandFailed } from './errors.ts';
import { startProgress } from './progress.ts';
import { aborted, listenForStop } from './signals.ts';
import type { Terminal } from './terminal.ts';

export interface StayingRoot {
  readonly failed: Promise<Error>;
  close(): Promise<void>;
}

export interface StayOptions<R extends StayingRoot> {
  readonly what: string;
  readonly start: () => Promise<R>;
  /** Prints where it listens and what to type next. `stop` ends it as the first Ctrl-C does. */
  readonly started: (root: R, stop: () => void) => void;
  /** Another process of ours started this one: it says nothing but errors, and SIGTERM ends it. */
  readonly spawned?: boolean;
}

/** A start that was asked to stop may be unable to end, so it is not waited for any longer. */
const startGraceMs = 1_000;

/** Resolves when the node has ended in good order; throws what ended it otherwise. */
export async function stay<R extends StayingRoot>(
  cli: Cli,
  options: StayOptions<R>,
): Promise<void> {
  const { terminal } = cli;
  const { what, spawned = false } = options;
  const say = (text: string): void => {
    if (!spawned) terminal.err(text);
  };
  const signals = listenForStop(() => {
    say(`stopping the ${what}: what is in flight is answered first; once more to stop at once`);
  }, spawned);
  try {
    const root = await startUnlessStopped(terminal, options, signals.stop);
    if (!signals.stop.aborted) options.started(root, signals.request);
    const failure = await Promise.race([root.failed, aborted(signals.stop).then(() => undefined)]);
    if (failure === undefined) {
      await root.close();
      say('stopped');
      return;
    }
    // The rest may be unable to end in good order now; what went wrong is said whatever happens.
    terminal.err(`the ${what} cannot go on: ${failure.message}`);
    await root.close().catch(() => undefined);
    throw new CommandFailed(`the ${what} ended: ${failure.message}`, 'node_failed', failure);
  } finally {
    signals.release();
    terminal.leaveEvenIfHeld();
  }
}

async function startUnlessStopped<R extends StayingRoot>(
  terminal: Terminal,
  options: StayOptions<R>,
  stop: AbortSignal,
): Promise<R> {
  const { what, spawned = false } = options;
  const progress = spawned ? undefined : startProgress(terminal, `starting the ${what} …`);
  let timer: NodeJS.Timeout | undefined;
  let over = false;
  const given = aborted(stop).then(
    () =>
      new Promise<never>((_resolve, reject) => {
        // A stop after the start is none of ours, and a timer would keep the process.
        if (over) return;
        timer = setTimeout(() => {
          reject(new CommandFailed(`the ${what} was stopped before it had started`, 'stopped'));
        }, startGraceMs);
      }),
  );
  try {
    return await Promise.race([options.start(), given]);
  } finally {
    over = true;
    clearTimeout(timer);
    progress?.done();
  }
}
