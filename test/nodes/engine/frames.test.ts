/** Frames survive any cut of the stream, keep their alignment, and have a limit. */

import { expect } from 'chai';
import fc from 'fast-check';

import { encodeFrame, FrameBody, FrameReader } from '../../../nodes/engine/frames.ts';
import { FrameRejected } from '../../../runtime/errors.ts';
import { decode } from '../../../runtime/wire/codec.ts';

const frameBytesMax = 1024 * 1024;

interface Sample {
  readonly head: unknown;
  readonly tensors: readonly Uint8Array[];
}

const samples = fc.array(
  fc.record({
    head: fc.array(fc.nat(), { maxLength: 20 }),
    tensors: fc.array(
      fc.oneof(
        fc.uint8Array({ maxLength: 40 }),
        fc.nat({ max: 40_000 }).map((size) => new Uint8Array(size).fill(size)),
      ),
      { maxLength: 4 },
    ),
  }),
  { minLength: 1, maxLength: 4 },
);

function encodeSample({ head, tensors }: Sample): Uint8Array {
  const body = new FrameBody();
  for (const tensor of tensors) body.addTensor([tensor]);
  return Buffer.concat(encodeFrame(head, body, frameBytesMax));
}

/** Reads the tensors back, each from where the padding of those before it says. */
function tensorsOf(body: Uint8Array, lengths: readonly number[]): Buffer[] {
  let at = 0;
  return lengths.map((length) => {
    const tensor = Buffer.from(body.subarray(at, at + length));
    at += Math.ceil(length / 8) * 8;
    return tensor;
  });
}

describe('frames on a lane’s socket', () => {
  for (const keepChunks of [true, false]) {
    it(`come out as they went in, however cut, ${keepChunks ? 'as views' : 'copied'}`, () => {
      fc.assert(
        fc.property(
          samples,
          fc.infiniteStream(fc.integer({ min: 1, max: 9_000 })),
          (sent, cuts) => {
            const stream = Buffer.concat(sent.map(encodeSample));
            const seen: unknown[] = [];
            const reader = new FrameReader({
              frameBytesMax,
              keepChunks,
              onFrame: (head, body) => {
                const lengths = (sent[seen.length]?.tensors ?? []).map(({ length }) => length);
                seen.push({ head: decode(head), tensors: tensorsOf(body, lengths) });
                if (!keepChunks) expect(body.byteOffset % 8).to.equal(0);
              },
            });
            for (let at = 0; at < stream.length;) {
              const { value } = cuts.next() as IteratorYieldResult<number>;
              reader.push(new Uint8Array(stream.subarray(at, at + value)));
              at += value;
            }
            const wanted = sent.map(({ head, tensors }) => ({
              head,
              tensors: tensors.map((tensor) => Buffer.from(tensor)),
            }));
            expect(seen).to.deep.equal(wanted);
          },
        ),
        { numRuns: 60 },
      );
    });
  }

  it('may be read right into place once begun', () => {
    const stream = encodeSample({ head: [1], tensors: [new Uint8Array(5_000).fill(7)] });
    let read: Uint8Array | undefined;
    const reader = new FrameReader({
      frameBytesMax,
      keepChunks: false,
      onFrame: (_, body) => (read = body),
    });
    expect(reader.rest()).to.equal(undefined);
    reader.push(stream.subarray(0, 100));
    const rest = reader.rest();
    expect(rest?.byteLength).to.equal(stream.length - 100);
    rest?.set(stream.subarray(100));
    reader.advance(stream.length - 100);
    expect(Buffer.compare(read ?? Buffer.of(), Buffer.alloc(5_000, 7))).to.equal(0);
  });

  it('larger than the limit are neither written nor read', () => {
    const body = new FrameBody();
    body.addTensor([new Uint8Array(2_000)]);
    expect(() => encodeFrame([], body, 1_000)).to.throw(FrameRejected, /limit is 1000/);
    const frame = Buffer.concat(encodeFrame([], body, frameBytesMax));
    const reader = new FrameReader({
      frameBytesMax: 1_000,
      keepChunks: true,
      onFrame: () => expect.fail('it was read'),
    });
    expect(() => {
      reader.push(frame);
    }).to.throw(FrameRejected, /limit is 1000/);
  });
});
