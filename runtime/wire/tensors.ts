/**
 * Tensors as they travel: a datatype of the Open Inference Protocol, a shape, and row-major
 * little-endian bytes. Inside the system a tensor stays bytes from the client's frame to the
 * engine; typed arrays are made only where somebody computes.
 */

export const datatypes = [
  'BOOL',
  'UINT8',
  'UINT16',
  'UINT32',
  'UINT64',
  'INT8',
  'INT16',
  'INT32',
  'INT64',
  'FP16',
  'FP32',
  'FP64',
  'BYTES',
] as const;

export type Datatype = (typeof datatypes)[number];

export interface Tensor {
  readonly datatype: Datatype;
  readonly shape: readonly number[];
  /** `shape` product × element size bytes; BYTES: each element a uint32 length and its bytes. */
  readonly data: Uint8Array;
}

export type NamedTensors = Readonly<Record<string, Tensor>>;

const elementBytes: Readonly<Record<Datatype, number>> = {
  BOOL: 1,
  UINT8: 1,
  UINT16: 2,
  UINT32: 4,
  UINT64: 8,
  INT8: 1,
  INT16: 2,
  INT32: 4,
  INT64: 8,
  FP16: 2,
  FP32: 4,
  FP64: 8,
  BYTES: 0,
};

const datatypeSet: ReadonlySet<string> = new Set(datatypes);

export function isDatatype(value: unknown): value is Datatype {
  return typeof value === 'string' && datatypeSet.has(value);
}

/** Bytes of one element; 0 for BYTES, whose elements vary. */
export function bytesPerElement(datatype: Datatype): number {
  return elementBytes[datatype];
}

/** Product of the dimensions; 1 for a scalar. */
export function elementCount(shape: readonly number[]): number {
  let count = 1;
  for (const dimension of shape) count *= dimension;
  return count;
}

export type NumericArray =
  | Uint8Array
  | Uint16Array
  | Uint32Array
  | BigUint64Array
  | Int8Array
  | Int16Array
  | Int32Array
  | BigInt64Array
  | Float32Array
  | Float64Array;

/**
 * The elements as a typed array: a view where the bytes lie aligned in their buffer, else a copy.
 * BOOL reads as Uint8Array, FP16 as its Uint16Array bit patterns. Not for BYTES.
 */
export function typedArrayOf(tensor: Pick<Tensor, 'datatype' | 'data'>): NumericArray {
  const size = bytesPerElement(tensor.datatype);
  const aligned =
    size > 1 && tensor.data.byteOffset % size !== 0 ? tensor.data.slice() : tensor.data;
  const { buffer, byteOffset } = aligned;
  const length = size === 0 ? 0 : aligned.byteLength / size;
  switch (tensor.datatype) {
    case 'BOOL':
    case 'UINT8':
      return new Uint8Array(buffer, byteOffset, length);
    case 'UINT16':
    case 'FP16':
      return new Uint16Array(buffer, byteOffset, length);
    case 'UINT32':
      return new Uint32Array(buffer, byteOffset, length);
    case 'UINT64':
      return new BigUint64Array(buffer, byteOffset, length);
    case 'INT8':
      return new Int8Array(buffer, byteOffset, length);
    case 'INT16':
      return new Int16Array(buffer, byteOffset, length);
    case 'INT32':
      return new Int32Array(buffer, byteOffset, length);
    case 'INT64':
      return new BigInt64Array(buffer, byteOffset, length);
    case 'FP32':
      return new Float32Array(buffer, byteOffset, length);
    case 'FP64':
      return new Float64Array(buffer, byteOffset, length);
    case 'BYTES':
      throw new TypeError('a BYTES tensor has no typed array; see stringsOf');
  }
}

/** The bytes of a view, without copying. */
export function bytesOf(view: ArrayBufferView): Uint8Array {
  return new Uint8Array(view.buffer, view.byteOffset, view.byteLength);
}

export function tensorOf(
  datatype: Datatype,
  shape: readonly number[],
  view: ArrayBufferView,
): Tensor {
  return { datatype, shape, data: bytesOf(view) };
}

/** Elements of a BYTES tensor, or undefined where lengths and bytes disagree. */
export function stringsOf(data: Uint8Array): Uint8Array[] | undefined {
  const view = new DataView(data.buffer, data.byteOffset, data.byteLength);
  const elements: Uint8Array[] = [];
  let at = 0;
  while (at < data.length) {
    if (at + 4 > data.length) return undefined;
    const length = view.getUint32(at, true);
    if (length > data.length - at - 4) return undefined;
    elements.push(data.subarray(at + 4, at + 4 + length));
    at += 4 + length;
  }
  return elements;
}

/** A BYTES tensor's data from its elements. */
export function packStrings(elements: readonly Uint8Array[]): Uint8Array {
  const total = elements.reduce((sum, element) => sum + 4 + element.length, 0);
  const data = new Uint8Array(total);
  const view = new DataView(data.buffer);
  let at = 0;
  for (const element of elements) {
    view.setUint32(at, element.length, true);
    data.set(element, at + 4);
    at += 4 + element.length;
  }
  return data;
}

/** FP16 bits to a number. IEEE 754-2008 binary16. */
export function fromHalf(bits: number): number {
  const sign = bits & 0x8000 ? -1 : 1;
  const exponent = (bits >> 10) & 0x1f;
  const fraction = bits & 0x3ff;
  if (exponent === 0) return sign * fraction * 2 ** -24;
  if (exponent === 31) return fraction === 0 ? sign * Infinity : NaN;
  return sign * (1 + fraction / 1024) * 2 ** (exponent - 15);
}

const halfScratch = new DataView(new ArrayBuffer(4));

/** A number to FP16 bits, rounding to nearest even. */
export function toHalf(value: number): number {
  halfScratch.setFloat32(0, value);
  const bits = halfScratch.getUint32(0);
  const sign = (bits >>> 16) & 0x8000;
  const exponent = (bits >>> 23) & 0xff;
  const fraction = bits & 0x7fffff;
  if (exponent === 255) return sign | 0x7c00 | (fraction === 0 ? 0 : 0x200);
  const half = exponent - 112;
  if (half >= 31) return sign | 0x7c00;
  if (half <= -11) return sign;
  const shift = half <= 0 ? 14 - half : 13;
  const mantissa = half <= 0 ? fraction | 0x800000 : fraction;
  const kept = (half <= 0 ? 0 : half << 10) + (mantissa >>> shift);
  const rest = mantissa & ((1 << shift) - 1);
  const middle = 1 << (shift - 1);
  return sign | (kept + (rest > middle || (rest === middle && (kept & 1) === 1) ? 1 : 0));
}
