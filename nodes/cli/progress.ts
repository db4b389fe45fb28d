/**
 * Progress on stderr for whatever takes longer than a second: one line written over on a terminal,
 * plain lines at a calm pace elsewhere (a log, a CI run). Nothing is shown for what is quick.
 */

import type { Terminal } from './terminal.ts';

export interface Progress {
  /** What is going on now; shown when it is time to. */
  update(text: string): void;
  /** Ends it, removing a line that was written over. `text`, if given, stays as a line. */
  done(text?: string): void;
}

const showAfterMs = 1_000;
const redrawMs = 200;
const plainLineMs = 5_000;

export interface ProgressOptions {
  /** Show from the start: the user is known to wait. */
  readonly atOnce?: boolean;
}

export function startProgress(
  terminal: Terminal,
  text: string,
  options: ProgressOptions = {},
): Progress {
  let current = text;
  let shown = '';
  let finished = false;
  const draw = (): void => {
    if (current === shown) return;
    if (terminal.errIsTty) terminal.errRaw(`\r\u001b[2K${current}`);
    else terminal.err(current);
    shown = current;
  };
  const repeat = (): NodeJS.Timeout =>
    setInterval(draw, terminal.errIsTty ? redrawMs : plainLineMs);
  let timer: NodeJS.Timeout;
  if (options.atOnce === true) {
    draw();
    timer = repeat();
  } else {
    timer = setTimeout(() => {
      draw();
      timer = repeat();
    }, showAfterMs);
  }
  return {
    update: (next) => {
      current = next;
    },
    done: (last) => {
      if (finished) return;
      finished = true;
      clearTimeout(timer);
      if (terminal.errIsTty && shown !== '') terminal.errRaw('\r\u001b[2K');
      if (last !== undefined) terminal.err(last);
    },
  };
}
