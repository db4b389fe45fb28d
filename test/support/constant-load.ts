/**
 * Whole systems at a constant load under virtual time: two tasks, three classes of queries, rates
 * drawn so that the machines that there may be carry them with much to spare.
 */

import fc from 'fast-check';

import { type PolicyName, policies } from '../../actors/policy/policies.ts';
import type { Cluster } from '../../sim/cluster/cluster.ts';
import { runScenario } from '../../sim/scenario/run-scenario.ts';
import type { ScenarioReport } from '../../sim/scenario/report.ts';
import type { Scenario, Stream } from '../../sim/scenario/scenario.ts';
import { variantOfPoints } from '../../sim/profiles/simulated-variant.ts';
import { mebibyte, perBatch, perQuery } from './variants.ts';

export interface ConstantLoad {
  readonly seed: number;
  /** As even as a clock, or as chance has it. */
  readonly arrivals: 'constant' | 'poisson';
  /** Queries a second of the class that asks for speed alone, and of that with a floor. */
  readonly quickQps: number;
  readonly accurateQps: number;
  /** Of another task, that hardly anybody asks for. */
  readonly rareQps: number;
  /** What a machine has for instances, of which each takes 64 or 128. */
  readonly mebibytes: number;
}

export const anyConstantLoad: fc.Arbitrary<ConstantLoad> = fc.record({
  seed: fc.nat(1_000),
  arrivals: fc.constantFrom('constant', 'poisson'),
  quickQps: fc.integer({ min: 1, max: 40 }),
  accurateQps: fc.integer({ min: 1, max: 20 }),
  rareQps: fc.constantFrom(0.2, 1, 5),
  mebibytes: fc.constantFrom(512, 1_024, 4_096),
});

/** Of the process alone, as the simulator has it. */
const baseMebibytes = 200;

const variants = [
  { id: 'a-small', task: 't', accuracy: 70, mib: 64, latency: perQuery(5) },
  { id: 'a-middle', task: 't', accuracy: 80, mib: 64, latency: perBatch(10, 5) },
  { id: 'a-large', task: 't', accuracy: 90, mib: 128, latency: perQuery(30) },
  { id: 'b-small', task: 'u', accuracy: 75, mib: 64, latency: perQuery(10) },
  { id: 'b-large', task: 'u', accuracy: 85, mib: 128, latency: perQuery(40) },
].map(({ id, task, accuracy, mib, latency }) =>
  variantOfPoints(
    {
      ...{ id, architecture: task, task, dataset: 'd', precision: 'fp32', accuracy, batchMax: 8 },
      ...{ hardware: 'cpu', loadMs: 500, memoryBytes: mib * mebibyte, measuredOn: 'nowhere' },
    },
    latency,
  ),
);

function streamOf(
  { arrivals }: ConstantLoad,
  tenant: string,
  task: string,
  qps: number,
  accuracyMin?: number,
): Stream {
  return {
    shape: { kind: 'constant', qps },
    arrivals: { kind: arrivals },
    ...{ task, architectures: [], zipf: 1, latencyMs: 400, accuracyMin },
    ...{ onMiss: 'best-effort', timeoutMs: 30_000, tenant },
  };
}

export const machineUnits = 2;
export const machinesMax = 8;

export function constantLoad(policy: PolicyName, load: ConstantLoad, durationS: number): Scenario {
  const { selection, batching, scaling, fleet } = policies[policy];
  return {
    ...{ name: 'constant', about: 'a constant load', seed: load.seed, durationS, warmUpS: 0 },
    gateways: 2,
    fleet: [
      {
        ...{ name: 'cpu', hardware: 'cpu', count: 2, min: 1, max: machinesMax },
        ...{ units: machineUnits, usdPerHour: 0.2, startUpS: 5 },
        memoryBytes: (baseMebibytes + load.mebibytes) * mebibyte,
      },
    ],
    variants,
    preload: {},
    load: [
      streamOf(load, 'quick', 't', load.quickQps),
      streamOf(load, 'accurate', 't', load.accurateQps, 85),
      streamOf(load, 'rare', 'u', load.rareQps),
    ],
    incidents: [],
    ...{ policy, selection, batching, scaling, fleetPolicy: fleet, loadFactor: 1 },
    ...{ network: 'direct', hopMs: 0.2, spread: 0, interference: 0 },
  };
}

export interface ConstantRun {
  readonly report: ScenarioReport;
  /** The most that any machine held at once, of what it has for instances. */
  readonly fullest: number;
}

export function runConstant(
  policy: PolicyName,
  load: ConstantLoad,
  durationS: number,
): ConstantRun {
  const sizes = new Map(variants.map(({ id, profile }) => [id, profile.memoryBytes]));
  let fullest = 0;
  const look = ({ workers }: Cluster): void => {
    for (const { engine } of workers.values()) {
      const held = engine.loaded.reduce((sum, id) => sum + (sizes.get(id) ?? 0), 0);
      fullest = Math.max(fullest, held / (load.mebibytes * mebibyte));
    }
  };
  const report = runScenario(constantLoad(policy, load, durationS), look);
  return { report, fullest };
}
