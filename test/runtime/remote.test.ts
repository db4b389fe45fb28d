/**
 * Remoting between nodes of one process, under a manual clock: messages, epochs, who is up, what a
 * cut loses, and hostile frames. Watching across nodes is in `remote-watches.test.ts`.
 */

import { expect } from 'chai';

import { refOf } from '../../runtime/actor.ts';
import { encode } from '../../runtime/wire/codec.ts';
import { encodeChunk } from '../../runtime/wire/chunk.ts';
import { encodeEnvelope, type Envelope, plainDelivery } from '../../runtime/wire/envelope.ts';
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

  describe('messages', () => {
    it('arrive with their type, fields, refs and bytes', async () => {
      const bytes = Uint8Array.of(1, 2, 3);
      const replyTo = { node: 'a', epoch: 1, path: '/me' };
      const message = { type: 'test.ask', count: 7, replyTo, bytes, nested: [{ x: null }] };
      expect(a.remoting.send(toB(), message)).to.equal(undefined);
      await world.settle();
      expect(b.host.received).to.deep.equal([{ path: '/actor', message }]);
    });

    it('arrive in order, and only at the node they are for', async () => {
      const c = world.node('c', 1);
      for (let n = 0; n < 50; n += 1) a.remoting.send(toB(), { type: 'test.count', n });
      await world.settle();
      expect(b.host.messages).to.deep.equal(
        Array.from({ length: 50 }, (_, n) => ({ n, type: 'test.count' })),
      );
      expect(c.host.received).to.deep.equal([]);
    });

    it('carry their delivery in the envelope and get it back', async () => {
      const delivery = { ...plainDelivery, attempt: 2, budgetMs: 80, tenant: 't', trace: '00-1' };
      a.remoting.send(toB(), { type: 'test.ask', delivery });
      a.remoting.send(toB(), { type: 'test.ask', delivery: plainDelivery });
      a.remoting.send(toB(), { type: 'test.ask' });
      await world.settle();
      expect(b.host.messages).to.deep.equal([
        { type: 'test.ask', delivery },
        { type: 'test.ask', delivery: plainDelivery },
        { type: 'test.ask' },
      ]);
    });

    it('to the node itself are delivered without the bus', () => {
      a.remoting.send(refOf('a', 1, '/self'), { type: 'test.ask' });
      expect(a.host.received).to.deep.equal([{ path: '/self', message: { type: 'test.ask' } }]);
      expect(a.remoting.send(refOf('a', 9, '/self'), { type: 'test.ask' })).to.equal('stale-epoch');
    });

    it('that cannot be encoded, or have no type, are refused and cost nothing else', async () => {
      expect(a.remoting.send(toB(), { no: 'type' })).to.equal('undecodable');
      const circular: Record<string, unknown> = { type: 'test.ask' };
      circular['self'] = circular;
      expect(a.remoting.send(toB(), circular)).to.equal('undecodable');
      expect(a.remoting.send(toB(), { type: 'test.ask' })).to.equal(undefined);
      await world.settle();
      expect(b.host.received.length).to.equal(1);
    });

    it('whose body its decoder rejects are dead letters, and so are those it fails on', async () => {
      a.remoting.send(toB(), { type: 'test.evil' });
      a.remoting.send(toB(), { type: 'test.bug' });
      a.remoting.send(toB(), { type: 'test.ask' });
      await world.settle();
      expect(b.dead.countOf('undecodable')).to.equal(2);
      expect(b.host.received.length).to.equal(1);
    });
  });

  describe('the budget', () => {
    const budgetOf = (index: number): number =>
      (b.host.messages[index] as { delivery: { budgetMs: number } }).delivery.budgetMs;
    const delivery = { ...plainDelivery, budgetMs: 100 };

    it('is reduced by what a stall on the way added, though the clocks differ', async () => {
      a.remoting.send(toB(), { type: 'test.ask', delivery });
      await world.settle();
      b.freeze();
      a.remoting.send(toB(), { type: 'test.ask', delivery });
      await world.advance(40);
      b.thaw();
      await world.settle();
      expect([budgetOf(0), budgetOf(1)]).to.deep.equal([100, 60]);
    });

    it('does not fall below nothing, and an endless one stays endless', async () => {
      b.freeze();
      a.remoting.send(toB(), { type: 'test.ask', delivery });
      a.remoting.send(toB(), { type: 'test.ask', delivery: plainDelivery });
      await world.advance(300);
      b.thaw();
      await world.settle();
      expect([budgetOf(0), budgetOf(1)]).to.deep.equal([0, Infinity]);
    });

    it('of a node that has not joined is left alone: its clock is not known', async () => {
      const c = world.node('c', 0);
      b.freeze();
      c.remoting.send(toB(), { type: 'test.join', delivery });
      await world.advance(40);
      b.thaw();
      await world.settle();
      expect(budgetOf(0)).to.equal(100);
    });
  });

  describe('epochs', () => {
    it('0 reaches whatever life the node has; another than the present one is a dead letter', async () => {
      a.remoting.send(toB(0), { type: 'test.ask' });
      a.remoting.send(toB(4), { type: 'test.ask' });
      expect(a.remoting.send(toB(2), { type: 'test.ask' })).to.equal('stale-epoch');
      await world.settle();
      expect(b.host.received.length).to.equal(1);
      expect(b.dead.countOf('stale-epoch')).to.equal(1);
    });

    it('that are over are dropped on arrival: a reply from an earlier life', async () => {
      const heir = world.node('b', 4);
      await world.settle();
      b.remoting.send(refOf('a', 1, '/me'), { type: 'test.reply' });
      await world.settle();
      expect(a.host.received).to.deep.equal([]);
      expect(a.dead.countOf('stale-epoch')).to.equal(1);
      heir.remoting.send(refOf('a', 1, '/me'), { type: 'test.reply' });
      await world.settle();
      expect(a.host.received.length).to.equal(1);
    });

    it('show a node that it was replaced, once', async () => {
      world.node('b', 4);
      await world.advance(1_000);
      expect(b.supersededBy).to.deep.equal([4]);
    });

    it('let a node that has not joined yet ask and be answered, though its name is known dead', async () => {
      b.crash();
      await world.advance(1_500);
      const heir = world.node('b', 0);
      heir.remoting.send(refOf('a', 0, '/controller'), { type: 'test.join' });
      await world.settle();
      expect(a.host.messages).to.deep.equal([{ type: 'test.join' }]);
      expect(a.remoting.send(refOf('b', 0, '/me'), { type: 'test.granted' })).to.equal(undefined);
      await world.settle();
      expect(heir.host.messages).to.deep.equal([{ type: 'test.granted' }]);
      expect(heir.supersededBy).to.deep.equal([]);
    });
  });

  describe('nodes', () => {
    it('are up from their first beat, in view of each other', () => {
      expect(a.events).to.deep.equal(['up b#3 beat']);
      expect(b.events).to.deep.equal(['up a#1 beat']);
      expect(a.remoting.nodes()).to.have.length(1);
      expect(a.remoting.nodes()[0]).to.include({ node: 'b', epoch: 3, kind: 'test', up: true });
    });

    it('that say goodbye are down at once', async () => {
      b.remoting.stop();
      await world.settle();
      expect(a.events).to.deep.equal(['up b#3 beat', 'down b#3 left']);
      expect(a.remoting.send(toB(), { type: 'test.ask' })).to.equal('node-unreachable');
      expect(b.clock.waiting).to.equal(0);
    });

    it('that vanish are down as soon as somebody talks to them', async () => {
      b.crash();
      expect(a.remoting.send(toB(), { type: 'test.ask' })).to.equal(undefined);
      await world.settle();
      expect(a.events.at(-1)).to.equal('down b#3 no-responders');
      expect(a.dead.countOf('node-unreachable')).to.equal(1);
      expect(a.remoting.send(toB(), { type: 'test.ask' })).to.equal('node-unreachable');
    });

    it('that hang are down after three missed beats, and not before', async () => {
      b.freeze();
      await world.advance(500);
      expect(a.events).to.deep.equal(['up b#3 beat']);
      await world.advance(800);
      expect(a.events).to.deep.equal(['up b#3 beat', 'down b#3 silent']);
    });

    it('that their parent saw exit are down for everybody', async () => {
      const c = world.node('c', 1);
      await world.advance(300);
      b.crash();
      a.remoting.declareDown('b', 3);
      await world.settle();
      expect(a.events.at(-1)).to.equal('down b#3 declared');
      expect(c.events.at(-1)).to.equal('down b#3 declared');
    });

    it('that come back under a higher epoch were down before', async () => {
      b.crash();
      world.node('b', 4);
      await world.settle();
      expect(a.events).to.deep.equal(['up b#3 beat', 'down b#3 superseded', 'up b#4 beat']);
      expect(a.remoting.send(toB(3), { type: 'test.ask' })).to.equal('stale-epoch');
      expect(a.remoting.send(toB(4), { type: 'test.ask' })).to.equal(undefined);
    });

    it('that stand still for 5 s and go on know it, and are up again under the same epoch', async () => {
      b.freeze();
      await world.advance(5_000);
      expect(a.events.at(-1)).to.equal('down b#3 silent');
      b.thaw();
      await world.settle();
      expect(b.stalledMs).to.have.length(1);
      expect(b.stalledMs[0]).to.be.within(4_750, 5_250);
      expect(b.events).to.deep.equal(['up a#1 beat']);
      await world.advance(250);
      expect(a.events.at(-1)).to.equal('up b#3 beat');
    });

    it('that stood still and joined again are a new life', async () => {
      b.freeze();
      await world.advance(5_000);
      b.thaw();
      b.remoting.setEpoch(4);
      await world.settle();
      const [, down, up] = a.events;
      expect([down, up]).to.deep.equal(['down b#3 silent', 'up b#4 beat']);
      a.remoting.send(toB(4), { type: 'test.ask' });
      await world.settle();
      expect(b.host.received.length).to.equal(1);
    });

    it('are remembered only up to a limit, whatever names are made up', async () => {
      for (let n = 0; n < 5_000; n += 1)
        a.remoting.send(refOf(`x${String(n)}`, 0, '/'), { type: 't' });
      expect(a.remoting.nodes().length).to.be.lessThan(4_200);
      await world.advance(50);
      expect(a.remoting.nodes().length).to.equal(1);
      expect(a.remoting.send(refOf('not a\r\nname', 0, '/'), { type: 't' })).to.equal(
        'node-unreachable',
      );
    });
  });

  describe('while this node is cut off', () => {
    it('refuses what is sent, and says so', async () => {
      a.bus.disconnect();
      expect(a.remoting.send(toB(), { type: 'test.ask' })).to.equal('bus-refused');
      a.bus.reconnect();
      expect(a.remoting.send(toB(), { type: 'test.ask' })).to.equal(undefined);
      await world.settle();
      expect(b.host.received.length).to.equal(1);
    });

    it('does not take the others for dead, however long it lasts', async () => {
      a.bus.disconnect();
      await world.advance(5_000);
      expect(a.events).to.deep.equal(['up b#3 beat']);
      a.bus.reconnect();
      await world.advance(2_000);
      expect(a.events).to.deep.equal(['up b#3 beat']);
      expect(b.events).to.deep.equal(['up a#1 beat', 'down a#1 silent', 'up a#1 beat']);
    });

    it('judges nobody either when the bus hangs without saying so', async () => {
      a.bus.hold();
      await world.advance(5_000);
      expect(a.events).to.deep.equal(['up b#3 beat']);
      a.bus.release();
      await world.advance(1_000);
      expect(a.events).to.deep.equal(['up b#3 beat']);
    });

    it('counts silence anew afterwards, so that one that died meanwhile is found out', async () => {
      a.bus.disconnect();
      b.freeze();
      await world.advance(2_000);
      a.bus.reconnect();
      await world.advance(500);
      expect(a.events).to.deep.equal(['up b#3 beat']);
      await world.advance(800);
      expect(a.events.at(-1)).to.equal('down b#3 silent');
    });

    it('tells on return that messages may be lost, and the others tell it too', async () => {
      a.bus.disconnect();
      await world.advance(100);
      expect(a.losses).to.deep.equal([]);
      a.bus.reconnect();
      await world.settle();
      expect(a.losses).to.deep.equal([undefined]);
      expect(b.losses).to.deep.equal(['a']);
    });

    it('does not take one that is slower to reconnect for dead', async () => {
      a.bus.disconnect();
      b.bus.disconnect();
      await world.advance(50);
      a.bus.reconnect();
      a.remoting.send(toB(), { type: 'test.ask' });
      await world.advance(50);
      expect(a.dead.countOf('node-unreachable')).to.equal(1);
      b.bus.reconnect();
      await world.settle();
      expect(a.events).to.deep.equal(['up b#3 beat']);
      expect(a.losses).to.deep.equal([undefined, 'b']);
    });
  });

  describe('chunks', () => {
    const large = { type: 'test.large', bytes: new Uint8Array(10_000).map((_, n) => n % 251) };

    it('carry a message larger than the bus takes', async () => {
      a.bus.payloadMax = 1_000;
      expect(a.remoting.send(toB(), large)).to.equal(undefined);
      a.remoting.send(toB(), { type: 'test.small' });
      await world.settle();
      expect(b.host.messages).to.deep.equal([large, { type: 'test.small' }]);
    });

    it('that are missing cost their message alone', async () => {
      a.bus.payloadMax = 1_000;
      const { publish } = a.bus;
      let count = 0;
      a.bus.publish = (...args) => {
        count += 1;
        return count === 5 ? undefined : publish.apply(a.bus, args);
      };
      a.remoting.send(toB(), large);
      await world.settle();
      expect(b.host.messages).to.deep.equal([]);
      a.remoting.send(toB(), large);
      await world.advance(6_000);
      expect(b.host.messages).to.deep.equal([large]);
    });

    it('end with a refusal when the bus is lost in between', () => {
      a.bus.payloadMax = 1_000;
      const { publish } = a.bus;
      let count = 0;
      a.bus.publish = (...args) => {
        count += 1;
        if (count === 5) a.bus.disconnect();
        return publish.apply(a.bus, args);
      };
      expect(a.remoting.send(toB(), large)).to.equal('bus-refused');
      expect(count).to.equal(5);
    });
  });

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

  it('a stopped node sends, hears and schedules nothing', async () => {
    a.remoting.stop();
    a.remoting.stop();
    expect(a.remoting.send(toB(), { type: 'test.ask' })).to.equal('bus-refused');
    b.remoting.send(refOf('a', 0, '/me'), { type: 'test.ask' });
    await world.advance(1_000);
    expect(a.host.received).to.deep.equal([]);
    expect(a.clock.waiting).to.equal(0);
  });
});
