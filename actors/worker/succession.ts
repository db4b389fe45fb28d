/**
 * Successions: an instance gives way to another that is loaded first. One path for what moves to
 * other cores, for up- and downgrades, and for new versions of a variant. While the successor loads
 * the old one serves; when it is ready it gets what waits, and what runs is finished.
 */

import type { ClassDemand } from '../domain/demand.ts';
import { type InstanceId, isJudged } from '../domain/instance.ts';
import type { Variant } from '../domain/variant.ts';
import type { ScaleAction } from '../policy/scaling/view.ts';
import { saturationQps } from '../domain/profile.ts';
import {
  drainInstance,
  load,
  loadWanted,
  movedAway,
  obstacleToLoad,
  wantNoMore,
  stayAwayMs,
} from './loading.ts';
import type { Context, Loaded, Working } from './working.ts';

/** What the model-autoscaler decided. */
export function carryOut(working: Working, actions: readonly ScaleAction[], ctx: Context): void {
  for (const action of actions) {
    switch (action.do) {
      case 'load':
        if (knowsOfMove(working, action)) working.movedAtMs.delete(action.variantId);
        working.wanted.set(
          action.variantId,
          (working.byVariant.get(action.variantId)?.length ?? 0) + action.count,
        );
        loadWanted(working, ctx);
        break;
      case 'unload':
        retire(working, action.instanceId, ctx);
        break;
      case 'replace':
        succeed(working, action.instanceId, working.registry.byId.get(action.variantId), ctx);
        break;
      case 'migrate':
        succeed(
          working,
          action.instanceId,
          working.instances.get(action.instanceId)?.variant,
          ctx,
          action.cores,
        );
        break;
      default:
        askElsewhere(working, action, ctx);
    }
  }
}

/** Drains an instance for good. */
function retire(working: Working, instanceId: InstanceId, ctx: Context): void {
  const loaded = working.instances.get(instanceId);
  if (loaded === undefined || loaded.draining) return;
  drainInstance(working, loaded, { type: 'instance.drain' }, ctx);
  wantNoMore(working, loaded.variant.id);
}

/** Loads a successor; false where that cannot be, and then all stays as it is. */
function succeed(
  working: Working,
  instanceId: InstanceId,
  variant: Variant | undefined,
  ctx: Context,
  cores?: readonly number[],
): boolean {
  const old = working.instances.get(instanceId);
  if (old === undefined || old.draining || old.successorId !== undefined) return false;
  if (variant === undefined) return false;
  const obstacle =
    movedAway(working, variant, ctx.nowMs) ?? obstacleToLoad(working, variant, ctx.nowMs);
  if (obstacle !== undefined) {
    ctx.log.warn('no successor loaded', { instance: instanceId, variant: variant.id, obstacle });
    return false;
  }
  const why = `it succeeds ${old.id}`;
  old.successorId = load(working, variant, why, ctx, cores).id;
  ctx.metrics.count('infaas_successions_total', 1, { variant: variant.id });
  return true;
}

/** With each report: successors that have loaded take over. */
export function advance(working: Working, ctx: Context): void {
  for (const seen of working.report?.instances ?? []) {
    const loaded = working.instances.get(seen.id);
    if (loaded !== undefined && isJudged(seen.state)) loaded.ready = true;
  }
  for (const old of [...working.instances.values()]) {
    const successor =
      old.successorId === undefined ? undefined : working.instances.get(old.successorId);
    if (old.draining || successor?.ready !== true) continue;
    const sameVariant = successor.variant.id === old.variant.id;
    // Queries of another variant may ask what the successor is not: their dispatchers know.
    const message = sameVariant
      ? ({
          type: 'instance.hand-over',
          successorId: successor.id,
          successor: successor.ref,
        } as const)
      : ({ type: 'instance.drain' } as const);
    drainInstance(working, old, message, ctx);
    if (sameVariant) successor.usedAtMs = ctx.nowMs;
    else wantNoMore(working, old.variant.id);
    ctx.log.info('successor took over', { instance: old.id, successor: successor.id });
  }
}

/** A successor ended before it took over: the old one stays. */
export function disinherit(working: Working, gone: InstanceId): void {
  for (const old of working.instances.values()) {
    if (old.successorId === gone) old.successorId = undefined;
  }
}

/**
 * A new version of what is loaded: the new one is loaded first where there is room for both, else
 * the old one makes the room.
 */
export function renew(working: Working, loaded: Loaded, variant: Variant, ctx: Context): void {
  if (loaded.draining || loaded.successorId !== undefined) return;
  if (succeed(working, loaded.id, variant, ctx)) return;
  working.wanted.set(variant.id, working.byVariant.get(variant.id)?.length ?? 1);
  working.makingRoom = true;
  drainInstance(working, loaded, { type: 'instance.drain' }, ctx);
}

function askElsewhere(
  working: Working,
  { variantId, instanceId }: Extract<ScaleAction, { do: 'place-elsewhere' }>,
  ctx: Context,
): void {
  const { fleet, id } = working.options;
  const variant = working.registry.byId.get(variantId);
  if (fleet === undefined || variant === undefined) return;
  ctx.tell(fleet, {
    type: 'fleet.place-variant',
    worker: ctx.self,
    workerId: id,
    variantId,
    hardware: variant.hardware,
    machine: variant.machine,
    memoryBytes: variant.profile.memoryBytes,
    instanceId,
  });
}

/** What workers report, once a second, is in a plan by then. */
const planKnowsMs = 3_000;

/** What is planned for here in spite of the move is needed: a slow core is better than none. */
function knowsOfMove(
  { movedAtMs }: Working,
  { variantId, plannedAtMs = -Infinity }: Extract<ScaleAction, { do: 'load' }>,
): boolean {
  return plannedAtMs >= (movedAtMs.get(variantId) ?? Infinity) + planKnowsMs;
}

/** It is loaded on another worker: the one here drains, and what waits there goes after it. */
export function leaveTo(working: Working, instanceId: InstanceId | undefined, ctx: Context): void {
  const loaded = instanceId === undefined ? undefined : working.instances.get(instanceId);
  if (loaded === undefined || loaded.draining || loaded.successorId !== undefined) return;
  const { id } = loaded.variant;
  working.movedAtMs.set(id, ctx.nowMs);
  ctx.after(stayAwayMs, `reload ${id}`, { type: 'worker.reload-due' });
  retire(working, loaded.id, ctx);
}

const noDemand: readonly ClassDemand[] = [];

/** Tells the fleet-autoscaler what it packs and plans by. */
export function reportToFleet(working: Working, ctx: Context): void {
  const { options, report, instances, loads } = working;
  if (options.fleet === undefined || report === undefined || working.draining) return;
  ctx.tell(options.fleet, {
    type: 'fleet.worker-reported',
    worker: ctx.self,
    workerId: options.id,
    hardware: options.hardware,
    memoryUsedBytes: report.memoryUsedBytes,
    utilisation: report.utilisation,
    instances: report.instances.flatMap(({ id, variantId, state, rateQps, slowdown }) => {
      const demand = loads.get(id)?.demand ?? noDemand;
      const variant = instances.get(id)?.variant;
      if (variant === undefined) return [];
      const { profile, batchMax, hardware, machine } = variant;
      const unitsUsed = rateQps / Math.max(1e-9, saturationQps(profile, batchMax));
      const { memoryBytes } = profile;
      const about = { variantId, state, memoryBytes, unitsUsed, slowdown, hardware, machine };
      return [{ ...about, demand }];
    }),
  });
}
