/** Elements to bytes and back: every datatype, its bounds, flat and nested. */

import { expect } from 'chai';
import fc from 'fast-check';

import { elementsOf, packElements } from '../../../runtime/wire/tensor-elements.ts';
import type { Datatype } from '../../../runtime/wire/tensors.ts';

function roundTrip(datatype: Datatype, shape: readonly number[], elements: unknown[]): unknown[] {
  const packed = packElements(datatype, shape, elements);
  expect(packed.ok, packed.ok ? '' : packed.problem).to.equal(true);
  return packed.ok ? elementsOf({ datatype, data: packed.data }) : [];
}

function problemOf(datatype: Datatype, shape: readonly number[], elements: unknown[]): string {
  const packed = packElements(datatype, shape, elements);
  return packed.ok ? '' : packed.problem;
}

describe('tensor elements', () => {
  const extremes: readonly (readonly [Datatype, readonly unknown[]])[] = [
    ['BOOL', [true, false]],
    ['UINT8', [0, 255]],
    ['UINT16', [0, 65_535]],
    ['UINT32', [0, 4_294_967_295]],
    ['UINT64', [0, '18446744073709551615']],
    ['INT8', [-128, 127]],
    ['INT16', [-32_768, 32_767]],
    ['INT32', [-2_147_483_648, 2_147_483_647]],
    ['INT64', ['-9223372036854775808', '9223372036854775807']],
    ['FP16', [-65_504, 0.5]],
    ['FP32', [-1.5, 2 ** 100]],
    ['FP64', [Number.MIN_VALUE, Number.MAX_VALUE]],
    ['BYTES', ['', 'žluťoučký 🐎']],
  ];
  for (const [datatype, elements] of extremes) {
    it(`keeps the least and the most of ${datatype}`, () => {
      expect(roundTrip(datatype, [2], [...elements])).to.deep.equal(elements);
    });
  }

  it('takes the same elements flat and nested', () => {
    const nested = [
      [
        [1, 2],
        [3, 4],
      ],
      [
        [5, 6],
        [7, 8],
      ],
    ];
    expect(roundTrip('INT32', [2, 2, 2], nested)).to.deep.equal([1, 2, 3, 4, 5, 6, 7, 8]);
    expect(roundTrip('INT32', [2, 2, 2], nested.flat(2))).to.deep.equal([1, 2, 3, 4, 5, 6, 7, 8]);
  });

  it('takes a scalar, and nothing for an empty shape', () => {
    expect(roundTrip('FP32', [], [7])).to.deep.equal([7]);
    expect(roundTrip('FP32', [0, 3], [])).to.deep.equal([]);
    expect(roundTrip('FP32', [2, 0], [[], []])).to.deep.equal([]);
  });

  it('takes bigints and decimal strings as 64-bit integers, bigints as any number', () => {
    expect(roundTrip('INT64', [3], [5n, '-6', 7])).to.deep.equal([5, -6, 7]);
    expect(roundTrip('UINT8', [1], [5n])).to.deep.equal([5]);
    expect(roundTrip('FP32', [1], [5n])).to.deep.equal([5]);
  });

  it('takes 0 and 1 as booleans', () => {
    expect(roundTrip('BOOL', [2], [1, 0])).to.deep.equal([true, false]);
  });

  it('says what is wrong and where', () => {
    expect(problemOf('UINT8', [3], [1, 2, 300])).to.match(/\[2\].*300.*0\.\.255/);
    expect(
      problemOf(
        'INT32',
        [2, 2],
        [
          [1, 2],
          [3, 'x'],
        ],
      ),
    ).to.match(/index 1 of depth 1.*"x"/);
    expect(problemOf('INT32', [2, 2], [[1, 2]])).to.match(/1 elements at depth 0.*expected 2/);
    expect(problemOf('FP32', [2], [[1], [2]])).to.match(/an array/);
    expect(problemOf('FP32', [1], [null])).to.match(/null/);
    expect(problemOf('FP32', [1], [{}])).to.match(/an object/);
  });

  it('never shows a long payload', () => {
    expect(problemOf('FP32', [1], ['x'.repeat(10_000)]).length).to.be.below(200);
  });

  it('rounds to single precision and no further', () => {
    fc.assert(
      fc.property(fc.array(fc.float({ noNaN: true, noDefaultInfinity: true })), (numbers) => {
        expect(roundTrip('FP32', [numbers.length], numbers)).to.deep.equal(numbers);
      }),
    );
  });
});
