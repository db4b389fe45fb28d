/** How a job of the model lab fails: its process, the model itself, or the validation set. */

import { InfaasError } from '../../runtime/errors.ts';

export type LabFailure =
  /** Nothing new for too long, or the whole took too long. */
  | 'hung'
  /** Died of a signal that was not ours: a crash in native code, the kernel. */
  | 'killed'
  | 'out_of_memory'
  /** Something was thrown that no verdict covers. */
  | 'threw'
  | 'cancelled'
  | 'not_started'
  | 'busy';

/** The job's process failed; `address` is the model's file. */
export class LabFailed extends InfaasError {
  readonly code = 'lab_failed';
  readonly how: LabFailure;
  /** What it was doing. */
  readonly stage: string;

  constructor(how: LabFailure, stage: string, message: string, address: string, cause?: unknown) {
    super(message, address, cause);
    this.how = how;
    this.stage = stage;
  }
}

export type RefusalReason =
  /** It is no ONNX model, or one that says impossible things. */
  | 'invalid'
  /** ONNX Runtime does not take the file. */
  | 'unloadable'
  /** It has an input or output that is no tensor we can carry. */
  | 'unsupported'
  /** It runs on no sample that was given or tried. */
  | 'unrunnable'
  /** It runs, and is not what the signature says. */
  | 'misfit';

/** A verdict on the model; `address` is its file. */
export class ModelRefused extends InfaasError {
  readonly code = 'model_refused';
  readonly reason: RefusalReason;

  constructor(reason: RefusalReason, message: string, address: string, cause?: unknown) {
    super(message, address, cause);
    this.reason = reason;
  }
}

/** A validation set that is missing, does not parse or does not fit; `address` is its file. */
export class ValidationInvalid extends InfaasError {
  readonly code = 'validation_invalid';
  /** From 1; undefined where it is about the file. */
  readonly line: number | undefined;

  constructor(what: string, file: string, line?: number, cause?: unknown) {
    const at = `${file}${line === undefined ? '' : `:${String(line)}`}`;
    super(what.startsWith(at) ? what : `${at}: ${what}`, file, cause);
    this.line = line;
  }
}
