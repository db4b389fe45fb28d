/**
 * Reads a model file without its large tensors: walks the protobuf fields in the file and copies
 * everything but `raw_data` of `inlineBytesMax` or more. In its place the tensor gets an external
 * location that means "in this very file", with offset and length, so that a large tensor inside
 * the file and one in a file beside it are the same thing to everybody else.
 *
 * The walk is the first check as well: lengths that reach beyond their message, graphs nested too
 * deep, and bytes that are no protobuf end here, before anything is allocated for them.
 */

import { readSync } from 'node:fs';

import type { OnnxConfig } from './config.ts';
import { type InvalidReason, ModelInvalid } from './invalid-model.ts';
import { encodeMessage, makeMessage } from './proto.ts';

/** No file can have this name: it contains a zero. */
export const inFileLocation = '\0model';

type Kind = 'model' | 'graph' | 'node' | 'attribute' | 'tensor';

/** The fields that lead to tensors, by message; numbers of onnx-ml.proto3. */
const follow: Readonly<Record<Kind, Readonly<Record<number, Kind>>>> = {
  model: { 7: 'graph' },
  graph: { 1: 'node', 5: 'tensor' },
  node: { 5: 'attribute' },
  attribute: { 5: 'tensor', 6: 'graph', 10: 'tensor', 11: 'graph' },
  tensor: {},
};

const rawDataField = 9;
const externalDataField = 13;
const dataLocationField = 14;
/** ModelProto's fields, and the wire type of each. */
const modelFields: Readonly<Record<number, number>> = {
  1: 0,
  2: 2,
  3: 2,
  4: 2,
  5: 0,
  6: 2,
  7: 2,
  8: 2,
  14: 2,
  20: 2,
  25: 2,
  26: 2,
};

const windowBytes = 256 * 1024;

/** Bytes of a message, in pieces whose sum is `length`. */
interface Pieces {
  readonly parts: Uint8Array[];
  length: number;
}

/** The protobuf of the model at `fd`, large tensors replaced. Throws ModelInvalid. */
export function skimModel(
  fd: number,
  file: string,
  fileBytes: number,
  limits: OnnxConfig,
): Uint8Array {
  return Buffer.concat(
    new Skimmer(fd, file, fileBytes, limits).message('model', 0, fileBytes, 0).parts,
  );
}

class Skimmer {
  readonly #fd: number;
  readonly #file: string;
  readonly #fileBytes: number;
  readonly #limits: OnnxConfig;
  readonly #window = Buffer.allocUnsafeSlow(windowBytes);
  #windowStart = 0;
  #windowEnd = 0;
  #at = 0;
  #copied = 0;
  #nodes = 0;

  constructor(fd: number, file: string, fileBytes: number, limits: OnnxConfig) {
    this.#fd = fd;
    this.#file = file;
    this.#fileBytes = fileBytes;
    this.#limits = limits;
  }

  /** Recursion is bounded: four calls a nested graph, `nestingMax` graphs. */
  message(kind: Kind, start: number, end: number, depth: number): Pieces {
    if (depth > this.#limits.nestingMax) {
      const most = `${this.#limits.nestingMax} (onnx.nestingMax)`;
      throw this.#refuse('too_deep', `graphs are nested deeper than ${most}`);
    }
    const pieces: Pieces = { parts: [], length: 0 };
    let copyFrom = start;
    this.#at = start;
    while (this.#at < end) {
      const fieldStart = this.#at;
      const { number, wire, bytes } = this.#field(kind, end, fieldStart);
      const bodyStart = this.#at;
      const child = wire === 2 ? follow[kind][number] : undefined;
      const large = this.#isLarge(kind, number, wire, bytes);
      if (child !== undefined || large) this.#copy(pieces, copyFrom, fieldStart);
      if (large) append(pieces, locationOf(bodyStart, bytes));
      if (child !== undefined) {
        if (child === 'node') this.#countNode();
        const nested = this.message(child, bodyStart, bodyStart + bytes, depthOf(child, depth));
        append(pieces, varint(number * 8 + 2));
        append(pieces, varint(nested.length));
        for (const part of nested.parts) append(pieces, part);
      }
      this.#at = bodyStart + bytes;
      if (child !== undefined || large) copyFrom = this.#at;
    }
    this.#copy(pieces, copyFrom, end);
    this.#at = end;
    return pieces;
  }

  #isLarge(kind: Kind, number: number, wire: number, bytes: number): boolean {
    const raw = kind === 'tensor' && number === rawDataField && wire === 2;
    return raw && bytes >= this.#limits.inlineBytesMax;
  }

  /** Reads a field's head; `bytes` is what follows it. */
  #field(kind: Kind, end: number, start: number): { number: number; wire: number; bytes: number } {
    const tag = this.#varint(end);
    const number = Math.floor(tag / 8);
    const wire = tag % 8;
    if (kind === 'model' && start === 0 && modelFields[number] !== wire) {
      throw this.#refuse('not_onnx', 'it does not begin like an ONNX model');
    }
    const fixed = wire === 1 ? 8 : wire === 5 ? 4 : undefined;
    if (number === 0 || (wire !== 0 && wire !== 2 && fixed === undefined)) {
      throw this.#refuse('malformed', `no protobuf field at byte ${start}`);
    }
    if (wire === 0) {
      this.#skipVarint(end);
      return { number, wire, bytes: 0 };
    }
    const bytes = fixed ?? this.#varint(end);
    if (bytes > end - this.#at) {
      const beyond = end === this.#fileBytes;
      const left = end - this.#at;
      const message = `field ${number} at byte ${start} claims ${bytes} bytes of ${left}`;
      throw this.#refuse(beyond ? 'truncated' : 'malformed', message);
    }
    return { number, wire, bytes };
  }

  #countNode(): void {
    this.#nodes += 1;
    if (this.#nodes <= this.#limits.nodesMax) return;
    const most = `${this.#limits.nodesMax} (onnx.nodesMax)`;
    throw this.#refuse('too_large', `it has more nodes than ${most}`);
  }

  #copy(pieces: Pieces, from: number, to: number): void {
    if (to <= from) return;
    this.#copied += to - from;
    if (this.#copied > this.#limits.structureBytesMax) {
      const most = `${this.#limits.structureBytesMax} bytes (onnx.structureBytesMax)`;
      throw this.#refuse('too_large', `without its large tensors it is larger than ${most}`);
    }
    append(pieces, this.#read(from, to - from));
  }

  #read(from: number, length: number): Uint8Array {
    if (from >= this.#windowStart && from + length <= this.#windowEnd) {
      const at = from - this.#windowStart;
      return Uint8Array.prototype.slice.call(this.#window, at, at + length);
    }
    const bytes = Buffer.allocUnsafeSlow(length);
    readExactly(this.#fd, this.#file, bytes, from);
    return bytes;
  }

  #byte(end: number): number {
    if (this.#at >= end) {
      const reason = end === this.#fileBytes ? 'truncated' : 'malformed';
      throw this.#refuse(reason, `a number ends at byte ${end} before it is complete`);
    }
    if (this.#at < this.#windowStart || this.#at >= this.#windowEnd) {
      const bytes = Math.min(windowBytes, this.#fileBytes - this.#at);
      readExactly(this.#fd, this.#file, this.#window.subarray(0, bytes), this.#at);
      this.#windowStart = this.#at;
      this.#windowEnd = this.#at + bytes;
    }
    const byte = this.#window[this.#at - this.#windowStart] ?? 0;
    this.#at += 1;
    return byte;
  }

  /** Lengths and tags: never negative, and never beyond what a file can hold. */
  #varint(end: number): number {
    let value = 0;
    for (let shift = 0; shift < 49; shift += 7) {
      const byte = this.#byte(end);
      value += (byte & 0x7f) * 2 ** shift;
      if (byte < 0x80) return value;
    }
    throw this.#refuse('malformed', `a length or tag before byte ${this.#at} is out of range`);
  }

  #skipVarint(end: number): void {
    for (let count = 0; count < 10; count += 1) {
      if (this.#byte(end) < 0x80) return;
    }
    throw this.#refuse('malformed', `a number before byte ${this.#at} has more than 64 bits`);
  }

  #refuse(reason: InvalidReason, message: string): ModelInvalid {
    return new ModelInvalid(reason, `${this.#file}: ${message}`, this.#file);
  }
}

/** Throws ModelInvalid where the file has become shorter. */
export function readExactly(fd: number, file: string, into: Uint8Array, from: number): void {
  let done = 0;
  while (done < into.length) {
    const got = readSync(fd, into, done, into.length - done, from + done);
    if (got === 0) {
      throw new ModelInvalid('truncated', `${file} ends at byte ${from + done}`, file);
    }
    done += got;
  }
}

function depthOf(child: Kind, depth: number): number {
  return child === 'graph' ? depth + 1 : depth;
}

function append(pieces: Pieces, bytes: Uint8Array): void {
  pieces.parts.push(bytes);
  pieces.length += bytes.length;
}

/** The tensor fields that say where its bytes are. */
function locationOf(offset: number, length: number): Uint8Array {
  const entries = [
    ['location', inFileLocation],
    ['offset', String(offset)],
    ['length', String(length)],
  ] as const;
  const parts = entries.map(([key, value]) => {
    const entry = encodeMessage(
      'StringStringEntryProto',
      makeMessage('StringStringEntryProto', { key, value }),
    );
    return Buffer.concat([varint(externalDataField * 8 + 2), varint(entry.length), entry]);
  });
  return Buffer.concat([...parts, varint(dataLocationField * 8), varint(1)]);
}

/** A non-negative integer as protobuf writes it. */
export function varint(value: number): Uint8Array {
  const bytes: number[] = [];
  let rest = value;
  while (rest >= 0x80) {
    bytes.push((rest % 0x80) | 0x80);
    rest = Math.floor(rest / 0x80);
  }
  bytes.push(rest);
  return Uint8Array.from(bytes);
}
