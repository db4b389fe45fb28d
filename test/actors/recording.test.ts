/** What of messages is recorded. */

import { expect } from 'chai';
import fc from 'fast-check';

import { recordable, revived, toldOf } from '../../actors/recording/recordable.ts';
import { passedOn } from '../../actors/recording/entries.ts';
import { refOf } from '../../runtime/actor.ts';
import { createRecordDecoder, createRecordEncoder } from '../../runtime/wire/record-codec.ts';
import { tensorOf } from '../../runtime/wire/tensors.ts';

const large = tensorOf('FP32', [1, 100], new Float32Array(100).fill(7));
const small = tensorOf('INT64', [], new BigInt64Array([16_000n]));

describe('what is recorded of a message', () => {
  it('keeps datatype, shape and size of a large tensor, and all of a small one', () => {
    const message = { type: 'worker.run-query', queryId: 'q', inputs: { large, small } };
    const played = revived(recordable(message)) as typeof message;
    expect(played.inputs.small).to.deep.equal(small);
    expect(played.inputs.large).to.include({ datatype: 'FP32' });
    expect(played.inputs.large.data).to.deep.equal(new Uint8Array(400));
  });

  it('leaves the message itself as it is', () => {
    const message = { type: 'engine.run-batch', queries: [{ inputs: { large } }] };
    recordable(message);
    expect(message.queries[0]?.inputs.large).to.equal(large);
  });

  it('is nothing of accounts, and a word of what is passed on', () => {
    const to = refOf('n', 1, '/a');
    const taken = { type: 'worker.run-query', inputs: {} };
    const account = { type: 'monitor.instance-observed' };
    const told = toldOf(
      [
        [to, account],
        [to, taken],
        [to, { type: 'instance.drain' }],
      ],
      taken,
    );
    expect(told).to.deep.equal([
      ['n', '/a', passedOn],
      ['n', '/a', { type: 'instance.drain' }],
    ]);
  });
});

describe('the codec of recordings', () => {
  it('gives back any values in the order in which they were written, in blocks of any size', () => {
    const value = fc.object({
      values: [
        fc.string(),
        fc.double().map((number) => (number === 0 ? 0 : number)),
        fc.integer(),
        fc.constant(undefined),
        fc.constant(null),
      ],
      key: fc.string().filter((key) => key !== '__proto__'),
      maxDepth: 3,
    });
    fc.assert(
      fc.property(fc.array(value, { maxLength: 60 }), fc.integer({ min: 1, max: 9 }), (all, of) => {
        const encoder = createRecordEncoder();
        const decoder = createRecordDecoder();
        const encoded = all.map((each) => Uint8Array.from(encoder.encode(each)));
        const decoded: unknown[] = [];
        for (let at = 0; at < encoded.length; at += of) {
          const block = Buffer.concat(encoded.slice(at, at + of));
          decoded.push(...decoder.decode(new Uint8Array(block)));
        }
        expect(decoded).to.deep.equal(all);
      }),
    );
  });
});
