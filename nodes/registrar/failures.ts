/** What went wrong with a step, as the typed error that whoever registers reads. Pure. */

import { type QueryError, queryError } from '../../actors/domain/outcome.ts';
import { messageOf } from '../../runtime/errors.ts';
import { type LabFailure, LabFailed, ModelRefused, ValidationInvalid } from '../lab/errors.ts';

/** Thrown where the files that came are not those that the manifest names. */
export class FilesMissing extends Error {}

/** A worker's verdict on a model, typed already. */
export class RefusedElsewhere extends Error {
  readonly error: QueryError;

  constructor(error: QueryError) {
    super(error.message);
    this.error = error;
  }
}

const ofLab: Readonly<Record<LabFailure, QueryError['code']>> = {
  // The model's own doing.
  hung: 'bad_input',
  killed: 'bad_input',
  out_of_memory: 'bad_input',
  threw: 'bad_input',
  cancelled: 'cancelled',
  not_started: 'internal',
  busy: 'overloaded',
};

/** `folder` is our business: messages name files as they were given. */
export function errorOfStep(error: unknown, folder: string): QueryError {
  if (error instanceof RefusedElsewhere) return error.error;
  const message = messageOf(error).replaceAll(`${folder}/`, '');
  if (error instanceof LabFailed) {
    return queryError(ofLab[error.how], message, { failure: error.how, stage: error.stage });
  }
  if (error instanceof ModelRefused) {
    return queryError('bad_input', message, { field: 'file', reason: error.reason });
  }
  if (error instanceof ValidationInvalid) {
    return queryError('bad_input', message, { field: 'validation', line: error.line });
  }
  if (error instanceof FilesMissing) return queryError('bad_input', message, { field: 'file' });
  return queryError('internal', message);
}
