/** What `connect` and the fleet's descriptions throw: a failure with one of the system's codes. */

import type { OutcomeCode, QueryError } from '../actors/domain/outcome.ts';

export class ClientError extends Error {
  override readonly name = 'ClientError';
  readonly code: OutcomeCode;
  readonly retryable: boolean;
  readonly details: Readonly<Record<string, unknown>>;

  constructor(error: QueryError, cause?: unknown) {
    super(error.message, cause === undefined ? undefined : { cause });
    this.code = error.code;
    this.retryable = error.retryable;
    this.details = error.details;
  }
}
