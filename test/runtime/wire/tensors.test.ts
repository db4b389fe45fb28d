/** Tensors on the wire: aligned views of unaligned bytes, half floats, and strings. */

import { expect } from 'chai';
import fc from 'fast-check';

import {
  bytesOf,
  bytesPerElement,
  datatypes,
  elementCount,
  fromHalf,
  isDatatype,
  packStrings,
  stringsOf,
  tensorOf,
  toHalf,
  typedArrayOf,
} from '../../../runtime/wire/tensors.ts';

describe('typedArrayOf', () => {
  const bytes = Uint8Array.from({ length: 48 }, (_, index) => index * 5 + 1);

  for (const datatype of datatypes.filter((one) => one !== 'BYTES')) {
    it(`gives the elements of ${datatype} at every byte offset`, () => {
      const size = bytesPerElement(datatype);
      const aligned = typedArrayOf({ datatype, data: bytes.slice() });
      expect(aligned.length).to.equal(48 / size);
      for (let offset = 0; offset < 16; offset += 1) {
        const holder = new Uint8Array(64);
        holder.set(bytes, offset);
        const data = holder.subarray(offset, offset + 48);
        const view = typedArrayOf({ datatype, data });
        expect(view).to.deep.equal(aligned);
        expect(view.byteOffset % size).to.equal(0);
        // A copy only where there is no other way.
        expect(view.buffer === holder.buffer).to.equal(offset % size === 0);
      }
    });
  }

  it('has none for BYTES', () => {
    expect(() => typedArrayOf({ datatype: 'BYTES', data: bytes })).to.throw(TypeError);
  });
});

describe('tensors', () => {
  it('know their datatypes', () => {
    expect(datatypes.every(isDatatype)).to.equal(true);
    for (const other of ['fp32', 'BF16', '', 7, null, 'constructor']) {
      expect(isDatatype(other), String(other)).to.equal(false);
    }
  });

  it('count their elements, one for a scalar', () => {
    expect([elementCount([]), elementCount([2, 3, 4]), elementCount([5, 0])]).to.deep.equal([
      1, 24, 0,
    ]);
  });

  it('hold the bytes of a view without copying', () => {
    const view = Float32Array.of(1, 2, 3).subarray(1);
    const tensor = tensorOf('FP32', [2], view);
    expect(tensor.data.buffer).to.equal(view.buffer);
    expect(typedArrayOf(tensor)).to.deep.equal(view);
    expect(bytesOf(view).length).to.equal(8);
  });
});

describe('half floats', () => {
  it('come back as they were, all 65,536 of them', () => {
    for (let bits = 0; bits < 65_536; bits += 1) {
      const value = fromHalf(bits);
      const back = toHalf(value);
      if (Number.isNaN(value)) expect(Number.isNaN(fromHalf(back))).to.equal(true);
      else if (back !== bits) expect.fail(`${String(bits)} became ${String(back)}`);
    }
  });

  it('are what IEEE 754 says', () => {
    const known: [number, number][] = [
      [0x0000, 0],
      [0x3c00, 1],
      [0xc000, -2],
      [0x7bff, 65_504],
      [0x0400, 2 ** -14],
      [0x0001, 2 ** -24],
      [0x03ff, 1023 * 2 ** -24],
      [0x3555, 0.333251953125],
      [0x7c00, Infinity],
      [0xfc00, -Infinity],
    ];
    for (const [bits, value] of known) {
      expect(fromHalf(bits)).to.equal(value);
      expect(toHalf(value)).to.equal(bits);
    }
    expect(Object.is(fromHalf(0x8000), -0)).to.equal(true);
    expect(toHalf(-0)).to.equal(0x8000);
  });

  it('round to the nearest, and ties to even', () => {
    expect(toHalf(1 + 2 ** -11)).to.equal(0x3c00);
    expect(toHalf(1 + 3 * 2 ** -11)).to.equal(0x3c02);
    expect(toHalf(1 + 2 ** -11 + 2 ** -20)).to.equal(0x3c01);
    expect(toHalf(65_519)).to.equal(0x7bff);
    expect(toHalf(65_520)).to.equal(0x7c00);
    expect(toHalf(2 ** -25)).to.equal(0x0000);
    expect(toHalf(2 ** -25 * 1.5)).to.equal(0x0001);
    expect(toHalf(2 ** -30)).to.equal(0x0000);
    expect(toHalf(-1e10)).to.equal(0xfc00);
    const nearest = fc.float({ min: -65_504, max: 65_504, noNaN: true });
    fc.assert(
      fc.property(nearest, (value) => {
        const bits = toHalf(value);
        const error = Math.abs(fromHalf(bits) - value);
        for (const neighbour of [bits - 1, bits + 1]) {
          const other = fromHalf(neighbour & 0xffff);
          if (Number.isFinite(other)) expect(Math.abs(other - value)).to.be.at.least(error);
        }
      }),
      { numRuns: 2_000 },
    );
  });
});

describe('BYTES tensors', () => {
  it('give back the strings they were packed of', () => {
    fc.assert(
      fc.property(fc.array(fc.uint8Array({ maxLength: 20 })), (elements) => {
        expect(stringsOf(packStrings(elements))).to.deep.equal(elements);
      }),
    );
  });

  it('are undefined where lengths and bytes disagree', () => {
    const data = packStrings([Uint8Array.of(1, 2, 3), Uint8Array.of(4)]);
    for (let length = 1; length < data.length; length += 1) {
      const strings = stringsOf(data.subarray(0, length));
      if (length === 7) expect(strings).to.deep.equal([Uint8Array.of(1, 2, 3)]);
      else expect(strings, String(length)).to.equal(undefined);
    }
    expect(stringsOf(Uint8Array.of(255, 255, 255, 255, 0))).to.equal(undefined);
    expect(stringsOf(new Uint8Array())).to.deep.equal([]);
  });
});
