/** A query as a program writes it, with typed arrays, to the object that travels. Pure. */

import type { Slo } from '../actors/domain/query.ts';
import { packElements, show } from '../runtime/wire/tensor-elements.ts';
import {
  bytesOf,
  bytesPerElement,
  type Datatype,
  datatypes,
  isDatatype,
  type NumericArray,
  type Tensor,
} from '../runtime/wire/tensors.ts';

/** Elements row-major: typed, or in arrays, flat or nested as the shape says. */
export type TensorData = NumericArray | readonly unknown[];

export interface TensorInput {
  /** Follows from a typed array, from strings (BYTES) and from booleans (BOOL). */
  readonly datatype?: Datatype;
  /** Without one: what the nesting says, or one dimension. */
  readonly shape?: readonly number[];
  /** With a datatype of wider elements a Uint8Array is their little-endian bytes. */
  readonly data: TensorData;
}

/** Task (and dataset), architecture or variant; where several are given the most specific wins. */
export interface Query {
  /** Unique among this client's queries in flight; made up where it is missing. */
  readonly id?: string;
  readonly task?: string;
  readonly dataset?: string;
  readonly architecture?: string;
  readonly variant?: string;
  readonly slo?: Slo;
  readonly onMiss?: 'best-effort' | 'reject';
  readonly timeoutMs?: number;
  readonly priority?: number;
  /** A typed array alone has one dimension. */
  readonly inputs: Readonly<Record<string, TensorInput | NumericArray>>;
  readonly outputs?: readonly string[];
  readonly trace?: string;
}

export type BuiltRequest =
  | { readonly ok: true; readonly body: Readonly<Record<string, unknown>> }
  | { readonly ok: false; readonly problem: string };

/** The problem names the input. */
export function buildRequest(query: Query, id: string): BuiltRequest {
  const inputs: Record<string, Tensor> = {};
  const named: unknown = query.inputs;
  if (typeof named !== 'object' || named === null) {
    return { ok: false, problem: 'inputs: expected an object of named tensors' };
  }
  for (const [name, input] of Object.entries(named as Readonly<Record<string, unknown>>)) {
    const tensor = buildTensor(input);
    if (typeof tensor === 'string') return { ok: false, problem: `input "${name}": ${tensor}` };
    inputs[name] = tensor;
  }
  const given = Object.entries(query).filter(([, value]) => value !== undefined);
  const body = { ...Object.fromEntries(given), id, inputs };
  return { ok: true, body };
}

/** The types say what is meant; a program in JavaScript may give anything. */
function buildTensor(input: unknown): Tensor | string {
  if (typeof input !== 'object' || input === null) {
    return `expected a typed array, or an object with data, got ${show(input)}`;
  }
  const { datatype, shape, data }: Partial<TensorInput> = ArrayBuffer.isView(input)
    ? { data: input as NumericArray }
    : input;
  if (datatype !== undefined && !isDatatype(datatype)) {
    return `datatype: expected one of ${datatypes.join(', ')}`;
  }
  if (shape?.every((size) => Number.isSafeInteger(size) && size >= 0) === false) {
    return 'shape: expected integers >= 0';
  }
  if (ArrayBuffer.isView(data)) {
    const own = datatypeOf(data);
    if (own === undefined) return 'data: expected a typed array or an array';
    const type = datatype ?? own;
    if (!fits(own, type)) return `data is ${own}, not ${type}`;
    // BYTES have no size of their own: the gateway then says what the shape should have been.
    const size = bytesPerElement(type) || 1;
    return { datatype: type, shape: shape ?? [data.byteLength / size], data: bytesOf(data) };
  }
  if (!Array.isArray(data)) return 'data: expected a typed array or an array';
  const elements: readonly unknown[] = data;
  const type = datatype ?? datatypeOfElements(elements);
  if (type === undefined) return 'datatype: numbers in an array need one';
  const dimensions = shape ?? nestingOf(elements);
  const packed = packElements(type, dimensions, elements);
  return packed.ok
    ? { datatype: type, shape: dimensions, data: packed.data }
    : `data: ${packed.problem}`;
}

/** Bytes may be anything; 16 unsigned bits may be a half. */
function fits(own: Datatype, datatype: Datatype): boolean {
  return own === datatype || own === 'UINT8' || (own === 'UINT16' && datatype === 'FP16');
}

function datatypeOf(data: NumericArray): Datatype | undefined {
  if (data instanceof Float32Array) return 'FP32';
  if (data instanceof Uint8Array) return 'UINT8';
  if (data instanceof Float64Array) return 'FP64';
  if (data instanceof Int32Array) return 'INT32';
  if (data instanceof BigInt64Array) return 'INT64';
  if (data instanceof Int8Array) return 'INT8';
  if (data instanceof Int16Array) return 'INT16';
  if (data instanceof Uint16Array) return 'UINT16';
  if (data instanceof Uint32Array) return 'UINT32';
  return (data as unknown) instanceof BigUint64Array ? 'UINT64' : undefined;
}

function datatypeOfElements(elements: readonly unknown[]): Datatype | undefined {
  let first: unknown = elements;
  while (Array.isArray(first)) first = first[0] as unknown;
  if (typeof first === 'string') return 'BYTES';
  return typeof first === 'boolean' ? 'BOOL' : undefined;
}

function nestingOf(elements: readonly unknown[]): number[] {
  const shape: number[] = [];
  let level: unknown = elements;
  while (Array.isArray(level)) {
    shape.push(level.length);
    level = level[0] as unknown;
  }
  return shape;
}
