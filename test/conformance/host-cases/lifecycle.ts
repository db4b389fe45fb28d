/** Cases about living and ending: spawn, names, stop, last words, ports, shutdown. */

import { expect } from 'chai';
import type { Ref } from '../../../runtime/actor.ts';
import { refOf, refusal } from '../../../runtime/actor.ts';
import { AssertionFailed } from '../../../runtime/assert.ts';
import { stopPolicy } from '../../../runtime/supervision.ts';
import type { Context, HostCase, Order, Recorder } from '../host-harness.ts';
import { forwarder, numbers, order, puppet, recorder } from '../host-harness.ts';

/** A puppet that says when it starts and stops. */
function herald(to: Recorder, name: string, start: Order = () => undefined) {
  return puppet({
    start: (ctx) => {
      ctx.tell(to.ref, `+${name}`);
      start(ctx);
    },
    onStop: (_state, ctx) => {
      ctx.tell(to.ref, `-${name}`);
    },
  });
}

export const lifecycleCases: readonly HostCase[] = [
  {
    name: 'lets a turn use the child it spawns',
    run: async ({ host, settle }) => {
      const { ref, seen } = recorder(host);
      const parent = host.spawn(puppet(), 'parent');
      host.tell(
        parent,
        order((ctx) => {
          const child = ctx.spawn(forwarder(ref), 'child');
          ctx.tell(child, 'first');
          expect(child.path).to.equal('/parent/child');
        }),
      );
      await settle();
      expect(seen).to.deep.equal(['first']);
    },
  },
  {
    name: 'stops children before their parents, the youngest first, then lets them speak',
    run: async ({ host, settle }) => {
      const all = recorder(host);
      const start = (ctx: Context): void => {
        ctx.spawn(
          herald(all, 'a', (its) => {
            its.spawn(herald(all, 'aa'), 'aa');
          }),
          'a',
        );
        ctx.spawn(herald(all, 'b'), 'b');
      };
      const top = host.spawn(herald(all, 'top', start), 'top');
      await settle();
      expect(all.seen).to.have.members(['+top', '+a', '+b', '+aa']);
      all.seen.length = 0;
      host.stop(top);
      await settle();
      expect(all.seen).to.deep.equal(['-b', '-aa', '-a', '-top']);
    },
  },
  {
    name: 'lets an actor stop itself in a turn: what the turn told still leaves, then last words',
    run: async ({ host, settle }) => {
      const all = recorder(host);
      const self = host.spawn(herald(all, 'self'), 'self');
      host.tell(
        self,
        order((ctx) => {
          ctx.stop();
          ctx.tell(all.ref, 'goodbye');
        }),
      );
      host.tell(
        self,
        order((ctx) => {
          ctx.tell(all.ref, 'never');
        }),
      );
      await settle();
      expect(all.seen).to.deep.equal(['+self', 'goodbye', '-self']);
      expect(host.deadLetters.countOf('actor-stopped')).to.equal(1);
    },
  },
  {
    name: 'passes the latest state to onStop',
    run: async ({ host, settle }) => {
      const { ref, seen } = recorder(host);
      const counting = host.spawn<number, unknown>(
        {
          start: () => 0,
          behaviour: (count, _message, ctx) => {
            if (count === 2) ctx.stop();
            return count + 1;
          },
          supervision: stopPolicy,
          mailboxMax: 10,
          onStop: (count, ctx) => {
            ctx.tell(ref, count);
          },
        },
        'counting',
      );
      for (const number of numbers(3)) host.tell(counting, number);
      await settle();
      expect(seen).to.deep.equal([3]);
    },
  },
  {
    name: 'refuses what is still queued when an actor stops, and what comes later',
    run: async ({ host, settle }) => {
      const asker = recorder(host);
      const refuse = (message: unknown, reason: string) => refusal(asker.ref, { message, reason });
      const polite = host.spawn(puppet({ refuse }), 'polite');
      const rude = host.spawn(puppet(), 'rude');
      for (const target of [polite, rude]) {
        host.tell(
          target,
          order((ctx) => {
            ctx.stop();
          }),
        );
        host.tell(target, 'queued');
      }
      await settle();
      for (const target of [polite, rude]) host.tell(target, 'late');
      await settle();
      expect(asker.seen).to.deep.equal([
        { message: 'queued', reason: 'actor-stopped' },
        { message: 'late', reason: 'actor-stopped' },
      ]);
      expect(host.deadLetters.countOf('actor-stopped')).to.equal(2);
    },
  },
  {
    name: 'lets a parent stop a child by its ref or its plain address',
    run: async ({ host, settle }) => {
      const all = recorder(host);
      const parent = host.spawn(
        puppet({
          start: (ctx) => {
            ctx.spawn(herald(all, 'a'), 'a');
            ctx.spawn(herald(all, 'b'), 'b');
          },
        }),
        'parent',
      );
      await settle();
      all.seen.length = 0;
      host.tell(
        parent,
        order((ctx) => {
          ctx.stop(refOf(host.node, 0, '/parent/a'));
        }),
      );
      await settle();
      expect(all.seen).to.deep.equal(['-a']);
      host.tell(
        parent,
        order((ctx) => {
          const child = ctx.spawn(herald(all, 'c'), 'c');
          ctx.stop(child);
          ctx.stop(refOf(host.node, 0, '/parent/a'));
        }),
      );
      await settle();
      expect(all.seen, 'one that never started has no last words').to.deep.equal(['-a']);
      expect(host.deadLetters.total).to.equal(0);
    },
  },
  {
    name: 'asserts that only a child is stopped from within a turn',
    run: async ({ host, settle, counted }) => {
      const { ref, seen } = recorder(host);
      const stranger = host.spawn(puppet(), 'stranger');
      const meddler = host.spawn(puppet(), 'meddler');
      const targets = [stranger, refOf(host.node, 0, '/stranger'), refOf('there', 0, '/meddler')];
      for (const target of targets)
        host.tell(
          meddler,
          order((ctx) => {
            ctx.stop(target);
          }),
        );
      host.tell(
        stranger,
        order((ctx) => {
          ctx.tell(ref, 'alive');
        }),
      );
      await settle();
      expect(counted('actor_failures')).to.equal(3);
      expect(seen).to.deep.equal(['alive']);
    },
  },
  {
    name: 'asserts that a name is free among living siblings, and frees it on stop',
    run: async ({ host, settle, counted }) => {
      const all = recorder(host);
      const spawnChild = order((ctx) => {
        ctx.spawn(herald(all, 'child'), 'child');
      });
      const parent = host.spawn(puppet(), 'parent');
      host.tell(parent, spawnChild);
      await settle();
      host.tell(parent, spawnChild);
      await settle();
      expect(counted('actor_failures'), 'a clash').to.equal(1);
      // The failed turn restarted the parent, which stopped the first child.
      host.tell(parent, spawnChild);
      await settle();
      expect(counted('actor_failures')).to.equal(1);
      expect(all.seen).to.deep.equal(['+child', '-child', '+child']);
    },
  },
  {
    name: 'asserts names at the top, of actors and ports alike',
    run: async ({ host, settle }) => {
      const spec = puppet();
      const taken = host.spawn(spec, 'taken');
      expect(() => host.spawn(spec, 'taken')).to.throw(AssertionFailed);
      expect(() => host.port('taken', () => undefined)).to.throw(AssertionFailed);
      for (const name of ['', 'a/b', 'a b', 'é']) {
        expect(() => host.spawn(spec, name), name).to.throw(AssertionFailed);
      }
      await settle();
      host.stop(taken);
      await settle();
      host.spawn(spec, 'taken');
      await settle();
    },
  },
  {
    name: 'asserts that a context is used within its turn, and that last words only tell',
    run: async ({ host, settle, counted }) => {
      const { ref } = recorder(host);
      let kept: Context | undefined;
      const onStop = (_state: unknown, ctx: Context): void => {
        ctx.after(1, 'timer', 'x');
      };
      const leaky = host.spawn(puppet({ onStop }), 'leaky');
      host.tell(
        leaky,
        order((ctx) => {
          kept = ctx;
        }),
      );
      await settle();
      expect(kept?.self.path).to.equal('/leaky');
      expect(() => kept?.tell(ref, 'outside')).to.throw(AssertionFailed);
      expect(() => kept?.spawn(puppet(), 'child')).to.throw(AssertionFailed);
      host.stop(leaky);
      await settle();
      expect(counted('actor_absorbed_errors')).to.equal(1);
    },
  },
  {
    name: 'ignores a stop of nobody',
    run: async ({ host, settle }) => {
      const gone = host.spawn(puppet(), 'gone');
      host.stop(gone);
      await settle();
      host.stop(gone);
      host.stop(refOf(host.node, 0, '/nobody'));
      host.stop(refOf('elsewhere', 0, '/nobody'));
      await settle();
      expect(host.deadLetters.total).to.equal(0);
    },
  },
  {
    name: 'gives an adapter a ref, in order, until its port is closed',
    run: async ({ host, settle }) => {
      const seen: unknown[] = [];
      const port: Ref<unknown> = host.port('port', (message) => {
        seen.push(message);
        if (message === 'close') host.closePort(port);
      });
      const sender = host.spawn(forwarder(port), 'sender');
      for (const message of [1, 2, 'close', 3]) host.tell(sender, message);
      await settle();
      host.tell(sender, 4);
      host.tell(refOf(host.node, 0, '/port'), 5);
      await settle();
      expect(seen).to.deep.equal([1, 2, 'close']);
      expect(host.deadLetters.countOf('actor-stopped')).to.equal(2);
      expect(host.deadLetters.countOf('no-such-actor')).to.equal(1);
      host.port('port', () => undefined);
    },
  },
  {
    name: 'shuts down: everything is stopped, children first, and last words reach the ports',
    run: async ({ host, settle }) => {
      const all = recorder(host);
      host.spawn(
        herald(all, 'a', (ctx) => {
          ctx.spawn(herald(all, 'aa'), 'aa');
        }),
        'a',
      );
      host.spawn(herald(all, 'b'), 'b');
      await settle();
      all.seen.length = 0;
      const done = host.shutdown();
      expect(host.shutdown()).to.equal(done);
      await settle();
      await done;
      expect(all.seen).to.have.members(['-aa', '-a', '-b']);
      expect(all.seen.indexOf('-aa')).to.be.lessThan(all.seen.indexOf('-a'));
      expect(() => host.spawn(puppet(), 'late')).to.throw(AssertionFailed);
      host.tell(refOf(host.node, 0, '/a'), 'late');
      host.tell(all.ref, 'late');
      expect(host.deadLetters.total).to.equal(2);
    },
  },
  {
    name: 'shuts down when there is nothing to stop',
    run: async ({ host, settle }) => {
      const done = host.shutdown();
      await settle();
      await done;
    },
  },
];
