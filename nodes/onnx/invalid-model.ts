/** Why a file is refused as a model: one class, and a reason that programs can tell apart. */

import { InfaasError } from '../../runtime/errors.ts';

export type InvalidReason =
  | 'unreadable'
  | 'empty'
  | 'not_onnx'
  | 'truncated'
  | 'malformed'
  | 'too_deep'
  | 'too_large'
  | 'no_graph'
  | 'ir_version'
  | 'opset'
  | 'duplicate_name'
  | 'undefined_input'
  | 'cyclic'
  | 'tensor_type'
  | 'tensor_size'
  | 'external_path'
  | 'external_missing'
  | 'external_range';

export class ModelInvalid extends InfaasError {
  readonly code = 'model_invalid';
  readonly reason: InvalidReason;

  constructor(reason: InvalidReason, message: string, file: string, cause?: unknown) {
    super(message, file, cause);
    this.reason = reason;
  }
}
