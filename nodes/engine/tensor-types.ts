/** Our datatypes and what ONNX Runtime calls them. */

import type { Tensor } from 'onnxruntime-node';

import type { Datatype } from '../../runtime/wire/tensors.ts';

export const tensorTypes = {
  BOOL: 'bool',
  UINT8: 'uint8',
  UINT16: 'uint16',
  UINT32: 'uint32',
  UINT64: 'uint64',
  INT8: 'int8',
  INT16: 'int16',
  INT32: 'int32',
  INT64: 'int64',
  FP16: 'float16',
  FP32: 'float32',
  FP64: 'float64',
  BYTES: 'string',
} as const satisfies Record<Datatype, Tensor.Type>;

/** Ours of ONNX Runtime's; undefined for what no tensor of ours can hold. */
export function datatypeOf(type: Tensor.Type): Datatype | undefined {
  const entries = Object.entries(tensorTypes) as readonly (readonly [Datatype, Tensor.Type])[];
  return entries.find(([, name]) => name === type)?.[0];
}
