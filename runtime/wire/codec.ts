/**
 * The codec: plain values to msgpack and back. Runs in a browser too. msgpackr is imported here and
 * in `record-codec.ts` alone.
 *
 * Plain means null, booleans, numbers, bigints, strings, bytes, arrays and string-keyed objects.
 * Any array-buffer view is written as its bytes (little-endian machines only), and bytes come back
 * as a `Uint8Array` that aliases the frame: `tensors.ts` gives an aligned typed array of them.
 * Nothing is revived, and every frame is inspected before it is decoded.
 */

import { addExtension, Packr } from 'msgpackr';

import { FrameRejected, messageOf } from '../errors.ts';
import { type FrameLimits, inspectFrame } from './guard.ts';

const packr = new Packr({
  useRecords: false,
  mapsAsObjects: true,
  variableMapSize: true,
  encodeUndefinedAsNil: true,
  useBigIntExtension: false,
  largeBigIntToFloat: false,
});

/**
 * msgpackr 2.1 writes the elements of other views than Uint8Array one a byte, and whatever lay in
 * its buffer after them. Its extensions are global to it; this one only makes them right.
 */
addExtension({
  Class: {
    [Symbol.hasInstance]: (value: unknown) =>
      ArrayBuffer.isView(value) && !(value instanceof Uint8Array),
  } as never,
  write: ({ buffer, byteOffset, byteLength }: ArrayBufferView) =>
    new Uint8Array(buffer, byteOffset, byteLength),
});

/**
 * One msgpack value. Throws (a programmer's error) on symbols and on integers beyond 64 bits. Dates
 * are not plain either: they are written as an extension, which no receiver takes.
 */
export function encode(value: unknown): Uint8Array {
  return packr.pack(value);
}

/** The value of an untrusted frame; throws FrameRejected and nothing else. */
export function decode(bytes: Uint8Array, limits?: FrameLimits): unknown {
  const plain = plainBytes(bytes);
  inspectFrame(plain, limits);
  try {
    return packr.unpack(plain);
  } catch (error) {
    throw new FrameRejected(`malformed msgpack: ${messageOf(error)}`, 'frame', error);
  }
}

/** A Buffer's subarrays are Buffers; a plain view keeps them out of everything behind the codec. */
export function plainBytes(bytes: Uint8Array): Uint8Array {
  return bytes.constructor === Uint8Array
    ? bytes
    : new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
