/**
 * Who is up and who is down: nodes that leave, vanish, hang, come back, and nodes that are cut off.
 */

import { expect } from 'chai';

import { refOf } from '../../runtime/actor.ts';
import { type TestNode, World } from './remote-world.ts';

describe('remoting and its nodes', () => {
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

    it('that stand still for 5 s know it, and are up again under the same epoch', async () => {
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

    it('tells after a re-join that what was sent to its former life may be lost', async () => {
      a.remoting.setEpoch(2);
      await world.settle();
      expect(a.losses).to.deep.equal([undefined]);
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
});
