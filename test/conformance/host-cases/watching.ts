/** Cases about watching: one notice a watch, whatever happens to the watched or the watcher. */

import { expect } from 'chai';
import type { Address, RemotePort, Terminated } from '../../../runtime/actor.ts';
import { refOf } from '../../../runtime/actor.ts';
import { restartPolicy } from '../../../runtime/supervision.ts';
import type { HostCase, Order, Recorder } from '../host-harness.ts';
import { actor, order, puppet, recorder } from '../host-harness.ts';

/** Reports the notice of `target` to the recorder. */
function report(to: Recorder, target: Address, tag = ''): Order {
  return (ctx) => {
    ctx.watch(target, ({ address, reason }) =>
      order((later) => {
        later.tell(to.ref, `${tag}${address.path} ${reason}`);
      }),
    );
  };
}

export const watchingCases: readonly HostCase[] = [
  {
    name: 'tells each watcher of an end exactly once, in its own message type',
    run: async ({ host, settle }) => {
      const all = recorder(host);
      const victim = host.spawn(puppet(), 'victim');
      for (const name of ['a', 'b']) {
        const watcher = host.spawn(puppet(), name);
        host.tell(watcher, report(all, victim, `${name}: `));
        host.tell(watcher, report(all, victim, `${name}: `));
        host.tell(watcher, report(all, refOf(host.node, 0, '/victim'), `${name}: `));
      }
      await settle();
      host.stop(victim);
      await settle();
      expect(all.seen).to.have.members(['a: /victim stopped', 'b: /victim stopped']);
    },
  },
  {
    name: 'says who ended and why, as plain data',
    run: async ({ host, settle }) => {
      const seen: Terminated[] = [];
      const victim = host.spawn(puppet(), 'victim');
      host.watch(victim, (terminated) => {
        seen.push(terminated);
      });
      host.stop(victim);
      await settle();
      expect(JSON.parse(JSON.stringify(seen))).to.deep.equal([
        {
          type: 'runtime.terminated',
          address: { node: host.node, epoch: 0, path: '/victim' },
          reason: 'stopped',
          detail: 'stopped from outside',
        },
      ]);
    },
  },
  {
    name: 'answers a watch of a dead or unknown actor with not-found, and not within the call',
    run: async ({ host, settle }) => {
      const all = recorder(host);
      const dead = host.spawn(puppet(), 'dead');
      const watcher = host.spawn(puppet(), 'watcher');
      host.stop(dead);
      await settle();
      host.tell(watcher, report(all, dead));
      host.tell(watcher, report(all, refOf(host.node, 0, '/nobody')));
      let outside = 0;
      host.watch(dead, () => {
        outside += 1;
      });
      expect(outside).to.equal(0);
      await settle();
      expect(all.seen).to.deep.equal(['/dead not-found', '/nobody not-found']);
      expect(outside).to.equal(1);
    },
  },
  {
    name: 'answers a watch beyond reach with node-down: a stale epoch, or no way to other nodes',
    run: async ({ host, settle }) => {
      const all = recorder(host);
      const watcher = host.spawn(puppet(), 'watcher');
      host.tell(watcher, report(all, refOf(host.node, 9, '/watcher')));
      host.tell(watcher, report(all, refOf('elsewhere', 0, '/far')));
      await settle();
      expect(all.seen).to.deep.equal(['/watcher node-down', '/far node-down']);
    },
  },
  {
    name: 'is silent after unwatch, also when the notice is queued already',
    run: async ({ host, settle }) => {
      const all = recorder(host);
      const [early, late] = [host.spawn(puppet(), 'early'), host.spawn(puppet(), 'late')];
      const watcher = host.spawn(puppet(), 'watcher');
      for (const target of [early, late]) host.tell(watcher, report(all, target));
      host.tell(
        watcher,
        order((ctx) => {
          ctx.unwatch(early);
        }),
      );
      await settle();
      // The watcher stops its child and unwatches it in one turn: the notice is queued in between.
      host.tell(
        watcher,
        order((ctx) => {
          const child = ctx.spawn(puppet(), 'child');
          report(all, child)(ctx);
          ctx.stop(child);
          ctx.unwatch(child);
        }),
      );
      host.stop(early);
      host.stop(late);
      await settle();
      expect(all.seen).to.deep.equal(['/late stopped']);
    },
  },
  {
    name: 'does not end a watch by a restart of the watched',
    run: async ({ host, settle }) => {
      const all = recorder(host);
      const victim = host.spawn(puppet(), 'victim');
      const watcher = host.spawn(puppet(), 'watcher');
      host.tell(watcher, report(all, victim));
      await settle();
      host.tell(victim, () => {
        throw new Error('boom');
      });
      await settle();
      expect(all.seen).to.deep.equal([]);
      host.stop(victim);
      await settle();
      expect(all.seen).to.deep.equal(['/victim stopped']);
    },
  },
  {
    name: 'ends the watches of a watcher that restarts',
    run: async ({ host, settle }) => {
      const all = recorder(host);
      const victim = host.spawn(puppet(), 'victim');
      const watcher = host.spawn(puppet(), 'watcher');
      host.tell(watcher, report(all, victim));
      host.tell(watcher, () => {
        throw new Error('boom');
      });
      await settle();
      host.stop(victim);
      await settle();
      expect(all.seen).to.deep.equal([]);
    },
  },
  {
    name: 'watches the successor of an actor under the same name apart from it',
    run: async ({ host, settle }) => {
      const all = recorder(host);
      const parent = host.spawn(puppet(), 'parent');
      let first: Address | undefined;
      host.tell(
        parent,
        order((ctx) => {
          first = ctx.spawn(puppet(), 'child');
          report(all, first, 'first ')(ctx);
        }),
      );
      await settle();
      host.tell(
        parent,
        order((ctx) => {
          ctx.stop(first);
        }),
      );
      await settle();
      let second: Address | undefined;
      host.tell(
        parent,
        order((ctx) => {
          second = ctx.spawn(puppet(), 'child');
          report(all, second, 'second ')(ctx);
          if (first !== undefined) report(all, first, 'again ')(ctx);
        }),
      );
      await settle();
      host.tell(
        parent,
        order((ctx) => {
          ctx.stop(second);
        }),
      );
      await settle();
      expect(all.seen).to.deep.equal([
        'first /parent/child stopped',
        'again /parent/child not-found',
        'second /parent/child stopped',
      ]);
    },
  },
  {
    name: 'queues a notice in the lane of the message it becomes, beyond the bound of the mailbox',
    run: async ({ host, settle, advance }) => {
      const { ref, seen } = recorder(host);
      const victim = host.spawn(puppet(), 'victim');
      const supervision = { ...restartPolicy, backoff: { initialMs: 10, factor: 1, maxMs: 10 } };
      let starts = 0;
      const watcher = host.spawn(
        actor({
          supervision,
          mailboxMax: 1,
          laneOf: (message) => (message === 'ended' ? 'control' : 'work'),
          start: (ctx) => {
            starts += 1;
            ctx.watch(victim, () => 'ended');
            if (starts === 1) ctx.tell(ctx.self, 'fail');
          },
          receive: (state, message, ctx) => {
            if (message === 'fail') throw new Error('boom');
            ctx.tell(ref, message);
            return state;
          },
        }),
        'watcher',
      );
      await settle();
      host.tell(watcher, 'work');
      host.stop(victim);
      await advance(20);
      expect(seen).to.have.members(['work', 'ended']);
      expect(host.deadLetters.total).to.equal(0);
    },
  },
  {
    name: 'can be called off from outside',
    run: async ({ host, settle }) => {
      let notices = 0;
      const victim = host.spawn(puppet(), 'victim');
      const callOff = host.watch(victim, () => {
        notices += 1;
      });
      host.watch(victim, () => {
        notices += 10;
      });
      callOff();
      host.stop(victim);
      await settle();
      expect(notices).to.equal(10);
    },
  },
  {
    name: 'hands watches of other nodes to the remote port, and its notices to the watcher once',
    run: async ({ host, settle }) => {
      const all = recorder(host);
      const calls: string[] = [];
      const notify: ((terminated: Terminated) => void)[] = [];
      const remote: RemotePort = {
        send: () => undefined,
        watch: (target, watcher, tell) => {
          calls.push(`watch ${target.path} for ${watcher.path}`);
          notify.push(tell);
        },
        unwatch: (target, watcher) => {
          calls.push(`unwatch ${target.path} for ${watcher.path}`);
        },
      };
      host.connectRemote(remote);
      const watcher = host.spawn(puppet(), 'watcher');
      const far = refOf('elsewhere', 3, '/far');
      for (const path of ['/far', '/far', '/other']) {
        host.tell(watcher, report(all, refOf('elsewhere', 3, path)));
      }
      host.tell(
        watcher,
        order((ctx) => {
          ctx.unwatch(refOf('elsewhere', 3, '/other'));
        }),
      );
      await settle();
      const down: Terminated = {
        type: 'runtime.terminated',
        address: far,
        reason: 'node-down',
        detail: 'silent',
      };
      for (const tell of notify) {
        tell(down);
        tell(down);
      }
      await settle();
      expect(calls).to.deep.equal([
        'watch /far for /watcher',
        'watch /other for /watcher',
        'unwatch /other for /watcher',
      ]);
      expect(all.seen).to.deep.equal(['/far node-down']);
    },
  },
  {
    name: 'answers node-down when the remote port throws, and is not wedged by it',
    run: async ({ host, settle, counted }) => {
      const all = recorder(host);
      const fail = (): never => {
        throw new Error('bus gone');
      };
      host.connectRemote({ send: () => undefined, watch: fail, unwatch: fail });
      const watcher = host.spawn(puppet(), 'watcher');
      host.tell(watcher, report(all, refOf('elsewhere', 1, '/far')));
      host.tell(
        watcher,
        order((ctx) => ctx.tell(all.ref, 'goes on')),
      );
      await settle();
      expect(all.seen).to.have.members(['/far node-down', 'goes on']);
      expect(counted('actor_absorbed_errors')).to.equal(1);
    },
  },
];
