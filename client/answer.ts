/** An answer as it travels to the one that a program reads, with typed arrays. Pure. */

import { type QueryError, queryError } from '../actors/domain/outcome.ts';
import type { QueryServed } from '../actors/domain/query.ts';
import { elementsOf } from '../runtime/wire/tensor-elements.ts';
import {
  type Datatype,
  type NamedTensors,
  type NumericArray,
  type Tensor,
  typedArrayOf,
} from '../runtime/wire/tensors.ts';
import type { WireAnswer } from './transport.ts';

export interface OutputTensor {
  readonly datatype: Datatype;
  readonly shape: readonly number[];
  /** Row-major. FP16 as Float32Array, BOOL as Uint8Array, BYTES as strings (UTF-8). */
  readonly data: NumericArray | readonly string[];
  /** As they came, little-endian. */
  readonly bytes: Uint8Array;
}

export interface ServedAnswer extends Omit<QueryServed, 'outputs'> {
  readonly id: string;
  readonly outputs: Readonly<Record<string, OutputTensor>>;
}

export interface RefusedAnswer {
  readonly ok: false;
  readonly id: string;
  /** Absent where the query never reached the system. */
  readonly queryId?: string;
  readonly error: QueryError;
}

export type Answer = ServedAnswer | RefusedAnswer;

export function readAnswer(id: string, answer: WireAnswer): Answer {
  if (answer.ok) {
    const served = answer as unknown as QueryServed;
    const outputs = Object.entries((served.outputs as NamedTensors | undefined) ?? {});
    return {
      ...served,
      id,
      outputs: Object.fromEntries(outputs.map(([name, tensor]) => [name, readTensor(tensor)])),
    };
  }
  const { queryId } = answer as { readonly queryId?: unknown };
  const error = answer.error ?? queryError('internal', 'the gateway gave no reason');
  return { ok: false, id, ...(typeof queryId === 'string' ? { queryId } : {}), error };
}

function readTensor(tensor: Tensor): OutputTensor {
  const { datatype, shape, data: bytes } = tensor;
  return { datatype, shape, data: readData(tensor), bytes };
}

function readData(tensor: Tensor): NumericArray | readonly string[] {
  switch (tensor.datatype) {
    case 'BYTES':
      return elementsOf(tensor) as string[];
    case 'FP16':
      return Float32Array.from(elementsOf(tensor) as number[]);
    default:
      return typedArrayOf(tensor);
  }
}
