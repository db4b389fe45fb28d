/** Cases about what a throw does: nothing leaves, nothing stays, the policy decides. */

import { expect } from 'chai';
import { refOf, refusal } from '../../../runtime/actor.ts';
import type { SupervisionPolicy } from '../../../runtime/supervision.ts';
import { escalatePolicy, restartPolicy, stopPolicy } from '../../../runtime/supervision.ts';
import type { Context, HostCase } from '../host-harness.ts';
import { actor, numbers, order, puppet, recorder } from '../host-harness.ts';

const boom = (): never => {
  throw new Error('boom');
};

function withBackoff(initialMs: number): SupervisionPolicy {
  return { ...restartPolicy, backoff: { initialMs, factor: 2, maxMs: 10_000 } };
}

export const failureCases: readonly HostCase[] = [
  {
    name: 'discards the effects of a turn that throws',
    run: async ({ host, settle, advance }) => {
      const { ref, seen } = recorder(host);
      const child = puppet({
        start: (ctx) => {
          ctx.tell(ref, 'child started');
        },
      });
      const victim = host.spawn(puppet(), 'victim');
      const failing = host.spawn(puppet(), 'failing');
      host.tell(
        failing,
        order((ctx) => {
          ctx.tell(ref, 'told');
          ctx.after(
            1,
            'timer',
            order((later) => {
              later.tell(ref, 'timer');
            }),
          );
          const born = ctx.spawn(child, 'child');
          ctx.tell(
            born,
            order((its) => {
              its.tell(ref, 'child told');
            }),
          );
          ctx.watch(victim, () =>
            order((later) => {
              later.tell(ref, 'terminated');
            }),
          );
          ctx.stop();
          boom();
        }),
      );
      host.tell(
        failing,
        order((ctx) => {
          ctx.tell(ref, 'alive');
        }),
      );
      await settle();
      host.stop(victim);
      await advance(10);
      expect(seen).to.deep.equal(['alive']);
      // The name that the discarded child would have had is free.
      host.tell(
        failing,
        order((ctx) => {
          ctx.spawn(child, 'child');
        }),
      );
      await settle();
      expect(seen).to.deep.equal(['alive', 'child started']);
    },
  },
  {
    name: 'discards the state of a turn that throws and starts with a fresh one',
    run: async ({ host, settle }) => {
      const states: { count: number }[] = [];
      const counting = actor<{ count: number }>({
        start: () => ({ count: 0 }),
        receive: (state, message) => {
          state.count += 1;
          if (message === 'boom') boom();
          states.push(state);
          return state;
        },
      });
      const ref = host.spawn(counting, 'counting');
      for (const message of [1, 'boom', 2]) host.tell(ref, message);
      await settle();
      expect(states.map(({ count }) => count)).to.deep.equal([2, 1]);
      expect(states[0]).to.not.equal(states[1]);
    },
  },
  {
    name: 'consumes the message that failed and goes on with the next, under the same ref',
    run: async ({ host, settle, errors, counted }) => {
      const { ref, seen } = recorder(host);
      const failing = host.spawn(puppet(), 'failing');
      host.tell(
        failing,
        order((ctx) => {
          ctx.tell(ref, 1);
        }),
      );
      host.tell(failing, boom);
      host.tell(
        failing,
        order((ctx) => {
          ctx.tell(ref, 2);
        }),
      );
      await settle();
      expect(seen).to.deep.equal([1, 2]);
      expect(errors).to.deep.equal(['an actor failed']);
      expect(counted('actor_failures')).to.equal(1);
    },
  },
  {
    name: 'refuses the message that failed to its sender, and nothing that has none',
    run: async ({ host, settle, advance }) => {
      const asker = recorder(host, 'asker');
      const refuse = (message: unknown, reason: string) =>
        refusal(asker.ref, { failed: message === boom, reason });
      const polite = host.spawn(puppet({ refuse }), 'polite');
      host.tell(polite, boom);
      await settle();
      expect(asker.seen).to.deep.equal([{ failed: true, reason: 'actor-failed' }]);
      host.tell(
        polite,
        order((ctx) => {
          ctx.after(10, 'later', boom);
        }),
      );
      await settle();
      await advance(20);
      expect(asker.seen).to.have.length(1);
      expect(host.deadLetters.total).to.equal(0);
    },
  },
  {
    name: 'waits its back-off before a restart, longer each time, and keeps the mailbox meanwhile',
    run: async ({ host, settle, advance }) => {
      const { ref, seen } = recorder(host);
      const failing = host.spawn(
        puppet({ supervision: withBackoff(100), mailboxMax: 2 }),
        'failing',
      );
      host.tell(failing, boom);
      await settle();
      for (const number of numbers(3))
        host.tell(
          failing,
          order((ctx) => {
            ctx.tell(ref, number);
          }),
        );
      await advance(98);
      expect(seen).to.deep.equal([]);
      expect(host.deadLetters.countOf('mailbox-full')).to.equal(1);
      await advance(4);
      expect(seen).to.deep.equal([0, 1]);
      host.tell(failing, boom);
      host.tell(
        failing,
        order((ctx) => {
          ctx.tell(ref, 'after the second');
        }),
      );
      await settle();
      await advance(190);
      expect(seen.length).to.equal(2);
      await advance(20);
      expect(seen.length).to.equal(3);
    },
  },
  {
    name: 'ends a restart storm at its intensity',
    run: async ({ host, settle }) => {
      const { ref, seen } = recorder(host);
      let starts = 0;
      const supervision = { ...restartPolicy, restartsMax: 3 };
      const storm = host.spawn(
        actor({
          start: () => {
            starts += 1;
          },
          receive: boom,
          supervision,
        }),
        'storm',
      );
      host.watch(storm, ({ reason, detail }) => {
        host.tell(ref, `${reason}: ${detail}`);
      });
      for (const number of numbers(10)) host.tell(storm, number);
      await settle();
      expect(starts).to.equal(4);
      expect(seen).to.deep.equal(['failed: boom']);
      expect(host.deadLetters.countOf('actor-stopped')).to.equal(6);
    },
  },
  {
    name: 'forgets restarts that are longer ago than the policy looks back',
    run: async ({ host, settle, advance }) => {
      let starts = 0;
      const supervision = { ...restartPolicy, restartsMax: 1, withinMs: 100 };
      const spec = actor({
        start: () => {
          starts += 1;
        },
        receive: boom,
        supervision,
      });
      const failing = host.spawn(spec, 'failing');
      for (const at of numbers(4)) {
        host.tell(failing, at);
        await settle();
        await advance(150);
      }
      expect(starts).to.equal(5);
      host.tell(failing, 'one');
      host.tell(failing, 'two');
      await settle();
      expect(starts).to.equal(6);
    },
  },
  {
    name: 'stops an actor whose policy says so, and says why',
    run: async ({ host, settle }) => {
      const { ref, seen } = recorder(host);
      const failing = host.spawn(puppet({ supervision: stopPolicy }), 'failing');
      host.watch(failing, ({ reason, detail }) => {
        host.tell(ref, `${reason}: ${detail}`);
      });
      host.tell(failing, boom);
      host.tell(failing, 'too late');
      await settle();
      expect(seen).to.deep.equal(['failed: boom']);
      expect(host.deadLetters.countOf('actor-stopped')).to.equal(1);
    },
  },
  {
    name: 'supervises a throw in start like any other',
    run: async ({ host, settle }) => {
      const { ref, seen } = recorder(host);
      let starts = 0;
      const start = (ctx: Context): void => {
        starts += 1;
        ctx.tell(ref, `start ${String(starts)}`);
        if (starts < 3) boom();
      };
      const late = host.spawn(puppet({ start }), 'late');
      const never = host.spawn(puppet({ start: boom }), 'never');
      host.watch(never, ({ reason }) => {
        host.tell(ref, reason);
      });
      host.tell(
        late,
        order((ctx) => {
          ctx.tell(ref, 'works');
        }),
      );
      await settle();
      expect(seen.filter((message) => message !== 'failed')).to.deep.equal(['start 3', 'works']);
      expect(seen).to.include('failed');
    },
  },
  {
    name: 'stops the children of an actor that restarts, so that start may spawn them again',
    run: async ({ host, settle }) => {
      const { ref, seen } = recorder(host);
      let born = 0;
      const child = actor<number>({
        start: () => (born += 1),
        onStop: (state, ctx) => {
          ctx.tell(ref, `child ${String(state)} stopped`);
        },
      });
      const parent = host.spawn(
        puppet({
          start: (ctx) => {
            ctx.spawn(child, 'child');
          },
        }),
        'parent',
      );
      await settle();
      host.tell(parent, boom);
      await settle();
      expect(born).to.equal(2);
      expect(seen).to.deep.equal(['child 1 stopped']);
    },
  },
  {
    name: 'treats the parent as failed when a child escalates, and the parent’s policy decides',
    run: async ({ host, settle }) => {
      const { ref, seen } = recorder(host);
      const child = puppet({ supervision: escalatePolicy });
      const start = (ctx: Context): void => {
        ctx.tell(ref, 'parent started');
        const born = ctx.spawn(child, 'child');
        ctx.watch(born, () =>
          order((its) => {
            its.tell(ref, 'not for the restarted parent');
          }),
        );
      };
      const parent = host.spawn(puppet({ start }), 'parent');
      await settle();
      host.tell(refOf(host.node, 0, '/parent/child'), boom);
      host.tell(
        parent,
        order((ctx) => {
          ctx.tell(ref, 'parent works');
        }),
      );
      await settle();
      expect(seen).to.deep.equal(['parent started', 'parent started', 'parent works']);
      // The new child works too: nothing is wedged.
      host.tell(
        refOf(host.node, 0, '/parent/child'),
        order((ctx) => {
          ctx.tell(ref, 'child works');
        }),
      );
      await settle();
      expect(seen.at(-1)).to.equal('child works');
    },
  },
  {
    name: 'lets an escalation climb to the top, where it stops everything below',
    run: async ({ host, settle }) => {
      const { ref, seen } = recorder(host);
      const supervision = escalatePolicy;
      const leaf = puppet({ supervision });
      const middle = puppet({
        supervision,
        start: (ctx) => {
          ctx.spawn(leaf, 'leaf');
        },
      });
      const top = host.spawn(
        puppet({
          supervision,
          start: (ctx) => {
            ctx.spawn(middle, 'middle');
          },
        }),
        'top',
      );
      await settle();
      for (const path of ['/top', '/top/middle', '/top/middle/leaf']) {
        host.watch(refOf(host.node, 0, path), ({ reason, detail }) => {
          host.tell(ref, `${path} ${reason}: ${detail}`);
        });
      }
      host.tell(refOf(host.node, 0, '/top/middle/leaf'), boom);
      await settle();
      expect(seen).to.have.members([
        '/top/middle/leaf failed: boom',
        '/top/middle failed: boom',
        '/top failed: boom',
      ]);
      host.tell(top, 'late');
      expect(host.deadLetters.countOf('actor-stopped')).to.equal(1);
    },
  },
  {
    name: 'absorbs a throw in onStop: the stop goes on, its effects are discarded, it is counted',
    run: async ({ host, settle, counted, errors }) => {
      const { ref, seen } = recorder(host);
      const onStop = (_state: unknown, ctx: Context): void => {
        ctx.tell(ref, 'half a last word');
        boom();
      };
      const failing = host.spawn(puppet({ onStop }), 'failing');
      host.watch(failing, ({ reason }) => {
        host.tell(ref, reason);
      });
      await settle();
      host.stop(failing);
      await settle();
      expect(seen).to.deep.equal(['stopped']);
      expect(counted('actor_absorbed_errors')).to.equal(1);
      expect(errors).to.deep.equal(['onStop threw']);
    },
  },
  {
    name: 'stops an actor whose supervision itself throws',
    run: async ({ host, settle, counted }) => {
      const { ref, seen } = recorder(host);
      const supervision = {
        ...restartPolicy,
        get onFailure(): never {
          return boom();
        },
      };
      const failing = host.spawn(puppet({ supervision }), 'failing');
      host.watch(failing, ({ reason }) => {
        host.tell(ref, reason);
      });
      host.tell(failing, boom);
      await settle();
      expect(seen).to.deep.equal(['failed']);
      expect(counted('actor_absorbed_errors')).to.equal(1);
    },
  },
  {
    name: 'treats an `as` that throws as a failure of the watcher',
    run: async ({ host, settle }) => {
      const { ref, seen } = recorder(host);
      const victim = host.spawn(puppet(), 'victim');
      const start = (ctx: Context): void => {
        ctx.tell(ref, 'started');
        ctx.watch(victim, boom);
      };
      const watcher = host.spawn(puppet({ start, supervision: stopPolicy }), 'watcher');
      host.watch(watcher, ({ reason }) => {
        host.tell(ref, reason);
      });
      await settle();
      host.stop(victim);
      await settle();
      expect(seen).to.deep.equal(['started', 'failed']);
    },
  },
  {
    name: 'absorbs a port’s receiver and a notify that throw',
    run: async ({ host, settle, counted }) => {
      const { ref, seen } = recorder(host);
      const port = host.port<unknown>('port', (message) => {
        if (message === 'boom') boom();
        host.tell(ref, message);
      });
      for (const message of [1, 'boom', 2]) host.tell(port, message);
      host.watch(refOf(host.node, 0, '/nobody'), boom);
      await settle();
      expect(seen).to.deep.equal([1, 2]);
      expect(counted('actor_absorbed_errors')).to.equal(2);
    },
  },
];
