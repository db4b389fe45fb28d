/**
 * Remoting between nodes of one process, under a manual clock: messages, budgets, epochs, chunks.
 * Who is up is in `remote-nodes.test.ts`, watching in `remote-watches.test.ts`, hostile frames in
 * `remote-hostile.test.ts`.
 */

import { expect } from 'chai';

import { refOf } from '../../runtime/actor.ts';
import { plainDelivery } from '../../runtime/wire/envelope.ts';
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

    it('whose body its decoder rejects or fails on are dead letters', async () => {
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
    it('0 reaches whatever life the node has; a past one is a dead letter', async () => {
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

    it('tell one that has not joined that its name is taken, unless by a goodbye', async () => {
      const newcomer = world.node('b', 0);
      await world.advance(300);
      expect(newcomer.supersededBy).to.deep.equal([3]);
      expect(b.supersededBy).to.deep.equal([]);
      const heir = world.node('a', 0);
      a.remoting.stop();
      await world.advance(1_000);
      expect(heir.supersededBy).to.deep.equal([]);
    });

    it('let a node not joined yet ask and be answered, though its name is known dead', async () => {
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

  describe('what is over the limit of a message', () => {
    const payload = new Uint8Array(100_001);

    it('is refused where it is sent, to whoever waits, and is no dead letter', async () => {
      expect(a.remoting.send(toB(), { type: 'test.ask', payload })).to.equal(undefined);
      await world.settle();
      expect(b.host.received).to.deep.equal([]);
      const message = { type: 'test.too-large', over: true };
      expect(a.host.told).to.deep.equal([{ to: toB(), message }]);
    });

    it('is a dead letter where nobody waits', () => {
      expect(a.remoting.send(toB(), { type: 'test.tell', payload })).to.equal('too-large');
      expect(a.host.told).to.deep.equal([]);
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
