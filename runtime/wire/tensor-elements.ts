/**
 * Tensor elements one by one: numbers, booleans and strings to a tensor's bytes and back.
 *
 * For tensors that come or go as JSON (or as msgpack arrays), where each element must be looked at
 * anyway: everything is checked while it is converted, and what does not fit is said in words.
 */

import {
  bytesPerElement,
  type Datatype,
  elementCount,
  fromHalf,
  packStrings,
  stringsOf,
  type Tensor,
  toHalf,
  typedArrayOf,
} from './tensors.ts';

export type PackedElements =
  | { readonly ok: true; readonly data: Uint8Array }
  /** What is wrong and where, without the tensor's name: `at [0][3] it has "x"; expected …`. */
  | { readonly ok: false; readonly problem: string };

/** The least FP16 cannot hold: halfway between its largest number and the next power of two. */
const halfOverflow = 65_520;

const integerRanges: Partial<Record<Datatype, readonly [number, number]>> = {
  UINT8: [0, 0xff],
  UINT16: [0, 0xffff],
  UINT32: [0, 0xffff_ffff],
  INT8: [-0x80, 0x7f],
  INT16: [-0x8000, 0x7fff],
  INT32: [-0x8000_0000, 0x7fff_ffff],
};

const wideRanges: Partial<Record<Datatype, readonly [bigint, bigint]>> = {
  UINT64: [0n, 2n ** 64n - 1n],
  INT64: [-(2n ** 63n), 2n ** 63n - 1n],
};

/**
 * The bytes of a tensor whose elements are given row-major, flat or nested as its shape says.
 * Integers may be bigints; 64-bit ones also decimal strings. Elements of BYTES are strings (UTF-8)
 * or bytes. NaN and infinities are not taken: they travel as bytes.
 */
export function packElements(
  datatype: Datatype,
  shape: readonly number[],
  elements: readonly unknown[],
): PackedElements {
  const packing = new Packing(datatype, shape);
  const nested = shape.length > 1 && Array.isArray(elements[0]);
  const problem = nested ? packing.level(elements, 0) : packing.flat(elements);
  return problem === undefined ? { ok: true, data: packing.finish() } : { ok: false, problem };
}

class Packing {
  private at = 0;
  private readonly datatype: Datatype;
  private readonly shape: readonly number[];
  private readonly view: DataView;
  private readonly strings: Uint8Array[] = [];
  private readonly size: number;

  constructor(datatype: Datatype, shape: readonly number[]) {
    this.datatype = datatype;
    this.shape = shape;
    this.size = bytesPerElement(datatype);
    this.view = new DataView(new ArrayBuffer(elementCount(shape) * this.size));
  }

  finish(): Uint8Array {
    return this.datatype === 'BYTES' ? packStrings(this.strings) : new Uint8Array(this.view.buffer);
  }

  flat(elements: readonly unknown[]): string | undefined {
    const count = elementCount(this.shape);
    if (elements.length !== count) {
      return (
        `it has ${elements.length} elements; expected ${count} for shape ` +
        `[${this.shape.join(', ')}]`
      );
    }
    for (let index = 0; index < count; index += 1) {
      const expected = this.put(elements[index]);
      if (expected !== undefined) {
        return `at [${index}] it has ${show(elements[index])}; expected ${expected}`;
      }
    }
    return undefined;
  }

  /** One level of nested elements; the problem it returns starts with where it is. */
  level(elements: readonly unknown[], depth: number): string | undefined {
    const size = this.shape[depth] ?? 0;
    if (elements.length !== size) {
      return (
        `it has ${elements.length} elements at depth ${depth}; ` +
        `expected ${size} for shape [${this.shape.join(', ')}]`
      );
    }
    const leaves = depth === this.shape.length - 1;
    for (let index = 0; index < size; index += 1) {
      const element: unknown = elements[index];
      if (leaves) {
        const expected = this.put(element);
        if (expected !== undefined) {
          return misplaced(index, depth, element, expected);
        }
      } else if (Array.isArray(element)) {
        const problem = this.level(element, depth + 1);
        if (problem !== undefined) return problem;
      } else {
        return misplaced(index, depth, element, `an array for shape [${this.shape.join(', ')}]`);
      }
    }
    return undefined;
  }

  /** Writes one element, or says what was expected. */
  private put(value: unknown): string | undefined {
    const at = this.at * this.size;
    this.at += 1;
    switch (this.datatype) {
      case 'BOOL':
        return this.putBool(at, value);
      case 'FP16':
      case 'FP32':
      case 'FP64':
        return this.putFloat(at, value);
      case 'INT64':
      case 'UINT64':
        return this.putWide(at, value);
      case 'BYTES':
        return this.putString(value);
      default:
        return this.putInteger(at, value);
    }
  }

  private putBool(at: number, value: unknown): string | undefined {
    if (value !== true && value !== false && value !== 0 && value !== 1) return 'true or false';
    this.view.setUint8(at, value === true || value === 1 ? 1 : 0);
    return undefined;
  }

  private putFloat(at: number, value: unknown): string | undefined {
    const number = typeof value === 'bigint' ? Number(value) : value;
    if (typeof number !== 'number' || !Number.isFinite(number)) return 'a finite number';
    if (this.datatype === 'FP64') {
      this.view.setFloat64(at, number, true);
    } else if (this.datatype === 'FP32') {
      if (!Number.isFinite(Math.fround(number))) return 'a number within the range of FP32';
      this.view.setFloat32(at, number, true);
    } else {
      if (Math.abs(number) >= halfOverflow) return 'a number within the range of FP16';
      this.view.setUint16(at, toHalf(number), true);
    }
    return undefined;
  }

  private putWide(at: number, value: unknown): string | undefined {
    const [least, most] = wideRanges[this.datatype] ?? [0n, 0n];
    const wide = wideInteger(value);
    if (wide === undefined || wide < least || wide > most) {
      const range = `${String(least)}..${String(most)}`;
      return `an integer ${range} (a string where it is not a safe number)`;
    }
    this.view.setBigUint64(at, BigInt.asUintN(64, wide), true);
    return undefined;
  }

  private putString(value: unknown): string | undefined {
    if (typeof value === 'string') this.strings.push(new TextEncoder().encode(value));
    else if (value instanceof Uint8Array) this.strings.push(value);
    else return 'a string';
    return undefined;
  }

  private putInteger(at: number, value: unknown): string | undefined {
    const [least, most] = integerRanges[this.datatype] ?? [0, 0];
    const number = typeof value === 'bigint' ? Number(value) : value;
    if (
      typeof number !== 'number' ||
      !Number.isInteger(number) ||
      number < least ||
      number > most
    ) {
      return `an integer ${String(least)}..${String(most)}`;
    }
    // Two's complement makes the signed writes the same bits as the unsigned ones.
    if (this.size === 1) this.view.setUint8(at, number);
    else if (this.size === 2) this.view.setUint16(at, number, true);
    else this.view.setUint32(at, number, true);
    return undefined;
  }
}

function misplaced(index: number, depth: number, element: unknown, expected: string): string {
  return `at index ${index} of depth ${depth} it has ${show(element)}; expected ${expected}`;
}

function wideInteger(value: unknown): bigint | undefined {
  if (typeof value === 'bigint') return value;
  if (typeof value === 'number') return Number.isSafeInteger(value) ? BigInt(value) : undefined;
  if (typeof value === 'string' && /^-?\d{1,20}$/.test(value)) return BigInt(value);
  return undefined;
}

/** A value in an error message: short, and never a whole payload. */
export function show(value: unknown): string {
  switch (typeof value) {
    case 'string':
      return value.length > 40 ? `${JSON.stringify(value.slice(0, 40))}…` : JSON.stringify(value);
    case 'number':
    case 'boolean':
      return String(value);
    case 'bigint':
      return String(value).slice(0, 40);
    case 'undefined':
      return 'nothing';
    default:
      if (value === null) return 'null';
      if (value instanceof Uint8Array) return `${value.length} bytes`;
      return Array.isArray(value) ? 'an array' : 'an object';
  }
}

/** How many elements a BYTES tensor's data has; undefined where lengths and bytes disagree. */
export function countStrings(data: Uint8Array): number | undefined {
  const view = new DataView(data.buffer, data.byteOffset, data.byteLength);
  let count = 0;
  let at = 0;
  while (at < data.length) {
    if (at + 4 > data.length) return undefined;
    const length = view.getUint32(at, true);
    if (length > data.length - at - 4) return undefined;
    at += 4 + length;
    count += 1;
  }
  return count;
}

export type Element = number | string | boolean;

/**
 * The elements as JSON has them, flat: FP16 as numbers, 64-bit integers as strings where they are
 * not safe numbers, BOOL as booleans, BYTES as strings (UTF-8; what is not becomes U+FFFD).
 */
export function elementsOf(tensor: Pick<Tensor, 'datatype' | 'data'>): Element[] {
  if (tensor.datatype === 'BYTES') {
    const decoder = new TextDecoder();
    return (stringsOf(tensor.data) ?? []).map((bytes) => decoder.decode(bytes));
  }
  const values = typedArrayOf(tensor);
  if (values instanceof BigInt64Array || values instanceof BigUint64Array) {
    return Array.from(values, (value: bigint) => {
      const number = Number(value);
      return Number.isSafeInteger(number) ? number : String(value);
    });
  }
  if (tensor.datatype === 'FP16') return Array.from(values as Uint16Array, fromHalf);
  if (tensor.datatype === 'BOOL') return Array.from(values as Uint8Array, (value) => value !== 0);
  return Array.from(values as Float32Array);
}
