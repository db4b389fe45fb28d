// How far answers are from those of the source.

import { expect } from 'chai';

import { compareOutputs, disagreement } from '../../../nodes/generator/compare-outputs.ts';
import {
  type NamedTensors,
  packStrings,
  type Tensor,
  tensorOf,
} from '../../../runtime/wire/tensors.ts';

const floats = (shape: readonly number[], ...values: number[]): Tensor =>
  tensorOf('FP32', shape, Float32Array.from(values));
const compare = (want: Tensor, have: Tensor | undefined) => {
  const candidate: NamedTensors = have === undefined ? {} : { y: have };
  return compareOutputs([{ y: want }], [candidate])[0]!;
};

describe('comparing outputs', () => {
  it('finds equal ones equal', () => {
    const y = floats([2, 2], 1, -2, NaN, Infinity);
    expect(compare(y, y)).to.deep.equal({
      output: 'y',
      maxAbsError: 0,
      maxRelError: 0,
      rmsError: 0,
      top1Agreement: 1,
      mismatch: undefined,
    });
  });

  it('measures the largest and the mean error, and whether the largest column is the same', () => {
    const result = compare(floats([2, 2], 3, 4, 0, 5), floats([2, 2], 3, 2, 0, 5));
    expect(result.maxAbsError).to.equal(2);
    expect(result.maxRelError).to.equal(0.5);
    expect(result.rmsError).to.be.closeTo(Math.sqrt(4 / 50), 1e-12);
    expect(result.top1Agreement).to.equal(0.5);
  });

  it('adds samples up', () => {
    const one = { y: floats([1], 1) };
    const results = compareOutputs([one, one], [one, { y: floats([1], 2) }]);
    expect(results).to.have.length(1);
    expect(results[0]?.maxAbsError).to.equal(1);
    expect(results[0]?.rmsError).to.be.closeTo(Math.SQRT1_2, 1e-12);
  });

  it('reads integers and halves as the numbers that they are', () => {
    const big = (value: bigint) => tensorOf('INT64', [1], BigInt64Array.of(value));
    expect(compare(big(5n), big(7n)).maxAbsError).to.equal(2);
    const half = (bits: number) => tensorOf('FP16', [1], Uint16Array.of(bits));
    expect(compare(half(0x3c00), half(0x4000)).maxAbsError).to.equal(1);
  });

  it('names what cannot be compared', () => {
    const y = floats([2], 1, 2);
    const text = (word: string): Tensor => ({
      datatype: 'BYTES',
      shape: [1],
      data: packStrings([Buffer.from(word)]),
    });
    expect(compare(y, undefined).mismatch).to.equal('is missing');
    expect(compare(y, floats([1, 2], 1, 2)).mismatch).to.match(/shape \[1, 2\], not \[2\]/);
    expect(compare(y, text('a')).mismatch).to.match(/is BYTES, not FP32/);
    expect(compare(y, floats([2], 1, NaN)).mismatch).to.match(/is NaN where the source has 2/);
    expect(compare(text('a'), text('b')).mismatch).to.equal('has other strings');
    expect(compare(text('a'), text('a')).mismatch).to.equal(undefined);
  });

  it('says why a candidate is refused: too far off, or incomparable', () => {
    const near = compare(floats([2], 1, 2), floats([2], 1, 2.1));
    expect(disagreement([near], 0.1)).to.equal(undefined);
    expect(disagreement([near], 0.01)).to.match(/"y" is 4\.47 % off its source \(1 % at most\)/);
    expect(disagreement([compare(floats([1], 1), undefined)], 1)).to.match(/"y" is missing/);
    const zeros = compare(floats([1], 0), floats([1], 1));
    expect(disagreement([zeros], 0.5)).to.match(/Infinity/);
  });
});
