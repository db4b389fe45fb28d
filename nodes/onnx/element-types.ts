/** TensorProto.DataType: its numbers, their sizes, their names in the Open Inference Protocol. */

import type { Datatype } from '../../runtime/wire/tensors.ts';

export const elementTypes = {
  FLOAT: 1,
  UINT8: 2,
  INT8: 3,
  UINT16: 4,
  INT16: 5,
  INT32: 6,
  INT64: 7,
  STRING: 8,
  BOOL: 9,
  FLOAT16: 10,
  DOUBLE: 11,
  UINT32: 12,
  UINT64: 13,
  COMPLEX64: 14,
  COMPLEX128: 15,
  BFLOAT16: 16,
  FLOAT8E4M3FN: 17,
  FLOAT8E4M3FNUZ: 18,
  FLOAT8E5M2: 19,
  FLOAT8E5M2FNUZ: 20,
  UINT4: 21,
  INT4: 22,
  FLOAT4E2M1: 23,
  FLOAT8E8M0: 24,
  UINT2: 25,
  INT2: 26,
} as const;

export type ElementType = keyof typeof elementTypes;

const names = new Map<number, ElementType>(
  Object.entries(elementTypes).map(([name, number]) => [number, name as ElementType]),
);

const bits: Readonly<Record<ElementType, number>> = {
  FLOAT: 32,
  UINT8: 8,
  INT8: 8,
  UINT16: 16,
  INT16: 16,
  INT32: 32,
  INT64: 64,
  STRING: 0,
  BOOL: 8,
  FLOAT16: 16,
  DOUBLE: 64,
  UINT32: 32,
  UINT64: 64,
  COMPLEX64: 64,
  COMPLEX128: 128,
  BFLOAT16: 16,
  FLOAT8E4M3FN: 8,
  FLOAT8E4M3FNUZ: 8,
  FLOAT8E5M2: 8,
  FLOAT8E5M2FNUZ: 8,
  UINT4: 4,
  INT4: 4,
  FLOAT4E2M1: 4,
  FLOAT8E8M0: 8,
  UINT2: 2,
  INT2: 2,
};

const protocolNames: Partial<Readonly<Record<ElementType, Datatype>>> = {
  FLOAT: 'FP32',
  UINT8: 'UINT8',
  INT8: 'INT8',
  UINT16: 'UINT16',
  INT16: 'INT16',
  INT32: 'INT32',
  INT64: 'INT64',
  STRING: 'BYTES',
  BOOL: 'BOOL',
  FLOAT16: 'FP16',
  DOUBLE: 'FP64',
  UINT32: 'UINT32',
  UINT64: 'UINT64',
};

/** Undefined for a number that the schema does not know, and for 0. */
export function elementTypeName(number: number): ElementType | undefined {
  return names.get(number);
}

/** Undefined for what no query can carry (bfloat16, 4 bits, complex). */
export function datatypeOf(number: number): Datatype | undefined {
  const name = names.get(number);
  return name === undefined ? undefined : protocolNames[name];
}

/** Bytes of `count` elements as `raw_data`; 0 for strings, whose sizes vary. */
export function bytesOfElements(number: number, count: number): number {
  const name = names.get(number);
  return name === undefined ? 0 : Math.ceil((bits[name] * count) / 8);
}
