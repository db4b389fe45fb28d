/**
 * Decision latency of the default policy on the dispatcher's own index: 175 variants on 50 workers
 * (the paper's scale) and 10,000 variants, 1,000 of them of the task asked, on 1,000 workers.
 */

import { FleetIndex } from '../actors/dispatcher/fleet-index.ts';
import type { Variant } from '../actors/domain/variant.ts';
import type { InstanceReport } from '../actors/domain/worker.ts';
import { defaultPolicy, policies } from '../actors/policy/policies.ts';
import { type QueryView, selectionPolicies } from '../actors/policy/selection/index.ts';
import { refOf } from '../runtime/actor.ts';
import { seededRandom, type Random } from '../runtime/random.ts';
import { percentile } from './statistics.ts';

export interface FleetShape {
  readonly variants: number;
  readonly workers: number;
  readonly tasks: number;
  readonly instancesPerVariant: number;
}

export const paperFleet: FleetShape = {
  variants: 175,
  workers: 50,
  tasks: 8,
  instancesPerVariant: 2,
};
export const largeFleet: FleetShape = {
  variants: 10_000,
  workers: 1_000,
  tasks: 10,
  instancesPerVariant: 1,
};

const decisions = 20_000;

/** Microseconds a decision, p50 and p99, over queries with random latency and accuracy. */
export function measureSelection(shape: FleetShape): { p50Us: number; p99Us: number } {
  const random = seededRandom(7);
  const index = buildFleet(shape, random);
  const useCases = [...index.useCases.values()];
  const select = selectionPolicies[policies[defaultPolicy].selection];
  const times = new Float64Array(decisions);
  for (let round = 0; round < 2 * decisions; round += 1) {
    const candidates = useCases[round % useCases.length];
    if (candidates === undefined) continue;
    const query = drawQuery(random);
    const { variants } = candidates;
    const startMs = performance.now();
    const { workerList: workers } = index;
    select({ nowMs: 1_000, variants, workers, hopMs: 0.5, loadExtraMs: 0 }, query, random);
    // The first half warms up.
    if (round >= decisions) times[round - decisions] = (performance.now() - startMs) * 1_000;
  }
  const sorted = times.sort();
  return { p50Us: percentile(sorted, 0.5), p99Us: percentile(sorted, 0.99) };
}

export function drawQuery(random: Random): QueryView {
  return {
    slo: { latencyMs: 10 + 190 * random(), accuracyMin: 50 + 49 * random() },
    onMiss: 'best-effort',
    batch: 1,
    sloLeftMs: 10 + 190 * random(),
    timeoutLeftMs: 30_000,
    avoid: undefined,
  };
}

export function buildFleet(shape: FleetShape, random: Random): FleetIndex {
  const index = new FleetIndex();
  const variants = Array.from({ length: shape.variants }, (_, at) =>
    drawVariant(at, shape, random),
  );
  index.setRegistry(1, variants);
  const reports = new Map<number, InstanceReport[]>();
  variants.forEach((variant, at) => {
    for (let copy = 0; copy < shape.instancesPerVariant; copy += 1) {
      const worker = Math.floor(random() * shape.workers);
      const there = reports.get(worker) ?? [];
      there.push(drawInstance(variant, `${String(at)}-${String(copy)}`, random));
      reports.set(worker, there);
    }
  });
  for (let worker = 0; worker < shape.workers; worker += 1) {
    const id = `worker-${String(worker)}`;
    const report = {
      workerId: id,
      hardware: [
        { kind: 'cpu' as const, units: 8, memoryBytes: 2 ** 35, costUsdPerUnitHour: 0.05 },
      ],
      memoryUsedBytes: 2 ** 30,
      utilisation: random(),
      instances: reports.get(worker) ?? [],
    };
    index.applyReport(refOf(id, 1, '/worker'), report, 1, 1_000);
  }
  return index;
}

function drawVariant(at: number, shape: FleetShape, random: Random): Variant {
  const ms = 0.1 * 2_000 ** random();
  return {
    id: `variant-${String(at)}`,
    architecture: `architecture-${String(Math.floor(at / 8))}`,
    task: `task-${String(at % shape.tasks)}`,
    dataset: 'dataset',
    precision: 'fp32',
    file: { path: '/none', sha256: '', bytes: 1 },
    accuracy: 40 + 60 * random(),
    accuracyKind: 'top1',
    signature: {
      inputs: { x: { datatype: 'FP32', shape: ['batch', 1] } },
      outputs: { y: { datatype: 'FP32', shape: ['batch', 1] } },
    },
    adapter: {},
    batchMax: 64,
    hardware: 'cpu',
    profile: {
      loadMs: 100 + 3_000 * random(),
      memoryBytes: 10_000_000,
      latency: [
        { batch: 1, ms },
        { batch: 64, ms: ms * 50 },
      ],
      measuredOn: 'drawn',
    },
  };
}

function drawInstance(variant: Variant, name: string, random: Random): InstanceReport {
  return {
    id: name,
    path: `/worker/${name}`,
    variantId: variant.id,
    state: random() < 0.9 ? 'active' : 'overloaded',
    rateQps: 1,
    queued: 0,
    backlogMs: 20 * random(),
    slowdown: 1,
    served: 0,
    loadLeftMs: 0,
  };
}
