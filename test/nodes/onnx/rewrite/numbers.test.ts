// The arithmetic of rewrites: few bits and back, ranges, half precision, transposition.

import { expect } from 'chai';
import fc from 'fast-check';

import { halvesOf } from '../../../../nodes/onnx/rewrite/half.ts';
import {
  affineOf,
  quantiseBlocks,
  quantiseWeight,
  weightZero,
  toInteger,
} from '../../../../nodes/onnx/rewrite/quantise.ts';
import { RangeObserver } from '../../../../nodes/onnx/rewrite/ranges.ts';
import { transpose } from '../../../../nodes/onnx/rewrite/scope.ts';
import { fromHalf } from '../../../../runtime/wire/tensors.ts';

const number = fc.float({ noNaN: true, noDefaultInfinity: true, min: -1000, max: 1000 });
const size = fc.integer({ min: 1, max: 6 });

describe('quantised weights', () => {
  it('are off by half a step of their channel at most, and zero stays zero', () => {
    const weights = fc.tuple(size, size, size).chain(([a, b, c]) =>
      fc.record({
        dims: fc.constant([a, b, c]),
        values: fc.array(number, { minLength: a * b * c, maxLength: a * b * c }),
        axis: fc.constantFrom(0, 1, 2, undefined),
      }),
    );
    fc.assert(
      fc.property(weights, ({ dims, values, axis }) => {
        const floats = Float32Array.from(values);
        const { values: integers, scales } = quantiseWeight({ dims, floats }, axis);
        const inner = axis === undefined ? 1 : dims.slice(axis + 1).reduce((a, b) => a * b, 1);
        floats.forEach((float, at) => {
          const channel = axis === undefined ? 0 : Math.floor(at / inner) % dims[axis];
          const scale = scales[channel]!;
          const integer = integers[at]! - weightZero;
          expect(Math.abs(integer * scale - float)).to.be.at.most(scale * 0.501);
          expect(integer).to.be.within(-127, 127);
          if (float === 0) expect(integer).to.equal(0);
        });
      }),
    );
  });

  it('in blocks of 4 bits are off by one step of their block at most', () => {
    const matrices = fc.tuple(fc.integer({ min: 1, max: 70 }), size).chain(([k, n]) =>
      fc.record({
        dims: fc.constant([k, n]),
        values: fc.array(number, { minLength: k * n, maxLength: k * n }),
      }),
    );
    fc.assert(
      fc.property(matrices, ({ dims, values }) => {
        const [k, n] = dims as [number, number];
        const { packed, scales } = quantiseBlocks({ dims, floats: Float32Array.from(values) }, 32);
        const blocks = Math.ceil(k / 32);
        expect(packed).to.have.length(n * blocks * 16);
        values.forEach((float, at) => {
          const [row, column] = [Math.floor(at / n), at % n];
          const block = column * blocks + Math.floor(row / 32);
          const byte = packed[block * 16 + ((row % 32) >> 1)]!;
          const step = ((row % 2 === 0 ? byte : byte >> 4) & 15) - 8;
          const scale = scales[block]!;
          // The largest magnitude of the other sign has 7 steps where 8 would be needed.
          expect(Math.abs(step * scale - float)).to.be.at.most(Math.abs(scale) * 1.001);
        });
      }),
    );
  });

  it('round halves to even', () => {
    expect([0.5, 1.5, 2.5, -0.5, -1.5].map((each) => toInteger(each, -8, 8) + 0)).to.deep.equal([
      0, 2, 2, 0, -2,
    ]);
  });

  it('survive channels of zeros and of the least numbers', () => {
    const floats = Float32Array.of(0, 0, 1e-45, -1e-45);
    const { values, scales } = quantiseWeight({ dims: [2, 2], floats }, 0);
    expect([...values]).to.deep.equal(Array(4).fill(weightZero));
    expect([...scales]).to.deep.equal([1, 1]);
  });
});

describe('ranges of activations', () => {
  it('hold zero exactly, and every value within half a step', () => {
    fc.assert(
      fc.property(number, number, fc.double({ min: 0, max: 1, noNaN: true }), (a, b, share) => {
        const range = { min: Math.min(a, b), max: Math.max(a, b) };
        const { scale, zeroPoint } = affineOf(range);
        expect(zeroPoint).to.be.within(0, 255);
        const inside = range.min + share * (range.max - range.min);
        const integer = toInteger(inside / scale + zeroPoint, 0, 255);
        expect(Math.abs((integer - zeroPoint) * scale - inside)).to.be.at.most(scale * 1.01);
      }),
    );
  });

  it('are from least to largest, whatever is not a finite number aside', () => {
    const observer = new RangeObserver();
    observer.see('a', Float32Array.of(1, -2, NaN));
    observer.see('a', Float32Array.of(5, Infinity));
    observer.see('b', Float32Array.of(NaN));
    expect([...observer.ranges()]).to.deep.equal([['a', { min: -2, max: 5 }]]);
  });

  it('between percentiles leave rare extremes out, however late they come', () => {
    const observer = new RangeObserver({ method: 'percentile', percentile: 99 });
    const even = Float32Array.from({ length: 10_000 }, (_, at) => at / 10_000);
    observer.see('a', even);
    observer.see('a', Float32Array.of(1000, -50));
    const { min, max } = observer.ranges().get('a')!;
    expect(max).to.be.within(0.9, 1.6);
    expect(min).to.be.within(-0.6, 0.1);
  });
});

describe('half precision in bulk', () => {
  it('clamps what lies beyond it, keeps infinities, and counts', () => {
    const { halves, clamped } = halvesOf(Float32Array.of(1, 1e6, -1e6, Infinity, 65504));
    expect(Array.from(halves, fromHalf)).to.deep.equal([1, 65504, -65504, Infinity, 65504]);
    expect(clamped).to.equal(2);
  });
});

describe('transposition', () => {
  it('is undone by the inverse permutation', () => {
    const permutations = fc.shuffledSubarray([0, 1, 2], { minLength: 3 });
    fc.assert(
      fc.property(fc.tuple(size, size, size), permutations, (dims, permutation) => {
        const count = dims.reduce((a, b) => a * b, 1);
        const weight = { dims, floats: Float32Array.from({ length: count }, (_, at) => at) };
        const inverse = permutation.map((_, axis) => permutation.indexOf(axis));
        expect(transpose(transpose(weight, permutation), inverse)).to.deep.equal(weight);
      }),
    );
  });

  it('of a matrix turns rows into columns', () => {
    const weight = { dims: [2, 3], floats: Float32Array.of(1, 2, 3, 4, 5, 6) };
    expect([...transpose(weight, [1, 0]).floats]).to.deep.equal([1, 4, 2, 5, 3, 6]);
  });
});
