/**
 * Whether a batch of two gives what two runs give: along which axis an output joins, and how far
 * its values are off. Pure.
 *
 * Graphs that quantise activations as they go share one scale among a batch, so equal to the bit is
 * too much to ask of them; rows that mix (a normalisation over the wrong axis) are further off.
 */

import { type Datatype, fromHalf, stringsOf, typedArrayOf } from '../../runtime/wire/tensors.ts';
import { joinedShape, joinPieces, joinStrings } from '../engine/batch-layout.ts';
import type { SessionOutput } from '../engine/session.ts';

/** Largest root mean square difference, as a share of the root mean square of the values. */
const deviationMax = 0.1;

export type Joint =
  /** `axis` −1: the same for everybody, whatever the batch. */
  | { readonly ok: true; readonly axis: number; readonly deviation: number }
  | { readonly ok: false; readonly why: string };

/** How `both`, of a batch of two, relates to the outputs of the two alone. */
export function relateOutputs(
  datatype: Datatype,
  first: SessionOutput,
  second: SessionOutput,
  both: SessionOutput,
  preferredAxis?: number,
): Joint {
  const axes = first.shape
    .map((_, axis) => axis)
    .filter((axis) => joins(first, second, both, axis));
  if (preferredAxis !== undefined) axes.sort((a) => (a === preferredAxis ? -1 : 1));
  let nearest = Infinity;
  for (const axis of axes) {
    const pieces =
      datatype === 'BYTES' ? joinStrings([first, second], axis) : concat([first, second], axis);
    const deviation = deviationOf(datatype, pieces, both.data);
    if (deviation <= deviationMax) return { ok: true, axis, deviation };
    nearest = Math.min(nearest, deviation);
  }
  if (sameShape(first, both) && deviationOf(datatype, first.data, both.data) === 0) {
    return { ok: true, axis: -1, deviation: 0 };
  }
  const shapes = [first, both].map(({ shape }) => `[${shape.join(', ')}]`);
  const why =
    axes.length === 0
      ? `it is ${shapes[0] ?? ''} alone and ${shapes[1] ?? ''} in a batch of two`
      : `in a batch of two its values are off by ${(nearest * 100).toFixed(0)} %`;
  return { ok: false, why };
}

function joins(a: SessionOutput, b: SessionOutput, both: SessionOutput, axis: number): boolean {
  if (a.shape.length !== b.shape.length || a.shape.length !== both.shape.length) return false;
  const expected = joinedShape([a, b], axis);
  const other = a.shape.every((size, at) => at === axis || size === b.shape[at]);
  return other && both.shape.every((size, at) => size === expected[at]);
}

function sameShape(a: SessionOutput, b: SessionOutput): boolean {
  return a.shape.length === b.shape.length && a.shape.every((size, axis) => size === b.shape[axis]);
}

function concat(parts: readonly SessionOutput[], axis: number): Uint8Array {
  const pieces = joinPieces(parts, axis);
  const bytes = new Uint8Array(pieces.reduce((sum, piece) => sum + piece.byteLength, 0));
  let at = 0;
  for (const piece of pieces) {
    bytes.set(piece, at);
    at += piece.byteLength;
  }
  return bytes;
}

/** 0 for the same bytes; integers and strings are the same or infinitely off. */
function deviationOf(datatype: Datatype, expected: Uint8Array, actual: Uint8Array): number {
  if (expected.byteLength === actual.byteLength && Buffer.compare(expected, actual) === 0) return 0;
  if (!datatype.startsWith('FP')) return Infinity;
  const [want, have] = [numbersOf(datatype, expected), numbersOf(datatype, actual)];
  if (want.length !== have.length) return Infinity;
  let [squares, differences] = [0, 0];
  for (let index = 0; index < want.length; index += 1) {
    const [wanted, found] = [want[index] ?? 0, have[index] ?? 0];
    if (Object.is(wanted, found)) continue;
    squares += wanted * wanted;
    differences += (wanted - found) ** 2;
  }
  const deviation = Math.sqrt(differences / Math.max(squares, Number.MIN_VALUE));
  return Number.isNaN(deviation) ? Infinity : deviation;
}

/** Elements as numbers: halves decoded, 64-bit integers rounded, BYTES as their lengths' count. */
export function numbersOf(datatype: Datatype, data: Uint8Array): Float64Array {
  if (datatype === 'BYTES') return new Float64Array(stringsOf(data)?.length ?? 0);
  const elements = typedArrayOf({ datatype, data });
  if (datatype === 'FP16') return Float64Array.from(elements as Uint16Array, fromHalf);
  return Float64Array.from(elements as ArrayLike<number | bigint>, Number);
}
