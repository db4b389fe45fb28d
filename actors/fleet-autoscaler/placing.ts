/**
 * Instances that a worker has no place for: placed on another one, or kept in mind until there is
 * one. Whoever asked is told when it serves there, and only then lets go of its own.
 */

import { isJudged } from '../domain/instance.ts';
import type { VariantId } from '../domain/variant.ts';
import type { WorkerId } from '../domain/worker.ts';
import { placeInstance, roomOf } from '../policy/placement/where.ts';
import type { Context, Fleet, PlaceRequest } from './fleet.ts';
import { fleetViewOf } from './view-of.ts';

export function keepInMind(fleet: Fleet, request: PlaceRequest, nowMs: number): void {
  const key = `${request.workerId} ${request.variantId} ${request.instanceId ?? ''}`;
  const isUnderWay = fleet.placements.some(
    ({ request: other }) =>
      other?.workerId === request.workerId &&
      other.variantId === request.variantId &&
      other.instanceId === request.instanceId,
  );
  if (isUnderWay) return;
  const untilMs = nowMs + fleet.options.config.placeTimeoutMs;
  fleet.unplaced.set(key, { request, untilMs });
}

/** Places what can be placed now. */
export function placeUnplaced(fleet: Fleet, ctx: Context): void {
  for (const [key, { request, untilMs }] of [...fleet.unplaced]) {
    if (ctx.nowMs >= untilMs) fleet.unplaced.delete(key);
    else if (placeOne(fleet, request, ctx)) fleet.unplaced.delete(key);
  }
}

function placeOne(fleet: Fleet, request: PlaceRequest, ctx: Context): boolean {
  const { variantId, hardware, machine, memoryBytes, workerId } = request;
  const { workers } = fleetViewOf(fleet, ctx.nowMs);
  const rooms = workers
    .filter((worker) => worker.id !== workerId && canTake(worker.instances, variantId))
    .filter(({ id }) => !isPlannedOnBoth(fleet, request, id))
    .flatMap((worker) => roomOf(worker, hardware) ?? []);
  for (const placement of fleet.placements) {
    const room = rooms.find(({ id }) => id === placement.to);
    if (room !== undefined && placement.request !== undefined) {
      room.memoryFreeBytes -= placement.request.memoryBytes;
    }
  }
  const { utilisationSets } = fleet.options.config.rules;
  const room = placeInstance(rooms, { hardware, machine, memoryBytes, units: 0 }, utilisationSets);
  if (room === undefined) return false;
  place(fleet, variantId, room.id, request, undefined, ctx);
  return true;
}

/** One that is overloaded or disturbed there already would be joined in its trouble. */
function canTake(
  instances: readonly { readonly variantId: VariantId; readonly state: string }[],
  variantId: VariantId,
): boolean {
  return !instances.some(
    (each) =>
      each.variantId === variantId && (each.state === 'overloaded' || each.state === 'interfered'),
  );
}

/** The plan needs both: what serves on the one is no place for what would leave the other. */
function isPlannedOnBoth(
  { planning }: Fleet,
  { variantId, workerId, instanceId }: PlaceRequest,
  to: WorkerId,
): boolean {
  const isPlannedOn = (id: WorkerId): boolean => (planning.assignment[id]?.[variantId] ?? 0) > 0;
  return instanceId !== undefined && isPlannedOn(workerId) && isPlannedOn(to);
}

/** Asks a worker to load one more of a variant, or finds that one serves there that will do. */
export function place(
  fleet: Fleet,
  variantId: VariantId,
  to: WorkerId,
  request: PlaceRequest | undefined,
  removing: WorkerId | undefined,
  ctx: Context,
): void {
  const worker = fleet.workers.get(to)?.report.worker;
  if (worker === undefined) return;
  const there = servingOn(fleet, to, variantId);
  // What moves may join one that serves there; what is wanted besides is one more.
  const isMove = request === undefined || request.instanceId !== undefined;
  const count = isMove ? Math.max(1, there) : there + 1;
  fleet.placements.push({
    ...{ variantId, to, count, request, removing },
    untilMs: ctx.nowMs + fleet.options.config.placeTimeoutMs,
  });
  ctx.tell(worker, { type: 'worker.load-variant', variantId, count });
}

/** Placements that are done are told; those that took too long are forgotten. */
export function settlePlacements(fleet: Fleet, ctx: Context): void {
  fleet.placements = fleet.placements.filter((placement) => {
    const { variantId, to, count, request, removing, untilMs } = placement;
    if (ctx.nowMs >= untilMs || !fleet.workers.has(to)) {
      // Without a place for what it serves a worker is not removed.
      if (removing !== undefined) fleet.removing.delete(removing);
      return false;
    }
    if (servingOn(fleet, to, variantId) < count) return true;
    if (request !== undefined) {
      ctx.tell(request.worker, {
        type: 'worker.placed-elsewhere',
        variantId,
        instanceId: request.instanceId,
      });
    }
    return false;
  });
}

function servingOn({ workers }: Fleet, id: WorkerId, variantId: VariantId): number {
  const instances = workers.get(id)?.report.instances ?? [];
  return instances.filter((each) => each.variantId === variantId && isJudged(each.state)).length;
}
