/** Envelopes, beats and chunks: golden bytes, round trips, and what is none of them. */

import { expect } from 'chai';
import fc from 'fast-check';

import { FrameRejected } from '../../../runtime/errors.ts';
import { type Beat, decodeBeat, encodeBeat } from '../../../runtime/wire/beat.ts';
import { type Chunk, decodeChunk, encodeChunk, isChunkFrame } from '../../../runtime/wire/chunk.ts';
import { encode } from '../../../runtime/wire/codec.ts';
import {
  decodeEnvelope,
  encodeEnvelope,
  type Envelope,
  plainDelivery,
} from '../../../runtime/wire/envelope.ts';
import { hexOf } from './samples.ts';

const sample: Envelope = {
  version: 1,
  type: 'worker.execute',
  toPath: '/worker/i-3',
  toEpoch: 4,
  fromNode: 'gw-1',
  fromEpoch: 2,
  sentAtMs: 1234.5,
  delivery: {
    attempt: 2,
    budgetMs: 250,
    priority: 5,
    tenant: 'acme',
    trace: '00-ab-cd-01',
    final: true,
  },
  body: { queryId: 'q1' },
};

describe('an envelope', () => {
  it('is written as these bytes', () => {
    expect(hexOf(encodeEnvelope(sample))).to.equal(
      '9f01ae776f726b65722e65786563757465ab2f776f726b65722f692d3304a467772d3102cb40934a0000000000' +
        '02ccfa05a461636d65ab30302d61622d63642d3031c3c381a771756572794964a27131',
    );
    const least = { ...sample, type: 'a.b', toPath: '/', toEpoch: 0, fromNode: 'n', fromEpoch: 0 };
    expect(
      hexOf(encodeEnvelope({ ...least, sentAtMs: 0, delivery: undefined, body: null })),
    ).to.equal('9f01a3612e62a12f00a16e000001c000a0c0c3c2c0');
  });

  it('comes back as it was', () => {
    const text = fc.string({ maxLength: 40 });
    const delivery = fc.record(
      {
        attempt: fc.nat(9),
        budgetMs: fc.oneof(fc.constant(Infinity), fc.double({ min: 1, max: 1e6, noNaN: true })),
        priority: fc.nat(9),
        tenant: text,
        trace: text,
        final: fc.boolean(),
      },
      {
        requiredKeys: ['attempt', 'budgetMs', 'priority', 'tenant', 'final'],
        noNullPrototype: true,
      },
    );
    const envelope = fc.record(
      {
        version: fc.constant(1),
        type: text,
        toPath: text,
        toEpoch: fc.nat(),
        fromNode: text,
        fromEpoch: fc.nat(),
        sentAtMs: fc.double({ min: 1, max: 1e12, noNaN: true }),
        delivery: fc.option(delivery, { nil: undefined }),
        body: fc.constant({ a: [1, 'x', null] }),
      },
      { noNullPrototype: true },
    );
    fc.assert(
      fc.property(envelope, (value) => {
        expect(decodeEnvelope(encodeEnvelope(value))).to.deep.equal(value);
      }),
      { numRuns: 300 },
    );
  });

  it('of a newer peer, with more fields, is read all the same', () => {
    const { version, type, toPath, toEpoch, fromNode, fromEpoch, sentAtMs, body } = sample;
    const head = [version, type, toPath, toEpoch, fromNode, fromEpoch, sentAtMs];
    const row = [...head, 1, null, 0, '', null, true, true, body, 'something new'];
    expect(decodeEnvelope(encode(row))).to.deep.equal({ ...sample, delivery: plainDelivery });
  });

  const fields = [1, 't', '/p', 0, 'n', 1, 5, 1, null, 0, '', null, true, true, {}];
  const wrong: [name: string, index: number, value: unknown][] = [
    ['an older version', 0, 0],
    ['a newer version', 0, 2],
    ['a version in words', 0, '1'],
    ['no type', 1, null],
    ['no path', 2, 7],
    ['no epoch to go to', 3, 'x'],
    ['a sender in numbers', 4, 1],
    ['an epoch that is no number', 5, Number.NaN],
    ['a bigint for a time', 6, 2n ** 60n],
    ['an attempt in words', 7, 'one'],
    ['a budget in words', 8, 'much'],
    ['a priority of nothing', 9, null],
    ['a tenant that is a map', 10, {}],
  ];
  for (const [name, index, value] of wrong) {
    it(`is rejected with ${name}`, () => {
      expect(() => decodeEnvelope(encode(fields))).to.not.throw();
      const row = fields.map((field, at) => (at === index ? value : field));
      expect(() => decodeEnvelope(encode(row))).to.throw(FrameRejected);
    });
  }

  it('is rejected when it is too short, or no list', () => {
    expect(() => decodeEnvelope(encode(fields.slice(0, 14)))).to.throw(FrameRejected);
    expect(() => decodeEnvelope(encode(Object.assign({}, fields)))).to.throw(FrameRejected);
    expect(() => decodeEnvelope(encode('envelope'))).to.throw(FrameRejected);
  });
});

describe('a beat', () => {
  const beat: Beat = {
    node: 'w-1',
    epoch: 3,
    kind: 'worker',
    sentAtMs: 0.5,
    incarnation: 'i',
    leaving: false,
    cuts: 1,
  };

  it('is written as these bytes, and comes back', () => {
    const frame = encodeBeat(beat);
    expect(hexOf(frame)).to.equal('9801a3772d3103a6776f726b6572cb3fe0000000000000a169c201');
    expect(decodeBeat(frame)).to.deep.equal(beat);
  });

  const wrong: Record<string, unknown>[] = [
    { node: 'a.b' },
    { node: '' },
    { node: 'x'.repeat(65) },
    { epoch: -1 },
    { epoch: 0.5 },
    { epoch: 2n ** 60n },
    { kind: 1 },
    { sentAtMs: Infinity },
    { incarnation: null },
    { leaving: 0 },
    { cuts: 'none' },
  ];
  for (const change of wrong) {
    const [[name, value] = ['', '']] = Object.entries(change);
    it(`is rejected with the ${name} ${String(value).slice(0, 20)}`, () => {
      const frame = encodeBeat({ ...beat, ...change });
      expect(() => decodeBeat(frame)).to.throw(FrameRejected);
    });
  }
});

describe('a chunk', () => {
  const chunk: Chunk = {
    fromNode: 'w-1',
    fromEpoch: 3,
    messageId: 9,
    index: 1,
    partBytes: 4,
    totalBytes: 6,
    part: Uint8Array.of(1, 2),
  };

  it('is written as these bytes, and comes back', () => {
    const frame = encodeChunk(chunk);
    expect(hexOf(frame)).to.equal('9801a3772d310309010406c4020102');
    expect(decodeChunk(frame)).to.deep.equal(chunk);
  });

  it('is told from an envelope by its first byte', () => {
    expect(isChunkFrame(encodeChunk(chunk))).to.equal(true);
    expect(isChunkFrame(encodeEnvelope(sample))).to.equal(false);
    expect(isChunkFrame(new Uint8Array())).to.equal(false);
  });

  const wrong: Partial<Record<keyof Chunk, unknown>>[] = [
    { fromNode: 'a b' },
    { fromEpoch: -1 },
    { messageId: 1.5 },
    { index: 2 },
    { index: 0 },
    { partBytes: 0 },
    { totalBytes: 4 },
    { totalBytes: 7 },
    { part: Uint8Array.of(1, 2, 3) },
    { part: 'text' },
    { part: null },
  ];
  for (const change of wrong) {
    const [[name, value] = ['', '']] = Object.entries(change);
    it(`is rejected with the ${name} ${String(value)}`, () => {
      const frame = encodeChunk({ ...chunk, ...change } as Chunk);
      expect(() => decodeChunk(frame)).to.throw(FrameRejected);
    });
  }
});
