/**
 * Joining queries along a batch axis and splitting answers again. Pure; bytes in, views out.
 *
 * Along the first axis a joined tensor is its parts one after the other, and each part of an answer
 * is a view. Along another axis (recurrent state, `[layers, batch, hidden]`) parts interleave: a
 * part is `outer` runs of `axis × inner` elements each, where outer and inner are the dimensions
 * before and after the axis.
 */

import { elementCount, packStrings, stringsOf } from '../../runtime/wire/tensors.ts';

export interface Part {
  readonly shape: readonly number[];
  /** Row-major bytes, `elementBytes` each. */
  readonly data: Uint8Array;
}

/**
 * The shape of the parts joined along `axis`, whose other dimensions are those of the first part.
 */
export function joinedShape(parts: readonly Part[], axis: number): number[] {
  const shape = [...(parts[0]?.shape ?? [])];
  let size = 0;
  for (const part of parts) size += part.shape[axis] ?? 0;
  shape[axis] = size;
  return shape;
}

/** The joined tensor's bytes as views of the parts, in order. Parts may be empty along the axis. */
export function joinPieces(parts: readonly Part[], axis: number): Uint8Array[] {
  const runs = elementCount((parts[0]?.shape ?? []).slice(0, axis));
  if (runs === 1) return parts.map((part) => part.data);
  const pieces: Uint8Array[] = [];
  for (let run = 0; run < runs; run += 1) {
    for (const { data } of parts) {
      const bytes = data.byteLength / runs;
      pieces.push(data.subarray(run * bytes, (run + 1) * bytes));
    }
  }
  return pieces;
}

/**
 * Cuts a tensor along `axis` into parts of these sizes, which sum up to the axis: views along the
 * first axis (or where every dimension before the axis is 1), copies otherwise.
 */
export function splitBatch(joined: Part, axis: number, sizes: readonly number[]): Part[] {
  const { shape, data } = joined;
  const runs = elementCount(shape.slice(0, axis));
  const total = shape[axis] ?? 0;
  const unit = total === 0 ? 0 : data.byteLength / runs / total;
  let start = 0;
  return sizes.map((size) => {
    const from = start;
    start += size;
    return {
      shape: shape.map((dimension, index) => (index === axis ? size : dimension)),
      data: cut(data, { runs, stride: total * unit, from: from * unit, bytes: size * unit }),
    };
  });
}

/** The last `count` elements along the last axis: a view where there is one row, else a copy. */
export function takeTail(part: Part, count: number): Part {
  const last = part.shape.at(-1) ?? 0;
  if (last <= count) return part;
  const rows = elementCount(part.shape.slice(0, -1));
  const stride = rows === 0 ? 0 : part.data.byteLength / rows;
  const bytes = (stride / last) * count;
  return {
    shape: [...part.shape.slice(0, -1), count],
    data: cut(part.data, { runs: rows, stride, from: stride - bytes, bytes }),
  };
}

interface Cut {
  readonly runs: number;
  readonly stride: number;
  readonly from: number;
  readonly bytes: number;
}

function cut(data: Uint8Array, { runs, stride, from, bytes }: Cut): Uint8Array {
  if (runs === 1) return data.subarray(from, from + bytes);
  const copy = new Uint8Array(runs * bytes);
  for (let run = 0; run < runs; run += 1) {
    const at = run * stride + from;
    copy.set(data.subarray(at, at + bytes), run * bytes);
  }
  return copy;
}

/**
 * The same three for BYTES, whose elements vary in length: rearranged as indices of elements. An
 * index takes 4 bytes, so that the functions above apply to it.
 */
export function joinStrings(parts: readonly Part[], axis: number): Uint8Array {
  const elements: Uint8Array[] = [];
  const indices = parts.map((part) => indexPart(part, elements));
  return packStrings(joinPieces(indices, axis).flatMap((piece) => pick(piece, elements)));
}

export function splitStrings(joined: Part, axis: number, sizes: readonly number[]): Part[] {
  const elements: Uint8Array[] = [];
  const parts = splitBatch(indexPart(joined, elements), axis, sizes);
  return parts.map(({ shape, data }) => ({ shape, data: packStrings(pick(data, elements)) }));
}

export function takeTailStrings(part: Part, count: number): Part {
  const elements: Uint8Array[] = [];
  const { shape, data } = takeTail(indexPart(part, elements), count);
  return { shape, data: packStrings(pick(data, elements)) };
}

/** A part of element indices, into `elements`, to which the part's own are appended. */
function indexPart(part: Part, elements: Uint8Array[]): Part {
  const first = elements.length;
  for (const element of stringsOf(part.data) ?? []) elements.push(element);
  const indices = Uint32Array.from(
    { length: elements.length - first },
    (_, index) => first + index,
  );
  return { shape: part.shape, data: new Uint8Array(indices.buffer) };
}

function pick(indices: Uint8Array, elements: readonly Uint8Array[]): Uint8Array[] {
  const view = new DataView(indices.buffer, indices.byteOffset, indices.byteLength);
  const picked: Uint8Array[] = [];
  for (let at = 0; at < indices.byteLength; at += 4) {
    const element = elements[view.getUint32(at, true)];
    if (element !== undefined) picked.push(element);
  }
  return picked;
}
