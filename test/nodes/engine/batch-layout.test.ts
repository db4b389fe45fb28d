/** Joining and splitting along a batch axis: what is joined can be split, whatever the axis. */

import { expect } from 'chai';
import fc from 'fast-check';

import {
  joinedShape,
  joinPieces,
  joinStrings,
  type Part,
  splitBatch,
  splitStrings,
  takeTail,
  takeTailStrings,
} from '../../../nodes/engine/batch-layout.ts';
import { elementCount, packStrings, stringsOf } from '../../../runtime/wire/tensors.ts';

/** Parts that differ along one axis only, each byte a different one where there are enough. */
const batches = fc
  .record({
    dimensions: fc.array(fc.integer({ min: 1, max: 4 }), { minLength: 1, maxLength: 4 }),
    axisSeed: fc.nat(),
    sizes: fc.array(fc.integer({ min: 1, max: 3 }), { minLength: 1, maxLength: 5 }),
  })
  .map(({ dimensions, axisSeed, sizes }) => {
    const axis = axisSeed % dimensions.length;
    let next = 0;
    const parts = sizes.map((size): Part => {
      const shape = dimensions.map((dimension, index) => (index === axis ? size : dimension));
      const elements = Uint8Array.from({ length: elementCount(shape) }, () => next++ % 251);
      return { shape, data: elements };
    });
    return { axis, sizes, parts };
  });

function join(parts: readonly Part[], axis: number): Part {
  return { shape: joinedShape(parts, axis), data: Buffer.concat(joinPieces(parts, axis)) };
}

/** The element at these coordinates, one byte each. */
function at({ shape, data }: Part, coordinates: readonly number[]): number | undefined {
  let index = 0;
  shape.forEach((size, dimension) => {
    index = index * size + (coordinates[dimension] ?? 0);
  });
  return data[index];
}

function* coordinatesOf(shape: readonly number[]): Generator<number[]> {
  const [first, ...rest] = shape;
  if (first === undefined) {
    yield [];
    return;
  }
  for (let index = 0; index < first; index += 1) {
    for (const others of coordinatesOf(rest)) yield [index, ...others];
  }
}

function asStrings({ shape, data }: Part): Part {
  const elements = [...data].map((byte) => new Uint8Array(byte % 5).fill(byte));
  return { shape, data: packStrings(elements) };
}

function plain({ shape, data }: Part): { shape: number[]; data: number[] } {
  return { shape: [...shape], data: [...data] };
}

describe('the layout of a batch', () => {
  it('gives back the parts that were joined', () => {
    fc.assert(
      fc.property(batches, ({ axis, sizes, parts }) => {
        const split = splitBatch(join(parts, axis), axis, sizes);
        expect(split.map(plain)).to.deep.equal(parts.map(plain));
      }),
    );
  });

  it('puts each element where its own coordinates plus the offset along the axis say', () => {
    fc.assert(
      fc.property(batches, ({ axis, parts }) => {
        const joined = join(parts, axis);
        let offset = 0;
        for (const part of parts) {
          for (const coordinates of coordinatesOf(part.shape)) {
            const moved = coordinates.map((index, k) => (k === axis ? index + offset : index));
            expect(at(joined, moved)).to.equal(at(part, coordinates));
          }
          offset += part.shape[axis] ?? 0;
        }
      }),
    );
  });

  it('does the same to strings of different lengths', () => {
    fc.assert(
      fc.property(batches, ({ axis, sizes, parts }) => {
        const texts = parts.map(asStrings);
        const joined = { shape: joinedShape(texts, axis), data: joinStrings(texts, axis) };
        expect(plain(joined)).to.deep.equal(plain(asStrings(join(parts, axis))));
        expect(splitStrings(joined, axis, sizes).map(plain)).to.deep.equal(texts.map(plain));
      }),
    );
  });

  it('copies nothing along the first axis', () => {
    const data = Uint8Array.of(1, 2, 3, 4, 5, 6);
    const parts = splitBatch({ shape: [3, 2], data }, 0, [1, 2]);
    expect(parts.every((part) => part.data.buffer === data.buffer)).to.equal(true);
    expect(joinPieces(parts, 0).every((piece) => piece.buffer === data.buffer)).to.equal(true);
  });

  it('keeps the last elements along the last axis', () => {
    const part = { shape: [2, 4], data: Uint8Array.of(1, 2, 3, 4, 5, 6, 7, 8) };
    expect(plain(takeTail(part, 2))).to.deep.equal({ shape: [2, 2], data: [3, 4, 7, 8] });
    expect(takeTail(part, 4)).to.equal(part);
    expect(takeTail(part, 9)).to.equal(part);
    const texts = takeTailStrings(asStrings(part), 1);
    expect(texts.shape).to.deep.equal([2, 1]);
    expect(stringsOf(texts.data)?.map((text) => text.length)).to.deep.equal([4, 3]);
  });
});
