/** Cases about timers and fairness: time comes from the clock, and no actor can take all of it. */

import { expect } from 'chai';
import type { Context, HostCase } from '../host-harness.ts';
import { actor, numbers, order, puppet, recorder } from '../host-harness.ts';

export const timerCases: readonly HostCase[] = [
  {
    name: 'sends a timer’s message after its delay, not before',
    run: async ({ host, settle, advance }) => {
      const { ref, seen } = recorder(host);
      const sleeper = host.spawn(puppet(), 'sleeper');
      host.tell(
        sleeper,
        order((ctx) => {
          const setMs = ctx.nowMs;
          ctx.after(
            50,
            'timer',
            order((later) => {
              ctx.tell(ref, later.nowMs - setMs >= 50 ? 'on time' : 'early');
            }),
          );
          ctx.after(
            0,
            'now',
            order((later) => {
              later.tell(ref, 'at once');
            }),
          );
        }),
      );
      await settle();
      await advance(45);
      expect(seen).to.deep.equal(['at once']);
      await advance(10);
      expect(seen).to.deep.equal(['at once', 'on time']);
      await advance(100);
      expect(seen.length).to.equal(2);
    },
  },
  {
    name: 'replaces a timer that is set again, and keeps those under other keys',
    run: async ({ host, settle, advance }) => {
      const { ref, seen } = recorder(host);
      const sleeper = host.spawn(puppet(), 'sleeper');
      host.tell(
        sleeper,
        order((ctx) => {
          ctx.after(
            10,
            'a',
            order((later) => {
              later.tell(ref, 'a replaced');
            }),
          );
          ctx.after(
            20,
            'a',
            order((later) => {
              later.tell(ref, 'a');
            }),
          );
          ctx.after(
            10,
            'b',
            order((later) => {
              later.tell(ref, 'b');
            }),
          );
        }),
      );
      await settle();
      await advance(50);
      expect(seen).to.deep.equal(['b', 'a']);
    },
  },
  {
    name: 'cancels a timer, also when its message is queued already',
    run: async ({ host, settle, advance, nowMs }) => {
      const { ref, seen } = recorder(host);
      const startedMs = nowMs();
      const sleeper = host.spawn(puppet(), 'sleeper');
      host.tell(
        sleeper,
        order((ctx) => {
          ctx.after(
            10,
            'a',
            order((later) => {
              later.tell(ref, 'a');
            }),
          );
          ctx.cancel('a');
          ctx.cancel('unknown');
          // Both fall due at one instant; whichever comes first cancels the other.
          for (const [key, other] of [
            ['b', 'c'],
            ['c', 'b'],
          ] as const) {
            ctx.after(
              20,
              key,
              order((later) => {
                later.tell(ref, 'b or c');
                later.cancel(other);
              }),
            );
          }
        }),
      );
      await settle();
      await advance(50);
      expect(seen).to.deep.equal(['b or c']);
      expect(nowMs() - startedMs).to.be.at.least(50);
    },
  },
  {
    name: 'ends the timers of an actor that stops or restarts',
    run: async ({ host, settle, advance }) => {
      const { ref, seen } = recorder(host);
      const arm = order((ctx) => {
        ctx.after(
          10,
          'timer',
          order((its) => {
            its.tell(ref, 'fired');
          }),
        );
      });
      const [stopped, failed, kept] = ['stopped', 'failed', 'kept'].map((name) =>
        host.spawn(puppet(), name),
      );
      for (const target of [stopped, failed, kept])
        if (target !== undefined) host.tell(target, arm);
      if (stopped !== undefined)
        host.tell(
          stopped,
          order((ctx) => {
            ctx.stop();
          }),
        );
      if (failed !== undefined)
        host.tell(failed, () => {
          throw new Error('boom');
        });
      await settle();
      await advance(30);
      expect(seen).to.deep.equal(['fired']);
      expect(host.deadLetters.total).to.equal(0);
    },
  },
  {
    name: 'delivers a timer’s message although the mailbox is full',
    run: async ({ host, settle, advance }) => {
      const { ref, seen } = recorder(host);
      const tiny = host.spawn(puppet({ mailboxMax: 1 }), 'tiny');
      host.tell(
        tiny,
        order((ctx) => {
          for (const at of numbers(5))
            ctx.after(
              10,
              `t${String(at)}`,
              order((its) => {
                its.tell(ref, at);
              }),
            );
        }),
      );
      await settle();
      await advance(20);
      expect(seen).to.have.members(numbers(5));
      expect(host.deadLetters.total).to.equal(0);
    },
  },
  {
    name: 'asserts that a delay is finite and not negative',
    run: async ({ host, settle, counted }) => {
      const sleeper = host.spawn(puppet(), 'sleeper');
      for (const delayMs of [-1, Number.NaN, Infinity]) {
        host.tell(
          sleeper,
          order((ctx) => {
            ctx.after(delayMs, 'timer', 'x');
          }),
        );
      }
      await settle();
      expect(counted('actor_failures')).to.equal(3);
    },
  },
  {
    name: 'does not let an actor that floods itself starve another actor',
    run: async ({ host, settle }) => {
      const { ref, seen } = recorder(host);
      const rounds = 20_000;
      const flooding = host.spawn(
        actor<number>({
          start: () => 0,
          receive: (state, message, ctx) => {
            if (state < rounds) ctx.tell(ctx.self, message);
            else ctx.tell(ref, 'flood over');
            return state + 1;
          },
        }),
        'flooding',
      );
      const modest = host.spawn(puppet(), 'modest');
      host.tell(flooding, 'go');
      await settle();
      seen.length = 0;
      host.tell(flooding, 'go');
      host.tell(
        modest,
        order((ctx) => {
          ctx.tell(ref, 'modest');
        }),
      );
      await settle();
      host.tell(flooding, 'go');
      expect(seen).to.include('modest');
      const fresh = recorder(host, 'fresh');
      const both = host.spawn(puppet(), 'both');
      host.tell(
        both,
        order((ctx) => {
          floodAndTell(ctx, fresh.ref, rounds);
        }),
      );
      await settle();
      expect(fresh.seen).to.deep.equal(['modest', 'flood over']);
    },
  },
  {
    name: 'does not let an actor that floods itself starve timers, or the rest of the process',
    run: async ({ host, settle, breathe, advance }) => {
      const { ref, seen } = recorder(host);
      let over = false;
      const flooding = host.spawn(
        actor({
          receive: (state, message, ctx) => {
            if (over) ctx.tell(ref, 'flood over');
            else ctx.tell(ctx.self, message);
            return state;
          },
        }),
        'flooding',
      );
      const ender = host.spawn(puppet(), 'ender');
      host.tell(
        ender,
        order((ctx) => {
          ctx.after(
            5,
            'end',
            order(() => {
              over = true;
            }),
          );
        }),
      );
      await settle();
      host.tell(flooding, 'go');
      await breathe();
      expect(over).to.equal(false);
      await advance(10);
      expect(seen).to.deep.equal(['flood over']);
    },
  },
  {
    name: 'gives each actor a random stream of its own, uniform in [0, 1)',
    run: async ({ host, settle }) => {
      const { ref, seen } = recorder(host);
      const draws = 200;
      const drawing = (ctx: Context): void => {
        ctx.tell(
          ref,
          numbers(draws).map(() => ctx.random()),
        );
      };
      for (const name of ['a', 'b']) host.spawn(puppet({ start: drawing }), name);
      await settle();
      const [first, second] = seen as number[][];
      expect(first).to.not.deep.equal(second);
      for (const stream of [first, second]) {
        expect(stream?.every((draw) => draw >= 0 && draw < 1)).to.equal(true);
        const mean = (stream ?? []).reduce((sum, draw) => sum + draw, 0) / draws;
        expect(mean).to.be.within(0.4, 0.6);
      }
    },
  },
];

/** A child that floods itself and a child that is told one message, in this order. */
function floodAndTell(ctx: Context, to: Context['self'], rounds: number): void {
  const flood = actor<number>({
    start: () => 0,
    receive: (state, message, its) => {
      if (state < rounds) its.tell(its.self, message);
      else its.tell(to, 'flood over');
      return state + 1;
    },
  });
  ctx.tell(ctx.spawn(flood, 'flood'), 'go');
  ctx.tell(
    ctx.spawn(puppet(), 'modest'),
    order((its) => {
      its.tell(to, 'modest');
    }),
  );
}
