/** Watching actors of other nodes: each watch is told once, whatever is lost on the way. */

import { expect } from 'chai';

import type { Address } from '../../runtime/actor.ts';
import { encodeEnvelope } from '../../runtime/wire/envelope.ts';
import { nodeSubject } from '../../runtime/wire/subjects.ts';
import { type TestNode, World } from './remote-world.ts';

describe('watching across nodes', () => {
  let world: World;
  let a: TestNode;
  let b: TestNode;
  let target: Address;

  beforeEach(async () => {
    world = new World();
    a = world.node('a', 1);
    b = world.node('b', 3);
    b.host.actors.add('/target');
    target = b.address('/target');
    await world.advance(500);
  });

  afterEach(() => world.close());

  const told = (): string[] => a.terminated.map(({ reason, detail }) => `${reason}: ${detail}`);

  it('tells how the target ended, and at which address it was watched', async () => {
    a.watch(target);
    await world.settle();
    b.host.end('/target', 'failed', 'it broke');
    await world.settle();
    expect(a.terminated).to.deep.equal([
      { type: 'runtime.terminated', address: target, reason: 'failed', detail: 'it broke' },
    ]);
  });

  it('tells not-found for a path that nobody has', async () => {
    a.watch(b.address('/nobody'));
    await world.settle();
    expect(told()).to.deep.equal(['not-found: no such actor']);
  });

  it('tells each watcher, and asks the other node once', async () => {
    a.watch(target, '/one');
    a.watch(target, '/two');
    await world.settle();
    expect(b.host.watches).to.equal(1);
    b.host.end('/target');
    await world.settle();
    expect(a.terminated.length).to.equal(2);
  });

  it('tells nothing after unwatch, and can watch again', async () => {
    a.watch(target);
    await world.settle();
    a.remoting.unwatch(target, a.address('/watcher'));
    await world.settle();
    a.watch(target);
    a.remoting.unwatch(target, a.address('/watcher'));
    await world.settle();
    expect(b.host.watches).to.equal(1);
    a.watch(target);
    await world.settle();
    b.host.end('/target');
    await world.settle();
    expect(told()).to.deep.equal(['stopped: ended']);
  });

  it('is not told the end of an earlier watch twice, nor of a successor', async () => {
    a.watch(target);
    await world.settle();
    b.host.end('/target');
    b.host.actors.add('/target');
    await world.settle();
    a.watch(target);
    await world.settle();
    expect(a.terminated.length).to.equal(1);
    b.host.end('/target');
    await world.settle();
    expect(a.terminated.length).to.equal(2);
  });

  const ends: Record<string, () => void | Promise<void>> = {
    'says goodbye': () => {
      b.remoting.stop();
    },
    'vanishes and somebody talks to it': () => {
      b.crash();
      a.remoting.send(target, { type: 'test.ask' });
    },
    'vanishes unnoticed': () => {
      b.crash();
    },
    hangs: () => {
      b.freeze();
    },
    'comes back under a higher epoch': () => {
      b.crash();
      world.node('b', 4).host.actors.add('/target');
    },
    'joins again': () => {
      b.remoting.setEpoch(4);
    },
    'is declared dead by its parent': () => {
      b.crash();
      world.node('c', 1).remoting.declareDown('b', 3);
    },
  };
  for (const [name, end] of Object.entries(ends)) {
    it(`tells node-down once when the node ${name}`, async () => {
      a.watch(target);
      await world.settle();
      await end();
      await world.advance(2_000);
      expect(a.terminated.length).to.equal(1);
      expect(a.terminated[0]).to.deep.include({ address: target, reason: 'node-down' });
    });
  }

  it('tells node-down before the new life is up', async () => {
    const order: string[] = [];
    a.remoting.watch(target, a.address('/w'), ({ reason }) => order.push(reason));
    a.remoting.onNode(({ type }) => order.push(type));
    b.crash();
    world.node('b', 4);
    await world.settle();
    expect(order).to.deep.equal(['node-down', 'down', 'up']);
  });

  const unreachable: Record<string, (world: World) => Promise<Address>> = {
    'a node that is down': async () => {
      b.remoting.stop();
      await world.settle();
      return target;
    },
    'an epoch that is over': () => Promise.resolve({ ...target, epoch: 2 }),
    'an epoch that is not the present one': () => Promise.resolve({ ...target, epoch: 5 }),
    'a node that does not exist': () => Promise.resolve({ ...target, node: 'nowhere', epoch: 0 }),
    'a name that cannot be': () => Promise.resolve({ ...target, node: 'no.where' }),
  };
  for (const [name, make] of Object.entries(unreachable)) {
    it(`tells node-down for ${name}, but not within the call`, async () => {
      a.watch(await make(world));
      expect(a.terminated.length).to.equal(0);
      await world.advance(20);
      expect(a.terminated.map(({ reason }) => reason)).to.deep.equal(['node-down']);
    });
  }

  describe('over a cut', () => {
    it('asks again for what it could not ask', async () => {
      a.bus.disconnect();
      a.watch(target);
      await world.advance(100);
      a.bus.reconnect();
      await world.settle();
      b.host.end('/target', 'failed');
      await world.settle();
      expect(told()).to.deep.equal(['failed: ended']);
    });

    it('learns of an end that its own cut hid', async () => {
      a.watch(target);
      await world.settle();
      a.bus.disconnect();
      b.host.end('/target', 'failed', 'while away');
      await world.advance(100);
      a.bus.reconnect();
      await world.advance(500);
      expect(told()).to.deep.equal(['failed: while away']);
    });

    it('learns of an end that the other node could not tell', async () => {
      a.watch(target);
      await world.settle();
      b.bus.disconnect();
      b.host.end('/target', 'failed', 'cut off');
      await world.advance(100);
      b.bus.reconnect();
      await world.advance(500);
      expect(told()).to.deep.equal(['failed: cut off']);
    });

    it('is not misled by a successor that took the path meanwhile', async () => {
      a.watch(target);
      await world.settle();
      a.bus.disconnect();
      b.host.end('/target', 'stopped', 'the first');
      b.host.actors.add('/target');
      await world.advance(100);
      a.bus.reconnect();
      await world.advance(500);
      expect(told()).to.deep.equal(['stopped: the first']);
    });

    it('keeps a watch whose target lives on, and whose node nobody took for dead', async () => {
      a.watch(target);
      await world.settle();
      a.bus.disconnect();
      await world.advance(3_000);
      a.bus.reconnect();
      await world.advance(500);
      expect(told()).to.deep.equal([]);
      b.host.end('/target');
      await world.settle();
      expect(told()).to.deep.equal(['stopped: ended']);
    });
  });

  it('survives a re-join of the watcher', async () => {
    a.watch(target);
    await world.settle();
    a.remoting.setEpoch(2);
    await world.settle();
    b.host.end('/target', 'failed');
    await world.settle();
    expect(told()).to.deep.equal(['failed: ended']);
  });

  it('does not believe an end that another node makes up', async () => {
    a.watch(target);
    await world.settle();
    const forged = encodeEnvelope({
      ...{ version: 1, type: 'runtime.terminated', toPath: '', toEpoch: 0, sentAtMs: 1 },
      ...{ fromNode: 'c', fromEpoch: 1, delivery: undefined },
      body: { id: 1, path: '/target', reason: 'stopped', detail: 'forged' },
    });
    world.hub.publish(nodeSubject('a'), forged);
    await world.settle();
    expect(told()).to.deep.equal([]);
  });
});
