/**
 * What decisions of scaling cost: a worker's autoscaler pass with the default policy, and a joint
 * plan on the planner port, with how long the loop stood still meanwhile.
 */

import { monitorEventLoopDelay } from 'node:perf_hooks';

import type { FleetMessage } from '../actors/fleet-autoscaler/protocol.ts';
import type { Hardware, HardwareKind } from '../actors/domain/hardware.ts';
import type { Variant } from '../actors/domain/variant.ts';
import { observeRate } from '../actors/policy/planning/forecast.ts';
import {
  createOptionsOf,
  type Expectations,
  machinesOf,
  planClassesOf,
} from '../actors/policy/planning/demand.ts';
import { expectedQps } from '../actors/policy/planning/forecast.ts';
import {
  defaultPlanRules,
  type Plan,
  type PlanProblem,
} from '../actors/policy/planning/problem.ts';
import { defaultPolicy, policies } from '../actors/policy/policies.ts';
import { scalingPolicies } from '../actors/policy/scaling/index.ts';
import { defaultScalingRules, type ScalingInstance } from '../actors/policy/scaling/view.ts';
import { Planner } from '../nodes/adapters/planner.ts';
import { createSystemClock } from '../nodes/adapters/system-clock.ts';
import { fleetConfigSchema } from '../nodes/scaling-config.ts';
import { silentLogger } from '../runtime/log.ts';
import { silentMetrics } from '../runtime/metrics.ts';
import { createNactHost } from '../runtime/nact-host.ts';
import { type Random, seededRandom } from '../runtime/random.ts';
import { imageClassifiers } from '../sim/profiles/image-classifiers.ts';
import { median, percentile } from './statistics.ts';

export interface ScalingShape {
  /** All that are registered, a thousand for a task; a worker knows them all. */
  readonly variants: number;
  /** Loaded on the worker. */
  readonly instances: number;
}

export const scalingFleets: readonly ScalingShape[] = [
  { variants: 175, instances: 40 },
  { variants: 10_000, instances: 40 },
];

const gibibyte = 2 ** 30;
const passes = 400;

/** Milliseconds a pass, p50 and p99, as loads change from one to the next. */
export function measureScalingPass({ variants: count, instances }: ScalingShape): {
  readonly p50Ms: number;
  readonly p99Ms: number;
} {
  const random = seededRandom(11);
  const variants = copiesOf(count);
  const cpus = variants.filter(({ hardware }) => hardware === 'cpu');
  const loaded = Array.from({ length: instances }, (_, at) => cpus[(at * 7) % cpus.length]);
  const memoryBytes = 1_024 * gibibyte;
  let scaler = scalingPolicies[policies[defaultPolicy].scaling];
  const times: number[] = [];
  for (let pass = 0; pass < 2 * passes; pass += 1) {
    const view = {
      nowMs: 1_000 * pass,
      hardware: [{ kind: 'cpu' as const, units: 64, memoryBytes, costUsdPerUnitHour: 0.05 }],
      memoryFreeBytes: memoryBytes / 2,
      variants,
      instances: loaded.flatMap((variant, at) =>
        variant === undefined ? [] : instanceOf(variant, at, random),
      ),
      floors: {},
      rules: defaultScalingRules,
    };
    const startedMs = performance.now();
    [, scaler] = scaler(view);
    // The first half warms up.
    if (pass >= passes) times.push(performance.now() - startedMs);
  }
  times.sort((a, b) => a - b);
  return { p50Ms: percentile(times, 0.5), p99Ms: percentile(times, 0.99) };
}

function instanceOf(variant: Variant, at: number, random: Random): ScalingInstance {
  return {
    ...{ id: `${variant.id}/${String(at)}`, variantId: variant.id, state: 'active' },
    ...{ slowdown: 1, idleMs: 0, queued: 0, running: 1, moving: false },
    demand: [
      { by: 'task', accuracyMin: 70, latencyMs: 300, rateQps: 20 * random() },
      { by: 'architecture', accuracyMin: 0, latencyMs: 500, rateQps: 5 * random() },
    ],
  };
}

/** The built-in variants, again under other names until there are as many. */
function copiesOf(count: number): Variant[] {
  const built = imageClassifiers();
  return Array.from({ length: count }, (_, at) => {
    const of = built[at % built.length];
    if (of === undefined) throw new Error('there are no built-in variants');
    const task = `task-${String(Math.floor(at / 1_000))}`;
    return { ...copyOf(of, Math.floor(at / built.length)), task };
  });
}

function copyOf(variant: Variant, copy: number): Variant {
  const architecture = `${variant.architecture}-${String(copy)}`;
  return { ...variant, architecture, id: `${variant.id}-${String(copy)}` };
}

export interface JointPlanCost {
  readonly plans: number;
  /** From the question to the answer, both on the loop that asks. */
  readonly p50Ms: number;
  readonly worstMs: number;
  /** The longest that the loop which asked stood still, ms. */
  readonly blockedMs: number;
  /** Plans of the exact solver, not of the greedy one that it begins with. */
  readonly exact: number;
  readonly unservedQps: number;
}

/** Ten problems a round, each of `architectures` classes drawn by its own seed. */
export async function measureJointPlan(
  architectures: number,
  rounds: number,
): Promise<JointPlanCost> {
  const clock = createSystemClock();
  const host = createNactHost({
    ...{ node: 'bench', clock, seed: 1, log: silentLogger, metrics: silentMetrics },
  });
  const { hangMs, ...limits } = fleetConfigSchema.parse({}).planner;
  const planner = new Planner({ host, clock, log: silentLogger, limits, hangMs });
  const solve = (problem: PlanProblem): Promise<Plan> =>
    new Promise((resolve) => {
      const replyTo = host.port<FleetMessage>('answer', (message) => {
        if (message.type !== 'fleet.plan-solved') return;
        host.closePort(replyTo);
        const [plan] = message.plans;
        if (plan !== undefined) resolve(plan);
      });
      host.tell(planner.port, {
        ...{ type: 'planner.solve', requestId: 1, problems: [problem], replyTo },
      });
    });
  try {
    // The thread starts and loads its solver.
    await solve(problemOf(architectures, seededRandom(1)));
    const blocked = monitorEventLoopDelay({ resolution: 5 });
    blocked.enable();
    const times: number[] = [];
    let [exact, unservedQps] = [0, 0];
    for (let draw = 0; draw < 10 * rounds; draw += 1) {
      const problem = problemOf(architectures, seededRandom(100 + draw));
      blocked.reset();
      const startedMs = performance.now();
      const plan = await solve(problem);
      times.push(performance.now() - startedMs);
      if (plan.by === 'milp') exact += 1;
      unservedQps = Math.max(unservedQps, plan.unservedQps);
    }
    blocked.disable();
    return {
      plans: times.length,
      p50Ms: median(times),
      worstMs: Math.max(...times),
      blockedMs: blocked.max / 1e6,
      ...{ exact, unservedQps },
    };
  } finally {
    await planner.close();
    await host.shutdown();
  }
}

const kinds: readonly (Hardware & { readonly kind: HardwareKind; readonly max: number })[] = [
  { kind: 'cpu', units: 8, memoryBytes: 32 * gibibyte, costUsdPerUnitHour: 0.048, max: 200 },
  { kind: 'inferentia', units: 4, memoryBytes: 8 * gibibyte, costUsdPerUnitHour: 0.146, max: 20 },
  { kind: 'cuda', units: 1, memoryBytes: 16 * gibibyte, costUsdPerUnitHour: 3.06, max: 10 },
];

const totalQps = 3_000;

/** A class an architecture, by Zipf's law, each with its own latency; a tenth of it loaded. */
function problemOf(architectures: number, random: Random): PlanProblem {
  const built = imageClassifiers();
  const names = [...new Set(built.map(({ architecture }) => architecture))];
  const variants = new Map<string, Variant>();
  const expectations: Record<string, Expectations[string]> = {};
  let zipf = 0;
  for (let rank = 1; rank <= architectures; rank += 1) zipf += 1 / rank;
  for (let at = 0; at < architectures; at += 1) {
    const name = names[Math.floor(random() * names.length)];
    const own = built
      .filter(({ architecture }) => architecture === name)
      .map((variant) => copyOf(variant, at));
    for (const variant of own) variants.set(variant.id, variant);
    const [servedBy] = own;
    if (servedBy === undefined) continue;
    const rateQps = (totalQps / (at + 1) / zipf) * (0.5 + random());
    const asks = { by: 'architecture', accuracyMin: 0, latencyMs: 200 + 400 * random() } as const;
    const key = String(at);
    expectations[key] = {
      seen: { key, asks: { ...asks, rateQps }, servedBy, rateQps },
      forecast: observeRate(undefined, rateQps, 0, 60_000),
    };
  }
  const loaded = new Set([...variants.keys()].filter(() => random() < 0.1));
  const known = new Set(kinds.map(({ kind }) => kind));
  const optionsOf = createOptionsOf(variants, { loaded, paces: {} });
  return {
    classes: planClassesOf(expectations, known, optionsOf, expectedQps),
    machines: kinds.map(({ max, ...machine }) =>
      machinesOf(machine.kind, [], { now: Math.ceil(max / 10), min: 0, max }, machine),
    ),
    rules: defaultPlanRules,
  };
}
