/**
 * How far the batches of each variant on a worker are off its profile, gathered over all of its
 * instances there and told to the registrar now and then, which has stale profiles measured anew.
 */

import type { ActorContext, Ref } from '../../runtime/actor.ts';
import type { VariantId } from '../domain/variant.ts';
import type { WorkerId } from '../domain/worker.ts';
import {
  defaultDriftRule,
  type DriftRule,
  type DriftState,
  noDrift,
  observeDrift,
} from '../policy/profiling/drift.ts';
import type { VariantDrift } from '../policy/profiling/stale.ts';
import type { ProfilerMessage } from '../registrar/profiler-port.ts';
import type { WorkerSeen } from '../registrar/protocol.ts';
import type { MonitorMessage } from './protocol.ts';

const defaultDriftTellMs = 10_000;

export interface DriftConfig {
  /** Between the ends of two of the monitor's windows, when it looks whether it is time to tell. */
  readonly windowMs: number;
  readonly drift?: DriftRule;
  /** How often the registrar is told of it, and of the worker; at most once a window. */
  readonly driftTellMs?: number;
}

export interface DriftOptions {
  readonly workerId: WorkerId;
  /** Who has stale profiles measured anew; undefined: nobody. */
  readonly registrar?: Ref<WorkerSeen> | undefined;
  /** Measures models on this worker's machine for the registrar. */
  readonly profiler?: Ref<ProfilerMessage> | undefined;
  readonly config: DriftConfig;
}

export interface DriftWatch {
  readonly byVariant: Map<VariantId, { ratios: number[]; drift: DriftState }>;
  toldMs: number;
}

export function newDriftWatch(): DriftWatch {
  return { byVariant: new Map(), toldMs: -Infinity };
}

/**
 * Takes what batches took, each as a share of what its profile says (1: just that). Few batches a
 * window say as much as many, only later.
 */
export function watchDrift(
  { byVariant }: DriftWatch,
  { config, registrar }: DriftOptions,
  variantId: VariantId,
  ratios: readonly number[],
  nowMs: number,
): void {
  if (ratios.length === 0 || registrar === undefined) return;
  const rule = config.drift ?? defaultDriftRule;
  const known = byVariant.get(variantId) ?? { ratios: [], drift: noDrift };
  byVariant.set(variantId, known);
  known.ratios.push(...ratios);
  if (known.ratios.length < rule.batchesMin) return;
  const seen = { nowMs, batches: known.ratios.length, ratio: medianOf(known.ratios) };
  known.drift = observeDrift(known.drift, seen, rule);
  known.ratios = [];
}

/** What is told beside the drift of what runs. */
type Whereabouts = Pick<WorkerSeen, 'hardware' | 'utilisation'>;

/** Tells of the worker and of the variants that run, if it is time; forgets the others. */
export function tellRegistrar(
  watch: DriftWatch,
  { config, registrar, workerId, profiler }: DriftOptions,
  runningNow: () => ReadonlySet<VariantId>,
  whereabouts: Whereabouts,
  ctx: ActorContext<MonitorMessage>,
): void {
  const everyMs = Math.max(config.driftTellMs ?? defaultDriftTellMs, config.windowMs);
  if (registrar === undefined || ctx.nowMs - watch.toldMs < everyMs) return;
  watch.toldMs = ctx.nowMs;
  const running = runningNow();
  const drifts: VariantDrift[] = [];
  for (const [variantId, { drift }] of watch.byVariant) {
    if (!running.has(variantId)) watch.byVariant.delete(variantId);
    else if (drift.observations > 0) {
      drifts.push({ variantId, ratio: drift.ratio, stale: drift.stale });
    }
  }
  if (drifts.length === 0 && profiler === undefined) return;
  const type = 'registrar.worker-seen';
  ctx.tell(registrar, { type, workerId, everyMs, drifts, profiler, ...whereabouts });
}

/** The upper one of two in the middle; 1 of none. */
export function medianOf(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[sorted.length >> 1] ?? 1;
}
