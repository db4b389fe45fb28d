/**
 * What a case of the host suite gets: a host under test, time it can move, and eyes on what was
 * logged and counted. No case waits for real time.
 */

import { setImmediate as nextIteration } from 'node:timers/promises';
import type { ActorContext, ActorHost, ActorSpec, Lane, Ref } from '../../runtime/actor.ts';
import type { ActorTree } from '../../runtime/actor-tree.ts';
import type { Logger } from '../../runtime/log.ts';
import type { Metrics } from '../../runtime/metrics.ts';
import { createNactHost } from '../../runtime/nact-host.ts';
import type { SupervisionPolicy } from '../../runtime/supervision.ts';
import { restartPolicy } from '../../runtime/supervision.ts';
import { createSimulation } from '../../sim/sim-host.ts';
import { VirtualClock } from '../../sim/virtual-clock.ts';

export interface HostHarness {
  readonly host: ActorHost;
  /** Another node's host in the same process. */
  readonly peer: ActorHost;
  nowMs(): number;
  /** Lets everything run that can run without time passing. */
  settle(): Promise<void>;
  /** Lets the host work for a bounded while, whether or not it comes to rest. */
  breathe(): Promise<void>;
  /** Lets time pass, then settles. */
  advance(ms: number): Promise<void>;
  /** What was logged as an error. */
  readonly errors: readonly string[];
  /** How often a metric was counted. */
  counted(name: string): number;
}

/** `alter` replaces the host by one that is broken on purpose. */
export type CreateHarness = (alter?: (host: ActorHost) => ActorHost) => HostHarness;

export interface HostCase {
  readonly name: string;
  readonly run: (harness: HostHarness) => Promise<void>;
}

const SEED = 42;

/** Loop iterations or thousands of events after which a host counts as not coming to rest. */
const SETTLE_MAX = 400;

export const createNactHarness: CreateHarness = (alter = (host) => host) => {
  const clock = new VirtualClock();
  const seen = recordedPorts();
  const ports = { clock, seed: SEED, log: seen.log, metrics: seen.metrics };
  let turns = 0;
  const create = (node: string): ActorHost => {
    const host = createNactHost({ node, ...ports });
    (host as unknown as ActorTree).observe = () => {
      turns += 1;
    };
    return host;
  };
  const settle = async (): Promise<void> => {
    let quiet = 0;
    for (let at = 0; quiet < 3; at += 1) {
      if (at === SETTLE_MAX) throw new Error('the host does not come to rest');
      const before = turns;
      await nextIteration();
      quiet = turns === before ? quiet + 1 : 0;
    }
  };
  return {
    host: alter(create('here')),
    peer: create('there'),
    nowMs: () => clock.nowMs(),
    settle,
    breathe: async () => {
      for (let at = 0; at < 5; at += 1) await nextIteration();
    },
    advance: async (ms) => {
      const untilMs = clock.nowMs() + ms;
      while (clock.nextDueMs <= untilMs) {
        clock.step();
        if (clock.nextDueMs > clock.nowMs()) await settle();
      }
      clock.advanceTo(untilMs);
      await settle();
    },
    errors: seen.errors,
    counted: seen.counted,
  };
};

export const createSimHarness: CreateHarness = (alter = (host) => host) => {
  const seen = recordedPorts();
  const simulation = createSimulation({ seed: SEED, turnMs: 0.001, failOnAssertion: false });
  const settle = (): Promise<void> => {
    const eventsMax = SETTLE_MAX * 1000;
    if (simulation.settle(eventsMax) < eventsMax) return Promise.resolve();
    return Promise.reject(new Error('the host does not come to rest'));
  };
  return {
    host: alter(simulation.host('here', seen)),
    peer: simulation.host('there', seen),
    nowMs: () => simulation.nowMs(),
    settle,
    breathe: () => {
      simulation.runUntilIdle(1000);
      return Promise.resolve();
    },
    advance: (ms) => {
      simulation.run(simulation.nowMs() + ms);
      return settle();
    },
    errors: seen.errors,
    counted: seen.counted,
  };
};

interface RecordedPorts {
  readonly log: Logger;
  readonly metrics: Metrics;
  readonly errors: string[];
  counted(name: string): number;
}

function recordedPorts(): RecordedPorts {
  const errors: string[] = [];
  const counts = new Map<string, number>();
  const log: Logger = {
    debug: () => undefined,
    info: () => undefined,
    warn: () => undefined,
    error: (message) => {
      errors.push(message);
    },
    child: () => log,
  };
  const metrics: Metrics = {
    count: (name, by = 1) => {
      counts.set(name, (counts.get(name) ?? 0) + by);
    },
    gauge: () => undefined,
    observe: () => undefined,
  };
  return { log, metrics, errors, counted: (name) => counts.get(name) ?? 0 };
}

// --- What cases are made of -------------------------------------------------------------------

/** Collects what it is told; `ref` stands for any adapter. */
export interface Recorder {
  readonly ref: Ref<unknown>;
  readonly seen: unknown[];
}

export function recorder(host: ActorHost, name = 'recorder'): Recorder {
  const seen: unknown[] = [];
  const ref = host.port<unknown>(name, (message) => {
    seen.push(message);
  });
  return { ref, seen };
}

export type Context = ActorContext<unknown>;

export interface ActorParts<S> {
  readonly start?: (ctx: Context) => S;
  readonly receive?: (state: S, message: unknown, ctx: Context) => S | undefined;
  readonly supervision?: SupervisionPolicy;
  readonly mailboxMax?: number;
  readonly laneOf?: (message: unknown) => Lane;
  readonly onStop?: (state: S, ctx: Context) => void;
  readonly refuse?: NonNullable<ActorSpec<S, unknown>['refuse']>;
}

/** A spec with everything defaulted; `receive` may return nothing to keep its state. */
export function actor<S = unknown>(parts: ActorParts<S>): ActorSpec<S, unknown> {
  const { start, receive, laneOf, onStop, refuse } = parts;
  return {
    start: start ?? (() => undefined as S),
    behaviour: (state, message, ctx) => receive?.(state, message, ctx) ?? state,
    supervision: parts.supervision ?? restartPolicy,
    mailboxMax: parts.mailboxMax ?? 1000,
    ...(laneOf === undefined ? {} : { laneOf }),
    ...(onStop === undefined ? {} : { onStop }),
    ...(refuse === undefined ? {} : { refuse }),
  };
}

/** Does what it is told to: `(ctx) => …` messages run in its turn. */
export type Order = (ctx: Context) => void;

/** An actor whose messages are orders; for cases that are about effects, not about behaviour. */
export function puppet(
  parts: Omit<ActorParts<unknown>, 'receive'> = {},
): ActorSpec<unknown, unknown> {
  return actor({
    ...parts,
    receive: (state, message, ctx) => {
      if (typeof message === 'function') (message as Order)(ctx);
      return state;
    },
  });
}

/** Forwards whatever it is told. */
export function forwarder(
  to: Ref<unknown>,
  parts: ActorParts<unknown> = {},
): ActorSpec<unknown, unknown> {
  return actor({
    ...parts,
    receive: (state, message, ctx) => {
      ctx.tell(to, message);
      return state;
    },
  });
}

/** An order, typed as the message it is. */
export function order(run: Order): Order {
  return run;
}

/** `count` numbers from 0. */
export function numbers(count: number): number[] {
  return Array.from({ length: count }, (_, at) => at);
}
