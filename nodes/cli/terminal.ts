/**
 * Where a command prints and what it may read of its surroundings: one object instead of
 * `process.stdout`, so that a test can capture a command and so that people's text (stderr) and
 * programs' text (stdout) are never mixed up.
 */

export interface Terminal {
  /** One line, or several, to stdout: the command's result. */
  out(text: string): void;
  /** One line, or several, to stderr: notes, progress, errors. */
  err(text: string): void;
  /** Raw text to stderr, for a progress line that is written over. */
  errRaw(text: string): void;
  readonly outIsTty: boolean;
  readonly errIsTty: boolean;
  readonly colours: boolean;
  readonly environment: Readonly<Record<string, string | undefined>>;
  /**
   * Everything is closed, so the event loop should run dry; should something hold it all the same,
   * the process ends a little later, with the exit code it has by then.
   */
  leaveEvenIfHeld(): void;
}

const heldMs = 500;

/** The process's own terminal. Colours only on a TTY and without NO_COLOR (no-color.org). */
export function processTerminal(): Terminal {
  const { stdout, stderr, env } = process;
  leaveQuietlyOnBrokenPipe(stdout);
  const outIsTty = stdout.isTTY;
  const noColour = env['NO_COLOR'] !== undefined && env['NO_COLOR'] !== '';
  return {
    out: (text) => void stdout.write(`${text}\n`),
    err: (text) => void stderr.write(`${text}\n`),
    errRaw: (text) => void stderr.write(text),
    outIsTty,
    errIsTty: stderr.isTTY,
    colours: outIsTty && !noColour && env['TERM'] !== 'dumb',
    environment: env,
    leaveEvenIfHeld: () => {
      setTimeout(() => process.exit(), heldMs).unref();
    },
  };
}

const pipesWatched = new WeakSet<NodeJS.WriteStream>();

/** `infaas variants | head -1` is not a failure: what reads us has enough. */
function leaveQuietlyOnBrokenPipe(stream: NodeJS.WriteStream): void {
  if (pipesWatched.has(stream)) return;
  pipesWatched.add(stream);
  stream.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code === 'EPIPE') process.exit(0);
    throw error;
  });
}
