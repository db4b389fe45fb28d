/** FP32 to half precision, in bulk. */

import { toHalf } from '../../../runtime/wire/tensors.ts';

const largest = 65504;

export interface Halves {
  /** Bit patterns of IEEE 754 binary16. */
  readonly halves: Uint16Array;
  /** How many finite values lay beyond its range, and were taken for the largest within. */
  readonly clamped: number;
}

/** Infinities stay what they are: masks are made of them. */
export function halvesOf(floats: Float32Array): Halves {
  const halves = new Uint16Array(floats.length);
  let clamped = 0;
  for (let at = 0; at < floats.length; at += 1) {
    let value = floats[at] ?? 0;
    if (Math.abs(value) > largest && Number.isFinite(value)) {
      value = Math.sign(value) * largest;
      clamped += 1;
    }
    halves[at] = toHalf(value);
  }
  return { halves, clamped };
}
