/** .npy files as NumPy writes them, and what is said of those that cannot be read. */

import { expect } from 'chai';

import { parseNpy } from '../../../nodes/cli/npy.ts';
import { elementsOf } from '../../../runtime/wire/tensor-elements.ts';
import { bytesOf } from '../../../runtime/wire/tensors.ts';
import { npyFile } from './npy-file.ts';

describe('parseNpy', () => {
  const cases = [
    ['|u1', Uint8Array.of(0, 255), 'UINT8', [0, 255]],
    ['|b1', Uint8Array.of(0, 1), 'BOOL', [false, true]],
    ['<i2', Int16Array.of(-2, 32_767), 'INT16', [-2, 32_767]],
    ['<i8', BigInt64Array.of(-1n, 2n), 'INT64', [-1, 2]],
    ['<f4', Float32Array.of(0.5, -2), 'FP32', [0.5, -2]],
    ['<f8', Float64Array.of(0.1, 1e300), 'FP64', [0.1, 1e300]],
  ] as const;
  for (const [descr, values, datatype, elements] of cases) {
    it(`reads ${descr} as ${datatype}`, () => {
      const array = parseNpy(npyFile(descr, [2], bytesOf(values)), 'a.npy');
      expect(array).to.deep.include({ datatype, shape: [2] });
      expect(elementsOf(array)).to.deep.equal(elements);
    });
  }

  for (const version of [1, 2, 3]) {
    it(`reads format version ${String(version)}`, () => {
      const array = parseNpy(npyFile('|u1', [1, 3], Uint8Array.of(1, 2, 3), { version }), 'a.npy');
      expect(array.shape).to.deep.equal([1, 3]);
    });
  }

  it('reads a scalar and an empty array', () => {
    expect(parseNpy(npyFile('|u1', [], Uint8Array.of(7)), 'a.npy').shape).to.deep.equal([]);
    expect(parseNpy(npyFile('<f4', [0, 3], new Uint8Array()), 'a.npy').data.length).to.equal(0);
  });

  it('turns big-endian elements round', () => {
    const array = parseNpy(npyFile('>i2', [2], Uint8Array.of(1, 0, 0, 2)), 'a.npy');
    expect(elementsOf(array)).to.deep.equal([256, 2]);
  });

  it('leaves the file as it is', () => {
    const file = npyFile('>i2', [1], Uint8Array.of(1, 0));
    const before = file.slice();
    parseNpy(file, 'a.npy');
    expect(file).to.deep.equal(before);
  });

  const refused: readonly (readonly [string, Uint8Array, RegExp])[] = [
    ['what is something else', new TextEncoder().encode('{"a": [1, 2]}'), /does not begin/],
    ['an empty file', new Uint8Array(), /does not begin/],
    [
      'a file cut off',
      npyFile('<f4', [4], new Uint8Array(15)),
      /16 bytes of FP32 \[4\], 15 follow/,
    ],
    ['a header cut off', npyFile('<f4', [4], new Uint8Array(16)).subarray(0, 20), /header is cut/],
    ['complex numbers', npyFile('<c8', [1], new Uint8Array(8)), /dtype <c8/],
    ['objects', npyFile('|O', [1], new Uint8Array(8)), /dtype \|O/],
    [
      'Fortran order',
      npyFile('<f4', [2, 2], new Uint8Array(16), { fortran: true }),
      /ascontiguousarray/,
    ],
    ['a format to come', npyFile('<f4', [1], new Uint8Array(4), { version: 9 }), /version 9/],
  ];
  for (const [what, content, message] of refused) {
    it(`refuses ${what}, naming the file`, () => {
      expect(() => parseNpy(content, 'some.npy'))
        .to.throw(message)
        .with.property('message')
        .that.contains('some.npy');
    });
  }
});
