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
import type { DriftSeen } from '../registrar/protocol.ts';
import type { MonitorMessage } from './protocol.ts';

const defaultDriftTellMs = 10_000;

export interface DriftConfig {
  readonly drift?: DriftRule;
  /** How often the registrar is told of drift. */
  readonly driftTellMs?: number;
}

export interface DriftOptions {
  readonly workerId: WorkerId;
  /** Who has stale profiles measured anew; undefined: nobody. */
  readonly registrar?: Ref<DriftSeen> | undefined;
  readonly config: DriftConfig;
}

export interface DriftWatch {
  readonly byVariant: Map<VariantId, { ratios: number[]; drift: DriftState }>;
  toldMs: number;
}

export function newDriftWatch(nowMs: number): DriftWatch {
  return { byVariant: new Map(), toldMs: nowMs };
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

/** Tells of the variants that run, if it is time; forgets the others. */
export function tellDrift(
  watch: DriftWatch,
  { config, registrar, workerId }: DriftOptions,
  running: ReadonlySet<VariantId>,
  ctx: ActorContext<MonitorMessage>,
): void {
  const everyMs = config.driftTellMs ?? defaultDriftTellMs;
  if (registrar === undefined || ctx.nowMs - watch.toldMs < everyMs) return;
  watch.toldMs = ctx.nowMs;
  const drifts: VariantDrift[] = [];
  for (const [variantId, { drift }] of watch.byVariant) {
    if (!running.has(variantId)) watch.byVariant.delete(variantId);
    else if (drift.observations > 0) {
      drifts.push({ variantId, ratio: drift.ratio, stale: drift.stale });
    }
  }
  if (drifts.length === 0) return;
  ctx.tell(registrar, { type: 'registrar.drift-seen', workerId, everyMs, drifts });
}

/** The upper one of two in the middle; 1 of none. */
export function medianOf(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[sorted.length >> 1] ?? 1;
}
