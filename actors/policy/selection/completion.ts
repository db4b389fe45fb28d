/**
 * Predicted completion: when an instance would be done with one more query, and which of a
 * variant's instances would be first. Shared by the selection policies.
 *
 * Reports are stale, and several dispatchers send at once: the backlog is what was reported, less
 * the time since, plus the dispatcher's own sends times the number of dispatchers. Measured to stay
 * within its bound where shortest-queue and power-of-two-choices herd (`reference/policies.md` §2).
 */

import type { Random } from '../../../runtime/random.ts';
import { isForMachine } from '../../domain/hardware.ts';
import type {
  FleetView,
  InstanceView,
  QueryView,
  UnitsView,
  VariantView,
  WorkerView,
} from './view.ts';

/** T(b) of a query's own batch; beyond the table in proportion. */
export function batchMs(variant: VariantView, batch: number): number {
  const last = variant.latencyMs.length - 1;
  const ms = variant.latencyMs[Math.min(batch, last)] ?? 0;
  return batch <= last ? ms : (ms * batch) / last;
}

/** Profiled ms of work owed there; time that passed took off what the pace observed allows. */
export function backlogMs(instance: InstanceView, nowMs: number): number {
  const reported = instance.reportedBacklogMs - (nowMs - instance.reportedAtMs) / instance.slowdown;
  return (reported > 0 ? reported : 0) + instance.sentSinceMs;
}

/** Until the units have done what all instances on them owe: none of it could wait for one more. */
function unitsFreeMs({ units, owedMs, owedAtMs }: UnitsView, nowMs: number): number {
  const owed = owedMs / units - (nowMs - owedAtMs);
  return owed > 0 ? owed : 0;
}

/** For how long the units would be busy with the late alone. */
export function lateMs({ shared }: InstanceView): number {
  return shared === undefined ? 0 : (shared.lateMs ?? 0) / shared.units;
}

/** Milliseconds from now until the query would be answered by `instance`. */
export function completionMs(
  view: FleetView,
  variant: VariantView,
  instance: InstanceView,
  batch: number,
): number {
  const { shared, slowdown } = instance;
  const loadLeft = instance.readyAtMs - view.nowMs;
  const own = slowdown * backlogMs(instance, view.nowMs);
  const units = shared === undefined ? 0 : unitsFreeMs(shared, view.nowMs);
  const waits = (loadLeft > 0 ? loadLeft : 0) + (own > units ? own : units);
  return waits + slowdown * batchMs(variant, batch) + view.hopMs;
}

/** Milliseconds from now until `variant`, not loaded yet, would have loaded and answered. */
export function loadedMs(view: FleetView, variant: VariantView, batch: number): number {
  return variant.loadMs + view.loadExtraMs + batchMs(variant, batch) + view.hopMs;
}

/** An earlier attempt failed there: at this instance, or at its worker's door. */
export function isAvoided(instance: InstanceView, query: QueryView): boolean {
  return (
    query.avoid !== undefined && (instance.id === query.avoid || instance.worker.id === query.avoid)
  );
}

/** How good a state is for new queries: 2 serve, 1 only if there is nothing better, 0 never. */
export function usability(instance: InstanceView): 0 | 1 | 2 {
  switch (instance.state) {
    case 'active':
      return 2;
    case 'loading':
    case 'overloaded':
    case 'interfered':
      return 1;
    default:
      return 0;
  }
}

/**
 * The instance of `variant` to take: an active one that answers in time before others, those to be
 * avoided last, then the least predicted completion; equals are drawn at random, so that
 * dispatchers do not herd.
 */
export function firstInstance(
  view: FleetView,
  variant: VariantView,
  query: QueryView,
  random: Random,
): InstanceView | undefined {
  let best: InstanceView | undefined;
  let bestRank = -1;
  let bestMs = Infinity;
  let equals = 1;
  for (const instance of variant.instances) {
    const usable = usability(instance);
    if (usable === 0) continue;
    const ms = completionMs(view, variant, instance, query.batch);
    const rank = isAvoided(instance, query) ? 0 : ms <= query.sloLeftMs ? usable : 1;
    if (rank < bestRank || (rank === bestRank && ms > bestMs)) continue;
    if (rank === bestRank && ms === bestMs) {
      equals += 1;
      if (random() * equals >= 1) continue;
    } else {
      equals = 1;
    }
    best = instance;
    bestRank = rank;
    bestMs = ms;
  }
  return best;
}

/**
 * Where to load a variant: the least used worker with room for it, the one to be avoided last; ties
 * by id.
 */
export function workerForLoad(
  view: FleetView,
  variant: VariantView,
  query: QueryView,
): WorkerView | undefined {
  let best: WorkerView | undefined;
  for (const worker of view.workers) {
    if (worker.memoryFreeBytes < variant.memoryBytes || !hasKind(worker, variant)) continue;
    if (best === undefined || isBetter(worker, best, query.avoid)) best = worker;
  }
  return best;
}

function hasKind(worker: WorkerView, { hardware, machine }: VariantView): boolean {
  const { kinds } = worker;
  const isThere = kinds === undefined || hardware === undefined || kinds.has(hardware);
  return isThere && isForMachine(worker.machine, machine);
}

function isBetter(worker: WorkerView, best: WorkerView, avoid: string | undefined): boolean {
  if (worker.id === avoid || best.id === avoid) return best.id === avoid;
  return (
    worker.utilisation < best.utilisation ||
    (worker.utilisation === best.utilisation && worker.id < best.id)
  );
}
