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

/** The `Examples` part of a command's help. */
export function examples(...lines: readonly string[]): string {
  const title = lines.length === 1 ? 'Example:' : 'Examples:';
  return `\n${[title, ...lines.map((line) => `  $ ${line}`)].join('\n')}`;
}

/** `--json`: one document on one line. */
export function printJson(terminal: Terminal, value: unknown): void {
  terminal.out(JSON.stringify(value));
}
