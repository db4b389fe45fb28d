/** Cases about how messages reach an actor: order, lanes, bounds, refusals, dead letters. */

import { expect } from 'chai';
import { refOf, refusal } from '../../../runtime/actor.ts';
import type { HostCase } from '../host-harness.ts';
import { actor, forwarder, numbers, order, puppet, recorder } from '../host-harness.ts';

export const messageCases: readonly HostCase[] = [
  {
    name: 'delivers the messages of one sender in the order they were told',
    run: async ({ host, settle }) => {
      const { ref, seen } = recorder(host);
      const relay = host.spawn(forwarder(ref), 'relay');
      for (const number of numbers(300)) host.tell(relay, number);
      await settle();
      expect(seen).to.deep.equal(numbers(300));
    },
  },
  {
    name: 'keeps the order of each of several senders',
    run: async ({ host, settle }) => {
      const { ref, seen } = recorder(host);
      const relay = host.spawn(forwarder(ref), 'relay');
      for (const name of ['a', 'b', 'c']) {
        const sender = host.spawn(puppet(), name);
        for (const at of numbers(40))
          host.tell(
            sender,
            order((ctx) => {
              ctx.tell(relay, `${name}${String(at)}`);
            }),
          );
      }
      await settle();
      for (const name of ['a', 'b', 'c']) {
        const own = seen.filter((message) => String(message).startsWith(name));
        expect(own).to.deep.equal(numbers(40).map((at) => `${name}${String(at)}`));
      }
    },
  },
  {
    name: 'never runs an actor within the tell or spawn that reaches it',
    run: async ({ host, settle }) => {
      let turns = 0;
      const counting = actor({
        start: () => {
          turns += 1;
        },
        receive: () => {
          turns += 1;
        },
      });
      const ref = host.spawn(counting, 'counting');
      host.tell(ref, 'work');
      host.stop(ref);
      expect(turns).to.equal(0);
      await settle();
    },
  },
  {
    name: 'lets control overtake work that was queued before it',
    run: async ({ host, settle }) => {
      const { ref, seen } = recorder(host);
      const laneOf = (message: unknown) => (message === 'control' ? 'control' : 'work');
      const relay = host.spawn(forwarder(ref, { laneOf }), 'relay');
      for (const message of [1, 2, 'control', 3]) host.tell(relay, message);
      await settle();
      expect(seen).to.deep.equal(['control', 1, 2, 3]);
    },
  },
  {
    name: 'keeps the order within the control lane',
    run: async ({ host, settle }) => {
      const { ref, seen } = recorder(host);
      const relay = host.spawn(forwarder(ref, { laneOf: () => 'control' }), 'relay');
      for (const number of numbers(50)) host.tell(relay, number);
      await settle();
      expect(seen).to.deep.equal(numbers(50));
    },
  },
  {
    name: 'refuses with the typed refusal what a full mailbox cannot hold',
    run: async ({ host, settle }) => {
      const { ref, seen } = recorder(host);
      const asker = recorder(host, 'asker');
      const relay = host.spawn(
        forwarder(ref, {
          mailboxMax: 3,
          refuse: (message, reason) => refusal(asker.ref, { message, reason }),
        }),
        'relay',
      );
      for (const number of numbers(5)) host.tell(relay, number);
      await settle();
      expect(seen).to.deep.equal([0, 1, 2]);
      expect(asker.seen).to.deep.equal([
        { message: 3, reason: 'mailbox-full' },
        { message: 4, reason: 'mailbox-full' },
      ]);
      expect(host.deadLetters.total).to.equal(0);
    },
  },
  {
    name: 'counts a refused message as a dead letter when the spec has no answer to it',
    run: async ({ host, settle, counted }) => {
      const relay = host.spawn(actor({ mailboxMax: 2 }), 'relay');
      const silent = host.spawn(actor({ mailboxMax: 2, refuse: () => undefined }), 'silent');
      for (const number of numbers(5)) host.tell(relay, number);
      for (const number of numbers(3)) host.tell(silent, number);
      await settle();
      expect(host.deadLetters.countOf('mailbox-full')).to.equal(4);
      expect(host.deadLetters.total).to.equal(4);
      expect(host.deadLetters.recent.map(({ message }) => message)).to.deep.equal([2, 3, 4, 2]);
      expect(host.deadLetters.recent[0]?.to.path).to.equal('/relay');
      expect(counted('actor_dead_letters')).to.equal(4);
    },
  },
  {
    name: 'bounds the control lane apart from the work lane',
    run: async ({ host, settle }) => {
      const { ref, seen } = recorder(host);
      const laneOf = (message: unknown) => (typeof message === 'string' ? 'control' : 'work');
      const relay = host.spawn(forwarder(ref, { mailboxMax: 2, laneOf }), 'relay');
      for (const message of [1, 2, 3, 'a', 'b', 'c']) host.tell(relay, message);
      await settle();
      expect(seen).to.deep.equal(['a', 'b', 1, 2]);
      expect(host.deadLetters.countOf('mailbox-full')).to.equal(2);
    },
  },
  {
    name: 'does not refuse a refusal: two full actors do not answer each other for ever',
    run: async ({ host, settle }) => {
      const left = refOf<unknown>(host.node, 0, '/left');
      const right = refOf<unknown>(host.node, 0, '/right');
      const refuse = (to: typeof left) => (message: unknown) => refusal(to, message);
      host.spawn(actor({ mailboxMax: 1, refuse: refuse(right) }), 'left');
      host.spawn(actor({ mailboxMax: 1, refuse: refuse(left) }), 'right');
      for (const number of numbers(2)) {
        host.tell(left, number);
        host.tell(right, number);
      }
      await settle();
      // The second message of each is refused to the other, which has no place for it either.
      expect(host.deadLetters.countOf('mailbox-full')).to.equal(2);
    },
  },
  {
    name: 'delivers undefined, null, false and 0 like any message',
    run: async ({ host, settle }) => {
      const { ref, seen } = recorder(host);
      const relay = host.spawn(forwarder(ref), 'relay');
      for (const message of [undefined, null, false, 0, '']) host.tell(relay, message);
      await settle();
      expect(seen).to.deep.equal([undefined, null, false, 0, '']);
    },
  },
  {
    name: 'counts dead letters by reason: unknown actor, stale epoch, unreachable node',
    run: async ({ host, settle }) => {
      const teller = host.spawn(puppet(), 'teller');
      host.tell(
        teller,
        order((ctx) => {
          ctx.tell(refOf(host.node, 0, '/nobody'), 1);
          ctx.tell(refOf(host.node, 7, '/teller'), 2);
          ctx.tell(refOf('elsewhere', 0, '/teller'), 3);
        }),
      );
      await settle();
      expect(host.deadLetters.countOf('no-such-actor')).to.equal(1);
      expect(host.deadLetters.countOf('stale-epoch')).to.equal(1);
      expect(host.deadLetters.countOf('node-unreachable')).to.equal(1);
      expect(host.deadLetters.recent.map(({ message }) => message)).to.deep.equal([1, 2, 3]);
    },
  },
  {
    name: 'says whether what arrived from another node was taken',
    run: async ({ host, settle }) => {
      const { ref, seen } = recorder(host);
      host.spawn(forwarder(ref, { mailboxMax: 1 }), 'relay');
      expect(host.deliver('/relay', 1)).to.equal(undefined);
      expect(host.deliver('/relay', 2)).to.equal('mailbox-full');
      expect(host.deliver('/nobody', 3)).to.equal('no-such-actor');
      await settle();
      expect(seen).to.deep.equal([1]);
      expect(host.deadLetters.total).to.equal(2);
    },
  },
  {
    name: 'takes from other nodes only the types an actor names, from its own node any',
    run: async ({ host, settle }) => {
      const seen: unknown[] = [];
      const spec = actor({ receive: (_, message) => void seen.push(message) });
      const ref = host.spawn({ ...spec, remoteTypes: ['test.open'] }, 'guarded');
      const [open, closed] = [{ type: 'test.open' }, { type: 'test.closed', payload: 'large' }];
      expect(host.deliver('/guarded', open)).to.equal(undefined);
      expect(host.deliver('/guarded', closed)).to.equal('not-for-others');
      host.tell(ref, closed);
      await settle();
      expect(seen).to.deep.equal([open, closed]);
      expect(host.deadLetters.recent.map(({ message }) => message)).to.deep.equal([
        { type: 'test.closed' },
      ]);
    },
  },
  {
    name: 'keeps only so many dead letters to look at, the most recent ones',
    run: ({ host }) => {
      for (const number of numbers(1000)) host.tell(refOf(host.node, 0, '/nobody'), number);
      const { recent, total } = host.deadLetters;
      expect(total).to.equal(1000);
      expect(recent.length).to.be.lessThan(500);
      expect(recent.at(-1)?.message).to.equal(999);
      expect(recent[0]?.message).to.equal(1000 - recent.length);
      return Promise.resolve();
    },
  },
  {
    name: 'absorbs a laneOf and a refuse that throw',
    run: async ({ host, settle, counted }) => {
      const { ref, seen } = recorder(host);
      const fail = (): never => {
        throw new Error('from the spec');
      };
      const relay = host.spawn(
        forwarder(ref, { mailboxMax: 1, laneOf: fail, refuse: fail }),
        'relay',
      );
      host.tell(relay, 1);
      host.tell(relay, 2);
      await settle();
      expect(seen).to.deep.equal([1]);
      expect(host.deadLetters.countOf('mailbox-full')).to.equal(1);
      expect(counted('actor_absorbed_errors')).to.equal(3);
    },
  },
];
