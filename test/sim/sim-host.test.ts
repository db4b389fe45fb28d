/** Virtual time: replay by seed, interleavings that differ by seed, several nodes in one world. */

import { expect } from 'chai';
import type { ActorSpec, Ref } from '../../runtime/actor.ts';
import { refOf } from '../../runtime/actor.ts';
import { AssertionFailed } from '../../runtime/assert.ts';
import { restartPolicy } from '../../runtime/supervision.ts';
import type { Simulation, SimulationOptions } from '../../sim/sim-host.ts';
import { createSimulation } from '../../sim/sim-host.ts';

type Spec<S> = Pick<ActorSpec<S, unknown>, 'behaviour'> & Partial<ActorSpec<S, unknown>>;

function specOf<S>(parts: Spec<S> & Pick<ActorSpec<S, unknown>, 'start'>): ActorSpec<S, unknown> {
  return { supervision: restartPolicy, mailboxMax: 1000, ...parts };
}

/** Ten actors that pass tokens to random others, with timers, on two hosts. */
function gossip(options: SimulationOptions): string[] {
  const lines: string[] = [];
  const simulation = createSimulation({
    ...options,
    trace: ({ atMs, node, path, message }) => {
      lines.push(`${atMs.toFixed(3)} ${node}${path} ${JSON.stringify(message ?? 'start')}`);
    },
  });
  for (const node of ['a', 'b']) {
    const host = simulation.host(node);
    const refs: Ref<unknown>[] = [];
    const spec = specOf<number>({
      start: (ctx) => {
        ctx.after(ctx.random() * 10, 'tick', 8);
        return 0;
      },
      behaviour: (count, message, ctx) => {
        const hops = message as number;
        const to = refs[Math.floor(ctx.random() * refs.length)];
        if (hops > 0 && to !== undefined) ctx.tell(to, hops - 1);
        return count + 1;
      },
    });
    for (let at = 0; at < 10; at += 1) refs.push(host.spawn(spec, `actor-${String(at)}`));
  }
  simulation.runUntilIdle();
  return lines;
}

/** The order in which five actors that were told at one instant had their turn. */
function orderOfFive(options: SimulationOptions): string {
  const simulation = createSimulation(options);
  const host = simulation.host('n');
  const seen: unknown[] = [];
  const port = host.port<unknown>('port', (message) => {
    seen.push(message);
  });
  const names = ['a', 'b', 'c', 'd', 'e'];
  for (const name of names) {
    const spec = specOf<unknown>({
      start: (ctx) => ctx.tell(port, name),
      behaviour: () => undefined,
    });
    host.spawn(spec, name);
  }
  simulation.runUntilIdle();
  return seen.join('');
}

function brokenWorld(options: Partial<SimulationOptions>): Simulation {
  const simulation = createSimulation({ seed: 1, ...options });
  const host = simulation.host('n');
  const spec = specOf<unknown>({
    start: () => undefined,
    behaviour: (_state, message, ctx) => {
      if (message === 'bad stop') ctx.stop(refOf('n', 0, '/somebody/else'));
      if (message === 'loop') ctx.tell(ctx.self, message);
    },
  });
  host.spawn(spec, 'actor');
  return simulation;
}

describe('createSimulation', () => {
  it('gives the same trace for the same seed', () => {
    const first = gossip({ seed: 7 });
    expect(first.length).to.be.greaterThan(150);
    expect(gossip({ seed: 7 })).to.deep.equal(first);
  });

  it('gives another trace for another seed', () => {
    expect(gossip({ seed: 7 })).to.not.deep.equal(gossip({ seed: 8 }));
  });

  it('interleaves by the seed, or first in, first out', () => {
    const orders = new Set(Array.from({ length: 20 }, (_, seed) => orderOfFive({ seed })));
    expect(orders.size).to.be.greaterThan(10);
    const fifo = [1, 2, 3].map((seed) => orderOfFive({ seed, interleaving: 'fifo' }));
    expect(fifo).to.deep.equal(['abcde', 'abcde', 'abcde']);
  });

  it('moves time only between events, and to where it is told', () => {
    const simulation = createSimulation({ seed: 1 });
    const firedMs: number[] = [];
    for (const delayMs of [30, 10, 20]) {
      simulation.clock.schedule(delayMs, () => firedMs.push(simulation.nowMs()));
    }
    expect(simulation.run(20)).to.equal(2);
    expect(simulation.nowMs()).to.equal(20);
    expect(simulation.run(100)).to.equal(1);
    expect(simulation.nowMs()).to.equal(100);
    expect(firedMs).to.deep.equal([10, 20, 30]);
  });

  it('drops cancelled timers, however many there were', () => {
    const simulation = createSimulation({ seed: 1 });
    let fired = 0;
    const fire = (): void => {
      fired += 1;
    };
    for (let at = 0; at < 5_000; at += 1) simulation.clock.schedule(1_000 + at, fire)();
    simulation.clock.schedule(500, fire);
    expect(simulation.runUntilIdle()).to.be.lessThan(3_000);
    expect(fired).to.equal(1);
  });

  it('stops after as many events as it was allowed', () => {
    const simulation = brokenWorld({});
    const host = simulation.host('other');
    const spec = specOf<unknown>({
      start: (ctx) => ctx.after(1, 'tick', 'tick'),
      behaviour: (_state, message, ctx) => ctx.after(1, 'tick', message),
    });
    host.spawn(spec, 'ticking');
    expect(simulation.runUntilIdle(100)).to.equal(100);
  });

  it('fails the run on a programmer’s error in an actor, unless told otherwise', () => {
    const strict = brokenWorld({});
    strict.settle();
    strict.host('n2').port('x', () => undefined);
    const run = (simulation: Simulation): void => {
      const host = simulation.host('m');
      const spec = specOf<unknown>({
        start: () => undefined,
        behaviour: (_state, _message, ctx) => ctx.stop(refOf('m', 0, '/somebody/else')),
      });
      host.tell(host.spawn(spec, 'actor'), 'go');
      simulation.settle();
    };
    expect(() => run(strict)).to.throw(AssertionFailed, '/somebody/else');
    expect(() => run(brokenWorld({ failOnAssertion: false }))).to.not.throw();
  });

  it('fails when actors go round in circles without time passing', () => {
    const simulation = createSimulation({ seed: 1, eventsPerInstantMax: 1_000 });
    const host = simulation.host('n');
    const spec = specOf<unknown>({
      start: () => undefined,
      behaviour: (_state, message, ctx) => ctx.tell(ctx.self, message),
    });
    host.tell(host.spawn(spec, 'loop'), 'go');
    expect(() => simulation.run(10)).to.throw(AssertionFailed, 'time stands still');
  });

  it('lets a node crash without a word, and come back under its name', () => {
    const simulation = createSimulation({ seed: 1 });
    const host = simulation.host('n');
    const seen: unknown[] = [];
    const spec = specOf<unknown>({
      start: (ctx) => ctx.after(10, 'tick', 'tick'),
      behaviour: (_state, message) => {
        seen.push(message);
      },
      onStop: () => {
        seen.push('last words');
      },
    });
    const ref = host.spawn(spec, 'actor');
    simulation.settle();
    host.tell(ref, 'queued');
    host.crash();
    host.tell(ref, 'late');
    expect(host.deliver('/actor', 'from afar')).to.equal('node-unreachable');
    simulation.run(100);
    expect(seen).to.deep.equal([]);
    const again = simulation.host('n');
    again.tell(again.spawn(spec, 'actor'), 'hello');
    simulation.run(200);
    expect(seen).to.deep.equal(['hello', 'tick']);
  });
});
