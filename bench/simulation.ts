/**
 * How fast the simulator is: events a second of its host, and simulated queries a second from
 * gateway to engine and back, and how the latter goes with workers and variants.
 */

import { cpuUsage, resourceUsage } from 'node:process';

import { policies } from '../actors/policy/policies.ts';
import { stopPolicy } from '../runtime/supervision.ts';
import type { ActorSpec, Ref } from '../runtime/actor.ts';
import { simulatedVariant } from '../sim/profiles/simulated-variant.ts';
import { runScenario } from '../sim/scenario/run-scenario.ts';
import type { Scenario } from '../sim/scenario/scenario.ts';
import { createSimulation } from '../sim/sim-host.ts';

/** Of one core: what others run on the machine meanwhile does not count. */
function cpuMs(): number {
  const { user, system } = cpuUsage();
  return (user + system) / 1_000;
}

interface Ball {
  readonly type: 'bench.throw-ball';
  readonly replyTo: Ref<Ball>;
}

/** Pairs of actors that throw a ball to and fro: each throw is one event and one turn. */
export function measureSimHost(events: number): { readonly eventsPerS: number } {
  const simulation = createSimulation({
    ...{ seed: 1, interleaving: 'fifo', turnMs: 0.001 },
  });
  const host = simulation.host('bench');
  const player: ActorSpec<undefined, Ball> = {
    start: () => undefined,
    behaviour: (state, { replyTo }, ctx) => {
      ctx.tell(replyTo, { type: 'bench.throw-ball', replyTo: ctx.self });
      return state;
    },
    supervision: stopPolicy,
    mailboxMax: 10,
  };
  for (let pair = 0; pair < 32; pair += 1) {
    const one = host.spawn(player, `one-${String(pair)}`);
    const other = host.spawn(player, `other-${String(pair)}`);
    host.tell(one, { type: 'bench.throw-ball', replyTo: other });
  }
  simulation.runUntilIdle(events / 4);
  const startedMs = cpuMs();
  const ran = simulation.runUntilIdle(events);
  return { eventsPerS: (ran * 1_000) / (cpuMs() - startedMs) };
}

export interface SimulatedLoad {
  readonly workers: number;
  readonly variants: number;
  readonly rateQps: number;
  readonly durationS: number;
}

/** Figures of a whole run, the starting of its fleet included. */
export function measureScenario(load: SimulatedLoad): {
  readonly queriesPerS: number;
  readonly eventsPerS: number;
  readonly served: number;
} {
  const scenario = scenarioOf(load);
  const startedMs = cpuMs();
  const { queries, served, events } = runScenario(scenario);
  const tookS = (cpuMs() - startedMs) / 1_000;
  return { queriesPerS: queries / tookS, eventsPerS: events / tookS, served: served / queries };
}

const { selection, batching, scaling, fleet: fleetPolicy } = policies.ours;
/** Of scenarios, and of systems whose machines come and go. */
const defaultPolicy = { policy: 'ours', selection, batching, scaling, fleetPolicy } as const;

function scenarioOf({ workers, variants, rateQps, durationS }: SimulatedLoad): Scenario {
  const architectures = Array.from({ length: variants }, (_, at) => `net-${String(at)}`);
  return {
    ...{ name: 'bench', about: '', seed: 1, durationS, warmUpS: 5, gateways: 1, preload: {} },
    fleet: [
      {
        ...{ name: 'cpu', hardware: 'cpu', count: workers, units: 8, memoryBytes: 32 * 2 ** 30 },
        ...{ usdPerHour: 0.384, startUpS: 0, min: workers, max: workers },
      },
    ],
    variants: architectures.map((architecture) =>
      simulatedVariant({
        ...{ id: architecture, architecture, task: 'bench', dataset: 'none', precision: 'fp32' },
        ...{ hardware: 'cpu', accuracy: 90, batchMax: 16, loadMs: 200, measuredOn: 'nowhere' },
        ...{ memoryBytes: 100 * 2 ** 20, fixedMs: 1, perQueryMs: 0.5 },
      }),
    ),
    load: [
      {
        ...{ shape: { kind: 'constant', qps: rateQps }, arrivals: { kind: 'poisson' } },
        ...{ task: undefined, architectures, zipf: 1, latencyMs: 100, accuracyMin: undefined },
        ...{ onMiss: 'best-effort', timeoutMs: 5_000, tenant: 'bench' },
      },
    ],
    incidents: [],
    ...defaultPolicy,
    ...{ loadFactor: 1, network: 'direct', hopMs: 0.2, spread: 0, interference: 0 },
  };
}

export interface SimulatedAtLength {
  /** A day of 60 queries/s over 20 workers, 24 times the second of two hours. */
  readonly dayS: number;
  /** Ten minutes of 1,000 workers with 10,000 variants at 10,000 queries/s. */
  readonly largeS: number;
  readonly residentGb: number;
}

/**
 * What would take minutes, from a part of it and the cost of its start. By the clock: it is what
 * whoever waits for it sees.
 */
export function measureAtLength(): SimulatedAtLength {
  const hour = { workers: 20, variants: 20, rateQps: 60, durationS: 3_600 };
  const fleet = { workers: 1_000, variants: 10_000, rateQps: 10_000 };
  const shortS = 20;
  const longS = 80;
  const oneS = clockSeconds(() => measureScenario(hour));
  const twoS = clockSeconds(() => measureScenario({ ...hour, durationS: 2 * hour.durationS }));
  const startS = clockSeconds(() => measureScenario({ ...fleet, durationS: shortS }));
  const moreS = clockSeconds(() => measureScenario({ ...fleet, durationS: longS })) - startS;
  return {
    dayS: 24 * (twoS - oneS),
    largeS: startS + (moreS * (600 - shortS)) / (longS - shortS),
    residentGb: resourceUsage().maxRSS / 2 ** 20,
  };
}

function clockSeconds(run: () => void): number {
  const startedMs = performance.now();
  run();
  return (performance.now() - startedMs) / 1_000;
}
