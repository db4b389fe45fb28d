/** The codec: golden bytes that must never change, round trips, and what bytes become. */

import { expect } from 'chai';
import fc from 'fast-check';

import { LocalRef } from '../../../runtime/local-ref.ts';
import { decode, encode } from '../../../runtime/wire/codec.ts';
import { tensorOf } from '../../../runtime/wire/tensors.ts';
import { bytesOfHex, hexOf, joined } from './samples.ts';

/** Anything plain; -0 is left out, since msgpack's integers have none. */
const plain = fc.letrec<{ value: unknown }>((tie) => ({
  value: fc.oneof(
    { depthSize: 'small', withCrossShrink: true },
    fc.constant(null),
    fc.boolean(),
    fc.double({ noNaN: true }).filter((value) => !Object.is(value, -0)),
    fc.integer(),
    fc.maxSafeInteger(),
    fc.bigInt({ min: 2n ** 53n, max: 2n ** 64n - 1n }),
    fc.bigInt({ min: -(2n ** 63n), max: -(2n ** 53n) }),
    fc.string({ unit: 'grapheme', maxLength: 300 }),
    fc.uint8Array({ maxLength: 300 }),
    fc.array(tie('value'), { maxLength: 20 }),
    fc.dictionary(
      fc.string().filter((key) => key !== '__proto__'),
      tie('value'),
      { maxKeys: 20, noNullPrototype: true },
    ),
  ),
})).value;

describe('the codec', () => {
  it('writes a tensor message as these bytes', () => {
    const image = tensorOf('FP32', [1, 2], Float32Array.of(1, -0.5));
    const frame = encode({ type: 'instance.run', inputs: { image } });
    expect(hexOf(frame)).to.equal(
      '82a474797065ac696e7374616e63652e72756ea6696e7075747381a5696d61676583a86461746174797065' +
        'a446503332a57368617065920102a464617461c4080000803f000000bf',
    );
    expect(decode(frame)).to.deep.equal({ type: 'instance.run', inputs: { image } });
  });

  it('gives back every plain value', () => {
    fc.assert(
      fc.property(plain, (value) => {
        expect(decode(encode(value))).to.deep.equal(value);
      }),
      { numRuns: 400 },
    );
  });

  it('gives back a value wherever its frame lies in a buffer', () => {
    fc.assert(
      fc.property(plain, fc.nat(16), (value, offset) => {
        const frame = encode(value);
        const shifted = joined(new Uint8Array(offset), frame, Uint8Array.of(0xc1));
        const view = shifted.subarray(offset, offset + frame.length);
        expect(decode(view)).to.deep.equal(value);
        expect(decode(Buffer.from(view))).to.deep.equal(value);
      }),
      { numRuns: 100 },
    );
  });

  const views: ArrayBufferView[] = [
    Uint8Array.of(1, 2),
    Uint8ClampedArray.of(1, 2),
    Int8Array.of(-1),
    Uint16Array.of(0x0201),
    Int16Array.of(-2),
    Uint32Array.of(0x04030201),
    Int32Array.of(-3),
    Float32Array.of(1, -0.5),
    Float64Array.of(1),
    BigUint64Array.of(5n),
    BigInt64Array.of(-5n),
    new DataView(Uint8Array.of(7, 8, 9).buffer, 1),
    Buffer.from([3, 4]),
    new Float32Array(100_000).fill(0.25).subarray(3),
  ];
  for (const view of views) {
    it(`writes the bytes of a ${view.constructor.name} of ${String(view.byteLength)}`, () => {
      const bytes = new Uint8Array(view.buffer, view.byteOffset, view.byteLength).slice();
      const decoded = decode(encode({ view })) as { view: Uint8Array };
      expect(decoded.view.constructor).to.equal(Uint8Array);
      expect(decoded.view).to.deep.equal(bytes);
    });
  }

  it('gives bytes as a view of the frame, without copying', () => {
    const frame = encode({ data: new Uint8Array(5_000).fill(7) });
    const { data } = decode(frame) as { data: Uint8Array };
    expect(data.buffer).to.equal(frame.buffer);
    const received = Buffer.from(frame);
    const again = (decode(received) as { data: Uint8Array }).data;
    expect([again.constructor, again.buffer]).to.deep.equal([Uint8Array, received.buffer]);
  });

  it('does not write over a frame it gave out before', () => {
    const first = encode({ n: 1 });
    const before = hexOf(first);
    for (let n = 0; n < 5_000; n += 1) encode({ n, data: new Uint8Array(100).fill(255) });
    expect(hexOf(first)).to.equal(before);
  });

  it('writes an actor ref as plain data', () => {
    const ref = new LocalRef('n', 1, '/p', undefined as never);
    expect(decode(encode({ replyTo: ref }))).to.deep.equal({
      replyTo: { node: 'n', epoch: 1, path: '/p' },
    });
  });

  it('reads numbers of every width, whoever wrote them', () => {
    const numbers: Record<string, unknown> = {
      '00': 0,
      '7f': 127,
      ff: -1,
      e0: -32,
      'cc ff': 255,
      'cd ffff': 65_535,
      'ce ffffffff': 4_294_967_295,
      'cf 0000000000000001': 1n,
      'cf ffffffffffffffff': 2n ** 64n - 1n,
      'd0 80': -128,
      'd1 8000': -32_768,
      'd2 80000000': -2_147_483_648,
      'd3 ffffffffffffffff': -1n,
      'ca 3f000000': 0.5,
      'cb 3fe0000000000000': 0.5,
    };
    for (const [hex, value] of Object.entries(numbers)) {
      expect(decode(bytesOfHex(hex)), hex).to.equal(value);
    }
  });

  it('throws on what has no plain form', () => {
    expect(() => encode(Symbol('no'))).to.throw();
    expect(() => encode(2n ** 64n)).to.throw(RangeError);
  });
});
