/** Cases about refs: plain data that still deliver, epochs, and other nodes. */

import { expect } from 'chai';
import type { Address, Ref, RemotePort } from '../../../runtime/actor.ts';
import { refOf } from '../../../runtime/actor.ts';
import { decode, encode } from '../../../runtime/wire/codec.ts';
import type { HostCase } from '../host-harness.ts';
import { forwarder, order, puppet, recorder } from '../host-harness.ts';

export const addressCases: readonly HostCase[] = [
  {
    name: 'gives out refs that are plain data: node, epoch, path and nothing else',
    run: async ({ host, settle }) => {
      const ref = host.spawn(puppet(), 'plain');
      expect(Object.keys(ref)).to.have.members(['node', 'epoch', 'path']);
      expect({ ...ref }).to.deep.equal({ node: host.node, epoch: 0, path: '/plain' });
      await settle();
    },
  },
  {
    name: 'delivers to a ref that went through JSON, msgpack or a structured clone',
    run: async ({ host, settle }) => {
      const { ref, seen } = recorder(host);
      const parent = host.spawn(
        puppet({
          start: (ctx) => {
            ctx.spawn(forwarder(ref), 'child');
          },
        }),
        'parent',
      );
      let child: Ref<unknown> | undefined;
      host.tell(
        parent,
        order((ctx) => {
          child = ctx.spawn(forwarder(ref), 'other');
        }),
      );
      await settle();
      const copies = [
        JSON.parse(JSON.stringify(child)) as Ref<unknown>,
        decode(encode(child)) as Ref<unknown>,
        structuredClone(child) as Ref<unknown>,
        refOf<unknown>(host.node, 0, '/parent/child'),
      ];
      copies.forEach((copy, at) => {
        host.tell(copy, at);
      });
      await settle();
      expect(seen).to.have.members([0, 1, 2, 3]);
    },
  },
  {
    name: 'keeps refs of this process good when the node re-joins under a newer epoch',
    run: async ({ host, settle }) => {
      const { ref, seen } = recorder(host);
      host.epoch = 3;
      const relay = host.spawn(forwarder(ref), 'relay');
      await settle();
      const told = { ...relay };
      expect(told.epoch).to.equal(3);
      host.epoch = 4;
      host.tell(relay, 'by pointer');
      host.tell(refOf<unknown>(host.node, 4, '/relay'), 'by the new epoch');
      host.tell(refOf<unknown>(host.node, 0, '/relay'), 'by any epoch');
      host.tell(told, 'by the old epoch');
      await settle();
      expect(seen).to.deep.equal(['by pointer', 'by the new epoch', 'by any epoch']);
      expect(host.deadLetters.countOf('stale-epoch')).to.equal(1);
      expect(host.deadLetters.recent[0]?.message).to.equal('by the old epoch');
    },
  },
  {
    name: 'stamps refs given out after a re-join with the new epoch, also those of older actors',
    run: async ({ host, settle }) => {
      const { ref, seen } = recorder(host);
      const older = host.spawn(puppet(), 'older');
      await settle();
      host.epoch = 5;
      const tellSelf = order((ctx) => {
        const child = ctx.spawn(puppet(), 'child');
        ctx.tell(ref, [ctx.self.epoch, child.epoch]);
      });
      host.tell(older, tellSelf);
      await settle();
      expect(seen).to.deep.equal([[5, 5]]);
      expect(ref.epoch).to.equal(5);
    },
  },
  {
    name: 'sends what is for other nodes through the remote port, and counts what it refuses',
    run: async ({ host, settle, counted }) => {
      const sent: [Address, unknown][] = [];
      const remote: RemotePort = {
        send: (to, message) => {
          if (message === 'boom') throw new Error('boom');
          sent.push([to, message]);
          return message === 'lost' ? 'bus-refused' : undefined;
        },
        watch: () => undefined,
        unwatch: () => undefined,
      };
      host.connectRemote(remote);
      const far = refOf<unknown>('elsewhere', 2, '/far');
      const sender = host.spawn(puppet(), 'sender');
      host.tell(
        sender,
        order((ctx) => {
          for (const message of ['a', 'lost', 'boom']) ctx.tell(far, message);
        }),
      );
      await settle();
      host.tell(far, 'b');
      expect(sent).to.deep.equal([
        [far, 'a'],
        [far, 'lost'],
        [far, 'b'],
      ]);
      expect(host.deadLetters.countOf('bus-refused')).to.equal(2);
      expect(counted('actor_absorbed_errors')).to.equal(1);
    },
  },
  {
    name: 'takes no short cut to another node of the same process',
    run: async ({ host, peer, settle }) => {
      const far = recorder(peer);
      const relay = peer.spawn(forwarder(far.ref), 'relay');
      host.tell(relay, 'short cut');
      await settle();
      expect(far.seen).to.deep.equal([]);
      expect(host.deadLetters.countOf('node-unreachable')).to.equal(1);
    },
  },
];
