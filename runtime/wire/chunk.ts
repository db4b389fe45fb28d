/**
 * A part of a message that is larger than the bus takes. Seven fields before the bytes and fewer
 * than fifteen in all: the first byte of a frame tells a chunk from an envelope, which has fifteen
 * or more.
 */

import { FrameRejected } from '../errors.ts';
import { isEpoch } from './beat.ts';
import { decode, encode } from './codec.ts';
import { wireVersion } from './envelope.ts';
import { isNodeId } from './subjects.ts';

export interface Chunk {
  readonly fromNode: string;
  readonly fromEpoch: number;
  /** Counted by the sender; a message's chunks share it. */
  readonly messageId: number;
  readonly index: number;
  /** Bytes of every part but the last. */
  readonly partBytes: number;
  readonly totalBytes: number;
  readonly part: Uint8Array;
}

const fieldCount = 8;

/** What a chunk costs beyond its part: its fields at their largest. */
export const chunkOverheadBytes = 128;

/** True when the frame is an array shorter than an envelope's. */
export function isChunkFrame(frame: Uint8Array): boolean {
  const token = frame[0];
  return token !== undefined && token >= 0x90 && token < 0x9f;
}

export function encodeChunk(chunk: Chunk): Uint8Array {
  return encode([
    wireVersion,
    chunk.fromNode,
    chunk.fromEpoch,
    chunk.messageId,
    chunk.index,
    chunk.partBytes,
    chunk.totalBytes,
    chunk.part,
  ]);
}

/** Throws FrameRejected unless the part is exactly the one its index says. */
export function decodeChunk(bytes: Uint8Array): Chunk {
  const row = decode(bytes);
  if (!Array.isArray(row) || row.length < fieldCount) throw notAChunk('not an array of 8');
  const [version, fromNode, fromEpoch, messageId, index, partBytes, totalBytes, part] =
    row as unknown[];
  if (version !== wireVersion) throw notAChunk(`wire version ${String(version)}`);
  if (typeof fromNode !== 'string' || !isNodeId(fromNode)) throw notAChunk('no sender');
  if (!isEpoch(fromEpoch) || !isEpoch(messageId)) throw notAChunk('no message');
  if (!isEpoch(index) || !isEpoch(partBytes) || !isEpoch(totalBytes)) throw notAChunk('no place');
  if (!(part instanceof Uint8Array)) throw notAChunk('no bytes');
  const expected = Math.min(partBytes, totalBytes - index * partBytes);
  if (partBytes === 0 || part.length !== expected || expected <= 0) {
    throw notAChunk('a part of the wrong size');
  }
  return { fromNode, fromEpoch, messageId, index, partBytes, totalBytes, part };
}

function notAChunk(what: string): FrameRejected {
  return new FrameRejected(`not a chunk: ${what}`, 'bus');
}
