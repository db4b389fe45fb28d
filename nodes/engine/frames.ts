/**
 * Frames on a lane's socket: how the worker process and an engine lane speak, both directions.
 *
 * A frame is a header of 8 bytes (head bytes, body bytes; uint32 little-endian), a msgpack head,
 * padding to a multiple of 8, and a raw body of tensor bytes, each tensor padded likewise. In a
 * frame that starts aligned, every tensor can be handed to ONNX Runtime where it lies.
 */

import { encode } from '../../runtime/wire/codec.ts';
import { FrameRejected } from '../../runtime/errors.ts';

const headerBytes = 8;

/** Pieces up to this size are gathered into one buffer: a copy is cheaper than one more iovec. */
const gatherBytesMax = 16 * 1024;

/** Bytes up to the next multiple of 8. */
export function alignedBytes(bytes: number): number {
  return Math.ceil(bytes / 8) * 8;
}

let zeros = new Uint8Array(4096);

/** A view of zeros, shared by everybody: not to be written to. */
export function zeroBytes(bytes: number): Uint8Array {
  if (bytes > zeros.byteLength) zeros = new Uint8Array(bytes);
  return zeros.subarray(0, bytes);
}

/** A body under construction: tensors in order, each in one or more pieces; nothing is copied. */
export class FrameBody {
  readonly pieces: Uint8Array[] = [];
  bytes = 0;

  /** Adds one tensor and the padding that aligns the next; returns its bytes without padding. */
  addTensor(pieces: readonly Uint8Array[]): number {
    let bytes = 0;
    for (const piece of pieces) {
      this.pieces.push(piece);
      bytes += piece.byteLength;
    }
    const padding = alignedBytes(bytes) - bytes;
    if (padding > 0) this.pieces.push(zeroBytes(padding));
    this.bytes += bytes + padding;
    return bytes;
  }
}

/**
 * The chunks to write for one frame: small pieces gathered, large ones as they are, for `writev`.
 * Throws FrameRejected when the frame would exceed `frameBytesMax`.
 */
export function encodeFrame(
  head: unknown,
  body: FrameBody | undefined,
  frameBytesMax: number,
): Uint8Array[] {
  const headEncoded = encode(head);
  const bodyAt = alignedBytes(headerBytes + headEncoded.byteLength);
  const bodyBytes = body?.bytes ?? 0;
  boundFrame(bodyAt + bodyBytes, frameBytesMax);
  const pieces = body?.pieces ?? [];
  let gathered = bodyAt;
  for (const { byteLength } of pieces) if (byteLength <= gatherBytesMax) gathered += byteLength;
  const buffer = Buffer.allocUnsafe(gathered);
  buffer.writeUInt32LE(headEncoded.byteLength, 0);
  buffer.writeUInt32LE(bodyBytes, 4);
  buffer.set(headEncoded, headerBytes);
  buffer.fill(0, headerBytes + headEncoded.byteLength, bodyAt);
  const chunks: Uint8Array[] = [];
  let start = 0;
  let at = bodyAt;
  for (const piece of pieces) {
    if (piece.byteLength <= gatherBytesMax) {
      buffer.set(piece, at);
      at += piece.byteLength;
    } else {
      if (at > start) chunks.push(buffer.subarray(start, at));
      start = at;
      chunks.push(piece);
    }
  }
  if (at > start) chunks.push(buffer.subarray(start, at));
  return chunks;
}

function boundFrame(bytes: number, frameBytesMax: number): void {
  if (bytes <= frameBytesMax) return;
  const message = `a frame of ${String(bytes)} bytes; the limit is ${String(frameBytesMax)}`;
  throw new FrameRejected(message, 'engine');
}

/** What a frame may be written to: a socket, or what a test makes of one. */
export interface ChunkSink {
  cork(): void;
  write(chunk: Uint8Array): boolean;
  uncork(): void;
}

/** One `write` for a frame of one chunk, one `writev` for more. */
export function writeChunks(sink: ChunkSink, chunks: readonly Uint8Array[]): void {
  const [first] = chunks;
  if (chunks.length === 1 && first !== undefined) {
    sink.write(first);
    return;
  }
  sink.cork();
  for (const chunk of chunks) sink.write(chunk);
  sink.uncork();
}

export interface FrameReaderOptions {
  readonly frameBytesMax: number;
  /** Pushed chunks are ours to keep: frames within one are views of it, at any alignment. */
  readonly keepChunks: boolean;
  readonly onFrame: (head: Uint8Array, body: Uint8Array) => void;
}

/** Cuts a stream into frames. Bodies outlive the call; unless `keepChunks`, they are 8-aligned. */
export class FrameReader {
  private readonly options: FrameReaderOptions;
  private readonly header = new Uint8Array(headerBytes);
  private headerFilled = 0;
  private frame: Uint8Array | undefined;
  private filled = 0;

  constructor(options: FrameReaderOptions) {
    this.options = options;
  }

  /** What is missing of a frame under way: the next read may go right there, then `advance`. */
  rest(): Uint8Array | undefined {
    return this.frame?.subarray(this.filled);
  }

  /** So many bytes were read into `rest()`. */
  advance(bytes: number): void {
    this.filled += bytes;
    if (this.frame?.byteLength === this.filled) this.finish(this.frame);
  }

  /** Throws FrameRejected when a header announces more than the limit. */
  push(chunk: Uint8Array): void {
    let at = 0;
    while (at < chunk.byteLength) {
      if (this.frame !== undefined) {
        const part = chunk.subarray(at, at + this.frame.byteLength - this.filled);
        this.frame.set(part, this.filled);
        at += part.byteLength;
        this.advance(part.byteLength);
      } else if (this.headerFilled > 0 || chunk.byteLength - at < headerBytes) {
        at = this.collectHeader(chunk, at);
      } else {
        at = this.takeFrame(chunk, at);
      }
    }
  }

  private collectHeader(chunk: Uint8Array, at: number): number {
    const part = chunk.subarray(at, at + headerBytes - this.headerFilled);
    this.header.set(part, this.headerFilled);
    this.headerFilled += part.byteLength;
    if (this.headerFilled === headerBytes) {
      this.headerFilled = 0;
      this.begin(this.header);
    }
    return at + part.byteLength;
  }

  private takeFrame(chunk: Uint8Array, at: number): number {
    const total = this.totalBytes(chunk, at);
    if (total > chunk.byteLength - at) {
      this.begin(chunk.subarray(at));
      return chunk.byteLength;
    }
    const frame = chunk.subarray(at, at + total);
    this.emit(this.options.keepChunks ? frame : copyOf(frame, total));
    return at + total;
  }

  private begin(bytes: Uint8Array): void {
    this.frame = copyOf(bytes, this.totalBytes(bytes, 0));
    this.filled = 0;
    this.advance(bytes.byteLength);
  }

  private finish(frame: Uint8Array): void {
    this.frame = undefined;
    this.emit(frame);
  }

  private totalBytes(bytes: Uint8Array, at: number): number {
    const total = alignedBytes(headerBytes + uint32At(bytes, at)) + uint32At(bytes, at + 4);
    boundFrame(total, this.options.frameBytesMax);
    return total;
  }

  private emit(frame: Uint8Array): void {
    const headEnd = headerBytes + uint32At(frame, 0);
    this.options.onFrame(
      frame.subarray(headerBytes, headEnd),
      frame.subarray(alignedBytes(headEnd)),
    );
  }
}

/** A buffer of its own, so 8-aligned, that begins with these bytes; the rest is not initialised. */
function copyOf(bytes: Uint8Array, total: number): Uint8Array {
  const { buffer } = Buffer.allocUnsafeSlow(total);
  const copy = new Uint8Array(buffer, 0, total);
  copy.set(bytes);
  return copy;
}

function uint32At(bytes: Uint8Array, at: number): number {
  return (
    ((bytes[at] ?? 0) |
      ((bytes[at + 1] ?? 0) << 8) |
      ((bytes[at + 2] ?? 0) << 16) |
      ((bytes[at + 3] ?? 0) << 24)) >>>
    0
  );
}
