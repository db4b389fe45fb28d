/**
 * Fits an array's shape to the shape that an input asks: a file holds `[28, 28]` or
 * `[2000, 28, 28]`, the signature says `[batch, 1, 28, 28]`. Only dimensions of 1 are added or left
 * out, and a flat array is folded; nothing is ever transposed. Pure.
 */

import { elementCount } from '../../runtime/wire/tensors.ts';

/**
 * The shape to send, or undefined where it does not fit. `wanted` has −1 where it is variable.
 */
export function fitShape(
  have: readonly number[],
  wanted: readonly number[],
): readonly number[] | undefined {
  return align(have, wanted) ?? fold(have, wanted);
}

/** Walks both shapes; a dimension of 1 may be missing on either side. */
function align(have: readonly number[], wanted: readonly number[]): readonly number[] | undefined {
  const [size, ...haveRest] = have;
  const [want, ...wantedRest] = wanted;
  if (want === undefined) return have.every((left) => left === 1) ? [] : undefined;
  if (size !== undefined && (want === size || (want < 0 && size > 0))) {
    const rest = align(haveRest, wantedRest);
    if (rest !== undefined) return [size, ...rest];
  }
  if (want === 1 || want < 0) {
    const rest = align(have, wantedRest);
    if (rest !== undefined) return [1, ...rest];
  }
  return size === 1 ? align(haveRest, wanted) : undefined;
}

/** `[784]` or `[N, 784]` for `[batch, 1, 28, 28]`: the fixed dimensions in one. */
function fold(have: readonly number[], wanted: readonly number[]): readonly number[] | undefined {
  const fixed = elementCount(wanted.filter((size) => size >= 0));
  const variable = wanted.filter((size) => size < 0).length;
  if (have.length > 2 || fixed <= 1 || have.at(-1) !== fixed || variable > 1) return undefined;
  const rows = have.length === 2 ? (have[0] ?? 0) : 1;
  if (rows < 1 || (variable === 0 && rows !== 1)) return undefined;
  // Rows lie before everything else, so only a leading variable dimension can hold them.
  if (rows !== 1 && (wanted[0] ?? 0) >= 0) return undefined;
  return wanted.map((size) => (size < 0 ? rows : size));
}
