/** How far a candidate's answers are from its source's, on the same samples. Pure. */

import {
  fromHalf,
  type NamedTensors,
  type Tensor,
  typedArrayOf,
} from '../../runtime/wire/tensors.ts';

export interface OutputComparison {
  readonly output: string;
  /** Largest difference of two elements. */
  readonly maxAbsError: number;
  /** Largest difference relative to the source's element; of elements above 1e-6 in magnitude. */
  readonly maxRelError: number;
  /** Root mean square of the differences over that of the source's elements. */
  readonly rmsError: number;
  /** Share of rows (along the last axis) whose largest element is at the same place. */
  readonly top1Agreement: number;
  /** What cannot be compared: another shape, a missing output, not-a-number on one side. */
  readonly mismatch: string | undefined;
}

/** One comparison an output over all samples; `source` and `candidate` in the same order. */
export function compareOutputs(
  source: readonly NamedTensors[],
  candidate: readonly NamedTensors[],
): OutputComparison[] {
  const names = [...new Set(source.flatMap((outputs) => Object.keys(outputs)))];
  return names.map((name) => {
    const sums = new Sums(name);
    source.forEach((outputs, at) => {
      const want = outputs[name];
      if (want !== undefined) sums.add(want, candidate[at]?.[name]);
    });
    return sums.result();
  });
}

/** Why a candidate is refused, or undefined when every output agrees. */
export function disagreement(
  comparisons: readonly OutputComparison[],
  errorMax: number,
): string | undefined {
  for (const { output, mismatch, rmsError } of comparisons) {
    if (mismatch !== undefined) return `output "${output}" ${mismatch}`;
    if (rmsError > errorMax) {
      const off = `${(100 * rmsError).toPrecision(3)} %`;
      return `output "${output}" is ${off} off its source (${100 * errorMax} % at most)`;
    }
  }
  return undefined;
}

class Sums {
  readonly #output: string;
  #mismatch: string | undefined;
  #maxAbs = 0;
  #maxRel = 0;
  #errorSquares = 0;
  #squares = 0;
  #rows = 0;
  #same = 0;

  constructor(output: string) {
    this.#output = output;
  }

  add(want: Tensor, have: Tensor | undefined): void {
    if (have === undefined) this.#mismatch ??= 'is missing';
    else if (have.datatype !== want.datatype) {
      this.#mismatch ??= `is ${have.datatype}, not ${want.datatype}`;
    } else if (have.shape.join() !== want.shape.join()) {
      this.#mismatch ??= `has shape [${have.shape.join(', ')}], not [${want.shape.join(', ')}]`;
    } else if (want.datatype === 'BYTES') {
      if (!Buffer.from(want.data).equals(have.data)) this.#mismatch ??= 'has other strings';
    } else this.#addNumbers(numbersOf(want), numbersOf(have), want.shape.at(-1) ?? 1);
  }

  #addNumbers(want: Float64Array, have: Float64Array, columns: number): void {
    for (let at = 0; at < want.length; at += 1) this.#addPair(want[at] ?? 0, have[at] ?? 0);
    for (let from = 0; columns > 0 && from < want.length; from += columns) {
      this.#rows += 1;
      const same = largestAt(want, from, columns) === largestAt(have, from, columns);
      if (same) this.#same += 1;
    }
  }

  #addPair(a: number, b: number): void {
    if (Object.is(a, b) || a === b) {
      if (Number.isFinite(a)) this.#squares += a * a;
      return;
    }
    const error = Math.abs(a - b);
    if (!Number.isFinite(error)) {
      this.#mismatch ??= `is ${b} where the source has ${a}`;
      return;
    }
    this.#maxAbs = Math.max(this.#maxAbs, error);
    if (Math.abs(a) > 1e-6) this.#maxRel = Math.max(this.#maxRel, error / Math.abs(a));
    this.#errorSquares += error * error;
    this.#squares += a * a;
  }

  result(): OutputComparison {
    const relative = Math.sqrt(this.#errorSquares / this.#squares);
    return {
      output: this.#output,
      maxAbsError: this.#maxAbs,
      maxRelError: this.#maxRel,
      rmsError: this.#errorSquares === 0 ? 0 : relative,
      top1Agreement: this.#rows === 0 ? 1 : this.#same / this.#rows,
      mismatch: this.#mismatch,
    };
  }
}

function numbersOf(tensor: Tensor): Float64Array {
  const array = typedArrayOf(tensor);
  if (tensor.datatype === 'FP16') return Float64Array.from(array as Uint16Array, fromHalf);
  return Float64Array.from(array as ArrayLike<number | bigint>, Number);
}

function largestAt(values: Float64Array, from: number, columns: number): number {
  let best = 0;
  for (let column = 1; column < columns; column += 1) {
    if ((values[from + column] ?? 0) > (values[from + best] ?? 0)) best = column;
  }
  return best;
}
