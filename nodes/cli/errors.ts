/**
 * What can go wrong with a command, by exit code (INTERFACE.md): 1 failed, 2 usage, 4 the query was
 * refused. A message says what happened, where, and what to do about it.
 */

import { CommanderError } from 'commander';

import type { QueryError } from '../../actors/domain/outcome.ts';
import { ConfigInvalid, InfaasError, messageOf } from '../../runtime/errors.ts';

export const exitCodes = { done: 0, failed: 1, usage: 2, refused: 4 } as const;

/** The command line says something that cannot be done. Nothing was tried. */
export class UsageError extends Error {
  override readonly name = 'UsageError';
}

/** It was tried and failed. `code` is for programs that read `--json`. */
export class CommandFailed extends Error {
  override readonly name = 'CommandFailed';
  readonly code: string;

  constructor(message: string, code = 'failed', cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause });
    this.code = code;
  }
}

/** The system answered with a typed refusal. */
export class QueryWasRefused extends Error {
  override readonly name = 'QueryWasRefused';
  readonly error: QueryError;
  /** The answer is on stdout already, as a document. */
  readonly printed: boolean;

  constructor(error: QueryError, printed = false) {
    super(`${error.code}: ${error.message}`);
    this.error = error;
    this.printed = printed;
  }
}

export function exitCodeOf(error: unknown): number {
  if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : exitCodes.usage;
  if (error instanceof UsageError || error instanceof ConfigInvalid) return exitCodes.usage;
  if (error instanceof QueryWasRefused) return exitCodes.refused;
  return exitCodes.failed;
}

/** A stable word for `--json`. */
export function errorCodeOf(error: unknown): string {
  if (error instanceof QueryWasRefused) return error.error.code;
  if (error instanceof CommandFailed || error instanceof InfaasError) return error.code;
  return exitCodeOf(error) === exitCodes.usage ? 'usage' : 'failed';
}

/** For stderr. An error of ours is its message; anything else is a fault, so it keeps its stack. */
export function describeError(error: unknown): string {
  if (error instanceof CommanderError) return tidyCommanderMessage(error.message);
  if (
    error instanceof UsageError ||
    error instanceof CommandFailed ||
    error instanceof QueryWasRefused ||
    error instanceof InfaasError ||
    isSystemError(error)
  ) {
    return messageOf(error);
  }
  return error instanceof Error ? (error.stack ?? error.message) : String(error);
}

/** Errors of the operating system name the call, the code and the path: enough for a person. */
function isSystemError(error: unknown): error is NodeJS.ErrnoException {
  return error instanceof Error && typeof (error as NodeJS.ErrnoException).syscall === 'string';
}

/** `error: unknown command 'querry'\n(Did you mean query?)` on one line, without the prefix. */
function tidyCommanderMessage(message: string): string {
  return message
    .replace(/^error: /, '')
    .replace(/\n\(Did you mean ([^)]*)\?\)/, '; did you mean $1?')
    .trim();
}
