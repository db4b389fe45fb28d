/**
 * How parsing gives up: one throwable that carries the typed error. It never leaves this folder's
 * parsers; they return it as data.
 */

import { type QueryError, queryError } from '../../actors/domain/outcome.ts';
import { show } from '../../runtime/wire/tensor-elements.ts';

export class Refused extends Error {
  readonly error: QueryError;

  constructor(error: QueryError) {
    super(error.message);
    this.error = error;
  }
}

/** `slo.latencyMs: expected a finite number > 0, got "fast"`. */
export function badField(field: string, expected: string, got: unknown): Refused {
  return badInput(field, `${field}: expected ${expected}, got ${show(got)}`, { expected });
}

export function badInput(
  field: string,
  message: string,
  details: Readonly<Record<string, unknown>> = {},
): Refused {
  return new Refused(queryError('bad_input', message, { field, ...details }));
}

export function tooLarge(message: string, details: Readonly<Record<string, unknown>>): Refused {
  return new Refused(queryError('too_large', message, details));
}
