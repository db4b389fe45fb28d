/**
 * The entry point of `infaas`: runs one command line and resolves with the exit code (INTERFACE.md:
 * 0 done, 1 failed, 2 usage, 4 the query was refused). Never ends the process itself.
 */

import { type Command, CommanderError } from 'commander';

import { type Cli, printJson } from './cli.ts';
import {
  describeError,
  errorCodeOf,
  exitCodeOf,
  exitCodes,
  QueryWasRefused,
  UsageError,
} from './errors.ts';
import { createProgram } from './program.ts';
import { processTerminal, type Terminal } from './terminal.ts';

/** `argv` without node and script. */
export async function main(
  argv: readonly string[],
  terminal: Terminal = processTerminal(),
): Promise<number> {
  const cli: Cli = { terminal, exitCode: exitCodes.done };
  const program = createProgram(cli);
  try {
    await program.parseAsync(argv, { from: 'user' });
    return cli.exitCode;
  } catch (error) {
    const code = exitCodeOf(error);
    if (code !== exitCodes.done) report(terminal, error, argv, program);
    return code;
  }
}

function report(
  terminal: Terminal,
  error: unknown,
  argv: readonly string[],
  program: Command,
): void {
  // Without a command commander has printed the help already.
  if (error instanceof CommanderError && error.code === 'commander.help') return;
  terminal.err(`infaas: ${describeError(error)}`);
  const usage = error instanceof UsageError || error instanceof CommanderError;
  if (usage) terminal.err(hintOf(argv, program));
  const printed = error instanceof QueryWasRefused && error.printed;
  if (printed || !argv.includes('--json')) return;
  const document = { code: errorCodeOf(error), message: describeError(error) };
  printJson(terminal, { ok: false, error: document });
}

function hintOf([name]: readonly string[], program: Command): string {
  const listed = program.createHelp().visibleCommands(program);
  return listed.some((command) => command.name() === name)
    ? `\`infaas ${name ?? ''} --help\` shows its options and an example`
    : '`infaas --help` lists the commands';
}
