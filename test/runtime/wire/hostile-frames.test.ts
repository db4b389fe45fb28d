/** Frames nobody honest sends: each is a FrameRejected, at once and without much memory. */

import { expect } from 'chai';
import fc from 'fast-check';
import { Packr } from 'msgpackr';

import { FrameRejected } from '../../../runtime/errors.ts';
import { decode, encode } from '../../../runtime/wire/codec.ts';
import { bytesOfHex, joined, repeated } from './samples.ts';

/** msgpackr as it comes, which writes and revives more than we take. */
const permissive = new Packr({ moreTypes: true, structuredClone: true });

const nested = (open: number, depth: number): Uint8Array =>
  joined(repeated(open, depth), Uint8Array.of(0xc0));

const rejected: Record<string, Uint8Array> = {
  'nothing at all': new Uint8Array(),
  'the byte msgpack never uses': bytesOfHex('c1'),
  'that byte in an array': bytesOfHex('92 01 c1'),
  'a second value': bytesOfHex('01 02'),
  'a trailing zero': bytesOfHex('80 00'),
  'a Date': permissive.pack(new Date(0)),
  'a Date within': permissive.pack({ at: new Date(1_700_000_000_123) }),
  'a Set': permissive.pack(new Set([1])),
  'an Error': permissive.pack(new Error('x')),
  'a RegExp': permissive.pack(/(a+)+$/),
  'a typed array extension': permissive.pack(Float32Array.of(1)),
  'a bigint extension': bytesOfHex('c7 02 42 01 00'),
  'a pointer into the frame': bytesOfHex('d6 70 00000001'),
  'a record definition': new Packr({ useRecords: true }).pack({ a: 1, b: 2 }),
  'fixext 1': bytesOfHex('d4 01 00'),
  'fixext 16': joined(bytesOfHex('d8 01'), repeated(0, 16)),
  'ext 8': bytesOfHex('c7 01 05 00'),
  'ext 16': bytesOfHex('c8 0001 05 00'),
  'ext 32': bytesOfHex('c9 00000001 05 00'),
  'an array that claims 4 billion': bytesOfHex('dd ffffffff'),
  'a map that claims 4 billion': bytesOfHex('df ffffffff'),
  'bytes that claim 4 billion': bytesOfHex('c6 ffffffff 00'),
  'text that claims 4 billion': bytesOfHex('db ffffffff 61'),
  'an array that claims 65,535': bytesOfHex('dc ffff c0'),
  'a map that claims one entry and has none': bytesOfHex('81'),
  'a map with a key and no value': bytesOfHex('81 a161'),
  'text that ends too early': bytesOfHex('a5 6162'),
  'a length that ends too early': bytesOfHex('da 00'),
  'a double that ends too early': bytesOfHex('cb 000000'),
  'arrays 100,000 deep': nested(0x91, 100_000),
  'maps 100,000 deep': joined(
    ...new Array<Uint8Array>(100_000).fill(bytesOfHex('81 a161')),
    bytesOfHex('c0'),
  ),
  'arrays 33 deep': nested(0x91, 33),
  'a million values': joined(bytesOfHex('dd 000f4240'), repeated(0xc0, 1_000_000)),
  'the key __proto__': joined(
    bytesOfHex('81 a9'),
    new TextEncoder().encode('__proto__'),
    bytesOfHex('80'),
  ),
  'the key __proto__, written longer': joined(
    bytesOfHex('81 d9 09'),
    new TextEncoder().encode('__proto__'),
    bytesOfHex('80'),
  ),
  'a number as a key': bytesOfHex('81 01 02'),
  'nil as a key': bytesOfHex('81 c0 02'),
  'bytes as a key': bytesOfHex('81 c4 01 61 02'),
  'an array as a key': bytesOfHex('81 90 02'),
  'a key of 4 billion characters': bytesOfHex('81 db ffffffff 61'),
};

describe('a hostile frame', () => {
  for (const [name, frame] of Object.entries(rejected)) {
    it(`is rejected: ${name}`, () => {
      expect(() => decode(frame)).to.throw(FrameRejected);
    });
  }

  it('is rejected wherever an honest one is cut', () => {
    const sample = encode({
      type: 'worker.execute',
      numbers: [0, -1, 300, 70_000, 1.5, 2n ** 60n],
      text: 'x'.repeat(300),
      bytes: new Uint8Array(40),
      inner: { yes: true, no: null },
    });
    for (let length = 0; length < sample.length; length += 1) {
      expect(() => decode(sample.subarray(0, length)), String(length)).to.throw(FrameRejected);
    }
  });

  it('is decoded or rejected, whatever its bytes', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (frame) => {
        try {
          decode(frame);
        } catch (error) {
          expect(error).to.be.instanceOf(FrameRejected);
        }
      }),
      { numRuns: 2_000 },
    );
  });

  it('does not reach the prototype of anything', () => {
    const value = decode(bytesOfHex('81 ab 636f6e7374727563746f72 81 a161 01')) as object;
    expect(Object.getPrototypeOf(value)).to.equal(Object.prototype);
    expect(value).to.deep.equal({ constructor: { a: 1 } });
    expect(({} as { a?: number }).a).to.equal(undefined);
  });

  it('may be as deep and as large as the limits it is given', () => {
    expect(() => decode(nested(0x91, 32))).to.not.throw();
    expect(() => decode(nested(0x91, 4), { depthMax: 3, valuesMax: 100 })).to.throw(FrameRejected);
    expect(() => decode(encode([1, 2, 3]), { depthMax: 3, valuesMax: 3 })).to.throw(FrameRejected);
    expect(decode(encode([1, 2, 3]), { depthMax: 3, valuesMax: 4 })).to.deep.equal([1, 2, 3]);
  });
});
