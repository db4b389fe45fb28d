/** Elements of tensors: how many there are, their bytes wherever they lie, and numbers of them. */

import { bytesOf, fromHalf } from '../../runtime/wire/tensors.ts';
import {
  bytesOfElements,
  type ElementType,
  elementTypeName,
  elementTypes,
} from './element-types.ts';
import { isExternal, locateExternal, readRange } from './external-data.ts';
import { ModelInvalid } from './invalid-model.ts';
import type { OnnxModel } from './model.ts';
import { makeMessage, type TensorProto } from './proto.ts';

/** Product of the dimensions. Throws ModelInvalid: negative, or more than a file can hold. */
export function countElements(tensor: TensorProto, file: string): number {
  let count = 1n;
  for (const dim of tensor.dims) {
    if (dim < 0n) {
      const message = `${file}: tensor "${tensor.name}" has the dimension ${dim}`;
      throw new ModelInvalid('tensor_size', message, file);
    }
    count *= dim;
  }
  if (count > BigInt(Number.MAX_SAFE_INTEGER) / 16n) {
    const message = `${file}: tensor "${tensor.name}" claims ${count} elements`;
    throw new ModelInvalid('tensor_size', message, file);
  }
  return Number(count);
}

/** Throws ModelInvalid unless the tensor's type is known and its elements are all there. */
export function checkTensor(tensor: TensorProto, file: string): void {
  const type = elementTypeName(tensor.dataType);
  if (type === undefined) {
    const message = `${file}: tensor "${tensor.name}" has the unknown datatype ${tensor.dataType}`;
    throw new ModelInvalid('tensor_type', message, file);
  }
  const count = countElements(tensor, file);
  const wanted = bytesOfElements(tensor.dataType, count);
  if (isExternal(tensor)) {
    if (type === 'STRING') {
      const message = `${file}: tensor "${tensor.name}" has its strings outside the model`;
      throw new ModelInvalid('tensor_type', message, file);
    }
    locateExternal(tensor, file, wanted);
    return;
  }
  const raw = type !== 'STRING' && tensor.rawData.length > 0;
  const have = raw ? tensor.rawData.length : typedCount(tensor, type);
  const need = raw ? wanted : typedNeed(type, count);
  if (have === need) return;
  const unit = raw ? 'bytes' : 'elements';
  const shape = `[${tensor.dims.join(', ')}]`;
  const message = `${file}: tensor "${tensor.name}" ${shape} needs ${need} ${unit}, it has ${have}`;
  throw new ModelInvalid('tensor_size', message, file);
}

/** Complex numbers take two elements of the typed lists; 4 bits are packed two to a number. */
function typedNeed(type: ElementType, count: number): number {
  if (type === 'COMPLEX64' || type === 'COMPLEX128') return 2 * count;
  if (type === 'UINT4' || type === 'INT4' || type === 'FLOAT4E2M1') return Math.ceil(count / 2);
  return type === 'UINT2' || type === 'INT2' ? Math.ceil(count / 4) : count;
}

function typedCount(tensor: TensorProto, type: ElementType): number {
  switch (type) {
    case 'FLOAT':
    case 'COMPLEX64':
      return tensor.floatData.length;
    case 'DOUBLE':
    case 'COMPLEX128':
      return tensor.doubleData.length;
    case 'INT64':
      return tensor.int64Data.length;
    case 'UINT32':
    case 'UINT64':
      return tensor.uint64Data.length;
    case 'STRING':
      return tensor.stringData.length;
    default:
      return tensor.int32Data.length;
  }
}

/**
 * The elements' bytes, row-major and little-endian, read where they lie. Not for strings and
 * complex numbers. Throws ModelInvalid.
 */
export function bytesOfTensor(tensor: TensorProto, model: Pick<OnnxModel, 'file'>): Uint8Array {
  if (isExternal(tensor)) {
    const count = countElements(tensor, model.file);
    const range = locateExternal(tensor, model.file, bytesOfElements(tensor.dataType, count));
    return readRange(range);
  }
  if (tensor.rawData.length > 0) return tensor.rawData;
  switch (elementTypeName(tensor.dataType)) {
    case 'FLOAT':
      return bytesOf(Float32Array.from(tensor.floatData));
    case 'DOUBLE':
      return bytesOf(Float64Array.from(tensor.doubleData));
    case 'INT64':
      return bytesOf(BigInt64Array.from(tensor.int64Data));
    case 'UINT64':
      return bytesOf(BigUint64Array.from(tensor.uint64Data));
    case 'UINT32':
      return bytesOf(Uint32Array.from(tensor.uint64Data, Number));
    case 'INT32':
      return bytesOf(Int32Array.from(tensor.int32Data));
    case 'INT16':
    case 'UINT16':
    case 'FLOAT16':
    case 'BFLOAT16':
      return bytesOf(Uint16Array.from(tensor.int32Data));
    default:
      return Uint8Array.from(tensor.int32Data);
  }
}

/** The elements of a FLOAT, FLOAT16 or DOUBLE tensor; undefined for any other. */
export function floatsOfTensor(
  tensor: TensorProto,
  model: Pick<OnnxModel, 'file'>,
): Float32Array | undefined {
  switch (elementTypeName(tensor.dataType)) {
    case 'FLOAT':
      return new Float32Array(aligned(bytesOfTensor(tensor, model)));
    case 'DOUBLE':
      return Float32Array.from(new Float64Array(aligned(bytesOfTensor(tensor, model))));
    case 'FLOAT16':
      return Float32Array.from(new Uint16Array(aligned(bytesOfTensor(tensor, model))), fromHalf);
    default:
      return undefined;
  }
}

/** A copy whose buffer begins with the bytes, so that any typed array fits. */
function aligned(bytes: Uint8Array): ArrayBuffer {
  const buffer = new ArrayBuffer(bytes.length);
  new Uint8Array(buffer).set(bytes);
  return buffer;
}

/** A tensor whose bytes are in its message. */
export function makeTensor(
  name: string,
  type: ElementType,
  dims: readonly number[],
  elements: ArrayBufferView,
): TensorProto {
  return makeMessage('TensorProto', {
    name,
    dataType: elementTypes[type],
    dims: dims.map(BigInt),
    rawData: bytesOf(elements),
  });
}

/** Dimensions as numbers: of a tensor that was checked. */
export function dimsOf(tensor: TensorProto): number[] {
  return tensor.dims.map(Number);
}
