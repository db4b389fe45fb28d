/** What every command is given: where to print, and where to leave its exit code. */

import type { Command } from 'commander';

import type { Terminal } from './terminal.ts';

export interface Cli {
  readonly terminal: Terminal;
  /** What `main` resolves with; 0 until a command says otherwise. */
  exitCode: number;
}

/** A file under `commands/` exports one: it adds its command to the program. */
export type AddCommand = (program: Command, cli: Cli) => void;

/**
 * The `Examples` part of a command's help; a line that begins with a space goes on with the one
 * before.
 */
export function examples(...lines: readonly string[]): string {
  const shown = lines.map((line) => (line.startsWith(' ') ? `    ${line}` : `  $ ${line}`));
  return `\n${['Examples:', ...shown].join('\n')}`;
}

/** How this very command was called, for lines to be typed next. */
export function commandName({ environment }: Terminal): string {
  return environment['npm_command'] === undefined ? 'infaas' : 'npx infaas';
}

/** `--json`: one document on one line. */
export function printJson(terminal: Terminal, value: unknown): void {
  terminal.out(JSON.stringify(value));
}
