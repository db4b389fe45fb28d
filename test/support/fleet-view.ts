/** Fleets as selection policies see them: written down in short, or drawn at random. */

import fc from 'fast-check';

import type { InstanceState } from '../../actors/domain/instance.ts';
import type {
  FleetView,
  InstanceView,
  QueryView,
  UnitsView,
  VariantView,
  WorkerView,
} from '../../actors/policy/selection/index.ts';
import { completionMs } from '../../actors/policy/selection/completion.ts';

export interface InstanceSketch {
  readonly id?: string;
  readonly state?: InstanceState;
  readonly worker?: string;
  readonly slowdown?: number;
  readonly loadLeftMs?: number;
  readonly backlogMs?: number;
  readonly reportedAgoMs?: number;
  readonly sentSinceMs?: number;
  readonly sent?: number;
  /** What all instances on its units owe; by default it has units of its own. */
  readonly shared?: UnitsView;
}

export interface VariantSketch {
  readonly id: string;
  readonly accuracy?: number;
  readonly costUsd?: number;
  /** T(1); a batch costs in proportion. */
  readonly ms?: number;
  readonly loadMs?: number;
  readonly memoryBytes?: number;
  readonly instances?: readonly InstanceSketch[];
}

export interface FleetSketch {
  readonly variants: readonly VariantSketch[];
  readonly workers?: readonly WorkerView[];
  readonly hopMs?: number;
  readonly loadExtraMs?: number;
}

const nowMs = 10_000;
const batchMax = 4;

export function workerOf(id: string, parts: Partial<WorkerView> = {}): WorkerView {
  return { id, memoryFreeBytes: 1_000, utilisation: 0, ...parts };
}

export function fleetOf(sketch: FleetSketch): FleetView {
  const workers = sketch.workers ?? [workerOf('w1')];
  const variants = sketch.variants.map((variant) => variantView(variant, workers));
  return {
    nowMs,
    variants: variants.sort((a, b) => a.costUsd - b.costUsd || (a.id < b.id ? -1 : 1)),
    workers,
    hopMs: sketch.hopMs ?? 0,
    loadExtraMs: sketch.loadExtraMs ?? 0,
  };
}

function variantView(sketch: VariantSketch, workers: readonly WorkerView[]): VariantView {
  const ms = sketch.ms ?? 10;
  return {
    id: sketch.id,
    accuracy: sketch.accuracy ?? 90,
    costUsd: sketch.costUsd ?? 1,
    latencyMs: Float64Array.from({ length: batchMax + 1 }, (_, batch) => batch * ms),
    loadMs: sketch.loadMs ?? 500,
    memoryBytes: sketch.memoryBytes ?? 100,
    instances: (sketch.instances ?? []).map((instance, at) => {
      const id = instance.id ?? `${sketch.id}-${at + 1}`;
      return instanceView(id, instance, workers);
    }),
  };
}

function instanceView(
  id: string,
  sketch: InstanceSketch,
  workers: readonly WorkerView[],
): InstanceView {
  const worker = workers.find((known) => known.id === sketch.worker) ?? workers[0];
  return {
    id,
    worker: worker ?? workerOf('w1'),
    state: sketch.state ?? 'active',
    slowdown: sketch.slowdown ?? 1,
    readyAtMs: nowMs + (sketch.loadLeftMs ?? 0),
    reportedBacklogMs: sketch.backlogMs ?? 0,
    reportedAtMs: nowMs - (sketch.reportedAgoMs ?? 0),
    sentSinceMs: sketch.sentSinceMs ?? 0,
    sent: sketch.sent ?? 0,
    shared: sketch.shared,
  };
}

export type QuerySketch = Partial<QueryView['slo']> & Partial<Omit<QueryView, 'slo'>>;

/** A query that has spent nothing yet of the latency it asks for. */
export function queryOf(sketch: QuerySketch = {}): QueryView {
  const { latencyMs, accuracyMin, costUsdMax, ...rest } = sketch;
  return {
    slo: { latencyMs, accuracyMin, costUsdMax },
    onMiss: 'best-effort',
    batch: 1,
    sloLeftMs: latencyMs ?? Infinity,
    timeoutLeftMs: 30_000,
    avoid: undefined,
    ...rest,
  };
}

const states: readonly InstanceState[] = [
  'loading',
  'active',
  'overloaded',
  'interfered',
  'migrating',
  'draining',
];

const anyWorker = fc.record({
  memoryFreeBytes: fc.integer({ min: 0, max: 1_000 }),
  utilisation: fc.integer({ min: 0, max: 10 }).map((tenths) => tenths / 10),
});

const anyInstance = fc.record({
  state: fc.constantFrom(...states),
  worker: fc.constantFrom('w1', 'w2', 'w3'),
  slowdown: fc.integer({ min: 5, max: 40 }).map((tenths) => tenths / 10),
  loadLeftMs: fc.constantFrom(0, 0, 0, 200, 2_000),
  backlogMs: fc.constantFrom(0, 0, 30, 300),
  reportedAgoMs: fc.integer({ min: 0, max: 250 }),
  sentSinceMs: fc.constantFrom(0, 0, 20, 200),
});

/** As it is when nothing happens: loaded, nothing queued, as fast as profiled. */
const idleInstance = fc.record({
  state: fc.constant<InstanceState>('active'),
  worker: fc.constantFrom('w1', 'w2', 'w3'),
});

function fleetArbitrary(instances: fc.Arbitrary<InstanceSketch[]>): fc.Arbitrary<FleetView> {
  const variant = fc.record({
    accuracy: fc.integer({ min: 50, max: 100 }),
    costUsd: fc.integer({ min: 1, max: 100 }),
    ms: fc.integer({ min: 1, max: 400 }),
    loadMs: fc.integer({ min: 10, max: 3_000 }),
    memoryBytes: fc.integer({ min: 1, max: 1_000 }),
    instances,
  });
  return fc
    .record({
      variants: fc.array(variant, { minLength: 1, maxLength: 6 }),
      workers: fc.array(anyWorker, { minLength: 1, maxLength: 3 }),
      hopMs: fc.constantFrom(0, 0.5, 3),
    })
    .map(({ variants, workers, hopMs: hop }) =>
      fleetOf({
        variants: variants.map((drawn, at) => ({ ...drawn, id: `v${at}` })),
        workers: workers.map((drawn, at) => workerOf(`w${at + 1}`, drawn)),
        hopMs: hop,
      }),
    );
}

export const anyFleet = fleetArbitrary(fc.array(anyInstance, { maxLength: 3 }));
export const idleFleet = fleetArbitrary(fc.array(idleInstance, { minLength: 1, maxLength: 2 }));

/** A query against `fleet`: about half of them want more than they can have. */
export const anyQuery: fc.Arbitrary<QueryView> = fc
  .record({
    latencyMs: fc.option(fc.integer({ min: 1, max: 1_500 }), { nil: undefined }),
    accuracyMin: fc.option(fc.integer({ min: 50, max: 102 }), { nil: undefined }),
    costUsdMax: fc.option(fc.integer({ min: 0, max: 120 }), { nil: undefined }),
    onMiss: fc.constantFrom('best-effort' as const, 'reject' as const),
    batch: fc.integer({ min: 1, max: 6 }),
    avoid: fc.option(fc.constantFrom('v0-1', 'v1-1', 'w1'), { nil: undefined }),
  })
  .map(queryOf);

/** Those that qualify, are active, not to be avoided, and would answer in time. */
export function activeInTime(view: FleetView, query: QueryView): InstanceView[] {
  return view.variants
    .filter((variant) => meets(variant, query))
    .flatMap((variant) =>
      variant.instances.filter(
        (instance) =>
          instance.state === 'active' &&
          instance.id !== query.avoid &&
          instance.worker.id !== query.avoid &&
          completionMs(view, variant, instance, query.batch) <= query.sloLeftMs,
      ),
    );
}

export function meets(variant: VariantView, { slo, batch }: QueryView): boolean {
  const { accuracyMin = -Infinity, costUsdMax = Infinity } = slo;
  return variant.accuracy >= accuracyMin && variant.costUsd * batch <= costUsdMax;
}
