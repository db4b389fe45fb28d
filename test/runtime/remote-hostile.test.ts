/** What arrives on a node's subjects and is not what it should be: counted, and without effect. */

import { expect } from 'chai';

import { refOf } from '../../runtime/actor.ts';
import { encodeChunk } from '../../runtime/wire/chunk.ts';
import { encode } from '../../runtime/wire/codec.ts';
import { encodeEnvelope, type Envelope } from '../../runtime/wire/envelope.ts';
import { beatSubject, nodeSubject } from '../../runtime/wire/subjects.ts';
import { type TestNode, World } from './remote-world.ts';

describe('remoting', () => {
  let world: World;
  let a: TestNode;
  let b: TestNode;

  beforeEach(async () => {
    world = new World();
    a = world.node('a', 1);
    b = world.node('b', 3);
    await world.advance(500);
  });

  afterEach(() => world.close());

  const toB = (epoch = 3): ReturnType<typeof refOf> => refOf('b', epoch, '/actor');

  describe('hostile frames', () => {
    const good: Envelope = {
      version: 1,
      type: 'test.ask',
      toPath: '/actor',
      toEpoch: 0,
      fromNode: 'a',
      fromEpoch: 1,
      sentAtMs: 1,
      delivery: undefined,
      body: {},
    };
    const chunk = { fromNode: 'a', fromEpoch: 1, messageId: 1, index: 0 };
    const row = (...fields: unknown[]): Uint8Array => encode(fields);
    const frames: Record<string, Uint8Array> = {
      empty: new Uint8Array(),
      'random bytes': Uint8Array.of(0x13, 0x37, 0xc1, 0xff),
      'no array': encode({ type: 'test.ask' }),
      'an envelope of another version': encodeEnvelope({ ...good, version: 2 }),
      'a type that is no text': encodeEnvelope({ ...good, type: 7 as never }),
      'an infinite epoch': encodeEnvelope({ ...good, fromEpoch: Infinity }),
      'half an epoch': encodeEnvelope({ ...good, fromEpoch: 1.5 }),
      'a negative epoch': encodeEnvelope({ ...good, toEpoch: -1 }),
      'an infinite time': encodeEnvelope({ ...good, sentAtMs: -Infinity }),
      'a sender that is no name': encodeEnvelope({ ...good, fromNode: 'a b.>' }),
      'a sender that is the receiver': encodeEnvelope({ ...good, fromNode: 'b' }),
      'a body that is null': encodeEnvelope({ ...good, body: null }),
      'a body that is a list': encodeEnvelope({ ...good, body: [1] }),
      'a body that is a number': encodeEnvelope({ ...good, body: 3 }),
      'an unknown runtime message': encodeEnvelope({ ...good, toPath: '', type: 'runtime.format' }),
      'a watch of nothing': encodeEnvelope({ ...good, toPath: '', type: 'runtime.watch' }),
      'a watch of no address': encodeEnvelope({
        ...good,
        toPath: '',
        type: 'runtime.watch',
        body: { id: 1, target: { node: 7 } },
      }),
      'an end for no reason': encodeEnvelope({
        ...good,
        toPath: '',
        type: 'runtime.terminated',
        body: { id: 1, path: '/x', reason: 'boredom', detail: '' },
      }),
      'a chunk that claims everything': encodeChunk({
        ...chunk,
        partBytes: 2 ** 40,
        totalBytes: 2 ** 40,
        part: new Uint8Array(10),
      }),
      'a chunk beyond the end': encodeChunk({
        ...chunk,
        index: 9,
        partBytes: 4,
        totalBytes: 8,
        part: new Uint8Array(4),
      }),
      'a chunk of parts of no bytes': encodeChunk({
        ...chunk,
        partBytes: 0,
        totalBytes: 8,
        part: new Uint8Array(0),
      }),
      'a chunk with a nameless sender': encodeChunk({
        ...chunk,
        fromNode: '',
        partBytes: 4,
        totalBytes: 4,
        part: new Uint8Array(4),
      }),
      'a whole chunk of garbage': encodeChunk({
        ...chunk,
        partBytes: 4,
        totalBytes: 4,
        part: Uint8Array.of(0xc1, 0, 0, 0),
      }),
    };

    for (const [name, frame] of Object.entries(frames)) {
      it(`are one counted dead letter and nothing more: ${name}`, async () => {
        world.hub.publish(nodeSubject('b'), frame);
        await world.settle();
        expect(b.dead.countOf('undecodable')).to.equal(1);
        expect(b.supersededBy).to.deep.equal([]);
        a.remoting.send(toB(), { type: 'test.ask' });
        await world.settle();
        expect(b.host.messages).to.deep.equal([{ type: 'test.ask' }]);
      });
    }

    it('that claim too much memory are put aside, each chunk by itself', async () => {
      const part = new Uint8Array(1_000_000);
      const claim = { ...chunk, partBytes: 1_000_000, totalBytes: 65 * 2 ** 20, part };
      world.hub.publish(nodeSubject('b'), encodeChunk(claim));
      await world.settle();
      expect(b.dead.total).to.equal(0);
      expect(b.host.received).to.deep.equal([]);
    });

    it('on the beats are counted too', async () => {
      const beats = [
        row(),
        row(1, 'x y', 1, 'k', 1, 'i', false, 0),
        row(2, 'x', 1, 'k', 1, 'i', false, 0),
        row(1, 'x', -1, 'k', 1, 'i', false, 0),
        row(1, 'x', 1, 'k', Infinity, 'i', false, 0),
        row(1, 'x', 1, 'k', 1, 'i', 'no', 0),
        Uint8Array.of(0xc1),
      ];
      for (const beat of beats) world.hub.publish(beatSubject, beat);
      await world.settle();
      expect(b.dead.countOf('undecodable')).to.equal(beats.length);
      expect(b.events).to.deep.equal(['up a#1 beat']);
    });

    it('cannot turn a body into another type than its envelope says', async () => {
      const body = { type: 'test.evil', n: 1 };
      world.hub.publish(nodeSubject('b'), encodeEnvelope({ ...good, body }));
      await world.settle();
      expect(b.host.messages).to.deep.equal([{ type: 'test.ask', n: 1 }]);
    });
  });
});
