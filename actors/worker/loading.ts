/**
 * What a worker loads and unloads. Memory is never over-committed: a load that lacks it waits until
 * idle instances have given way, or is not done.
 */

import type { Terminated } from '../../runtime/actor.ts';
import { decideAfterFailure } from '../../runtime/supervision.ts';
import { type Decision, tellDecision } from '../domain/decision.ts';
import { runsOn } from '../domain/hardware.ts';
import { type InstanceId, isJudged } from '../domain/instance.ts';
import type { Variant, VariantId } from '../domain/variant.ts';
import { instanceSpec } from '../instance/behaviour.ts';
import type { InstanceMessage } from '../instance/protocol.ts';
import { type IdleInstance, planEviction } from '../policy/placement/evict.ts';
import { type Context, type Loaded, sinksOf, type Working } from './working.ts';

/** Why a variant cannot be loaded here now, or undefined. */
export function obstacleToLoad(
  working: Working,
  variant: Variant,
  nowMs: number,
): string | undefined {
  const lackBytes = memoryLackBytes(working, variant);
  const obstacle = obstacleBesidesMemory(working, variant, nowMs);
  if (obstacle !== undefined || lackBytes <= 0) return obstacle;
  const needs = `${variant.id} needs ${String(variant.profile.memoryBytes)} bytes`;
  const leftBytes = variant.profile.memoryBytes - lackBytes;
  return `${needs}, worker ${working.options.id} has ${String(Math.max(0, leftBytes))} left`;
}

function obstacleBesidesMemory(
  working: Working,
  variant: Variant,
  nowMs: number,
): string | undefined {
  const { options } = working;
  if (working.draining) return `worker ${options.id} is shutting down`;
  if (nowMs < (working.barredUntilMs.get(variant.id) ?? -Infinity)) {
    return `variant ${variant.id} failed too often on worker ${options.id}; it is tried later`;
  }
  if (working.instances.size >= options.config.instancesMax) {
    return `worker ${options.id} holds ${String(working.instances.size)} instances, its limit`;
  }
  if (options.hardware.some((hardware) => runsOn(hardware, variant))) return undefined;
  return options.hardware.some(({ kind }) => kind === variant.hardware)
    ? `variant ${variant.id} is made for ${String(variant.machine)}, not for worker ${options.id}`
    : `worker ${options.id} has no ${variant.hardware}`;
}

/**
 * The moved variant does not come back here before what disturbed it may have gone, unless a
 * dispatcher finds no better place for a query, or a plan none for the load.
 */
export const stayAwayMs = 30_000;

/** Why it is not loaded here unasked: it has just left for another worker. */
export function movedAway(
  { movedAtMs, options }: Working,
  { id }: Variant,
  nowMs: number,
): string | undefined {
  if (nowMs >= (movedAtMs.get(id) ?? -Infinity) + stayAwayMs) return undefined;
  return `variant ${id} has moved away from worker ${options.id}; it is loaded here later`;
}

function memoryLackBytes(working: Working, variant: Variant): number {
  return variant.profile.memoryBytes - freeBytes(working, variant.hardware);
}

/** What instances that unload hold counts as held until they have. */
export function freeBytes(
  { options, instances, leaving }: Working,
  kind: Variant['hardware'],
): number {
  const owned = options.hardware.find((hardware) => hardware.kind === kind)?.memoryBytes ?? 0;
  let usedBytes = options.config.baseMemoryBytes;
  for (const { variant } of instances.values()) usedBytes += variant.profile.memoryBytes;
  for (const { profile } of leaving.values()) usedBytes += profile.memoryBytes;
  return owned - usedBytes;
}

export function load(
  working: Working,
  variant: Variant,
  why: string,
  ctx: Context,
  cores?: readonly number[],
): Loaded {
  working.lasting.named += 1;
  const name = `${variant.id}-${String(working.lasting.named)}`;
  const id = `${working.options.id}/${name}`;
  const spec = instanceSpec({
    id,
    epoch: working.options.epoch,
    variant,
    cores,
    engine: working.options.engine,
    monitor: working.monitor,
    config: working.options.config.instance,
  });
  const loaded: Loaded = {
    id,
    ref: ctx.spawn(spec, name),
    variant,
    ready: false,
    draining: false,
    usedAtMs: ctx.nowMs,
    successorId: undefined,
  };
  ctx.watch(loaded.ref, (terminated) => ({
    type: 'worker.instance-terminated',
    instanceId: id,
    terminated,
  }));
  working.instances.set(id, loaded);
  working.lasting.sessions.set(id, variant);
  const alike = working.byVariant.get(variant.id);
  if (alike === undefined) working.byVariant.set(variant.id, [loaded]);
  else alike.push(loaded);
  ctx.metrics.count('infaas_loads_total', 1, { variant: variant.id });
  const { memoryBytes, loadMs } = variant.profile;
  decide(working, ctx, {
    ...{ kind: 'placement', subject: id, chosen: `load ${variant.id} as ${id}`, why },
    seen: { memoryBytes, loadMs, instances: working.instances.size },
    rejected: [],
  });
  return loaded;
}

/** Several dispatchers may ask for the same; the largest count holds. */
export function want(working: Working, variantId: VariantId, count: number): void {
  working.wanted.set(variantId, Math.max(count, working.wanted.get(variantId) ?? 0));
}

/** Lowers the count to what serves, never below what the owner wants kept. */
export function wantNoMore({ options, wanted, byVariant }: Working, variantId: VariantId): void {
  const floor = options.config.preload[variantId] ?? 0;
  const count = Math.max(floor, byVariant.get(variantId)?.length ?? 0);
  if (count > 0) wanted.set(variantId, count);
  else wanted.delete(variantId);
}

/** Brings every wanted variant to its count, as far as memory and past failures allow. */
export function loadWanted(working: Working, ctx: Context): void {
  for (const [variantId, count] of [...working.wanted]) {
    const variant = working.registry.byId.get(variantId);
    if (variant === undefined) continue;
    while ((working.byVariant.get(variantId)?.length ?? 0) < count) {
      const obstacle =
        movedAway(working, variant, ctx.nowMs) ?? obstacleToLoad(working, variant, ctx.nowMs);
      if (obstacle !== undefined) {
        if (!makeRoom(working, variant, ctx)) {
          ctx.log.warn('wanted variant not loaded', { variant: variantId, obstacle });
        }
        break;
      }
      load(working, variant, `${String(count)} of ${variantId} are wanted here`, ctx);
    }
  }
}

/**
 * Lets idle instances give way until `variant` fits. True when it will: it may be loaded once they
 * have unloaded.
 */
export function makeRoom(working: Working, variant: Variant, ctx: Context): boolean {
  if (obstacleBesidesMemory(working, variant, ctx.nowMs) !== undefined) return false;
  let neededBytes = memoryLackBytes(working, variant);
  for (const loaded of working.instances.values()) {
    if (loaded.draining) neededBytes -= loaded.variant.profile.memoryBytes;
  }
  for (const { profile } of working.leaving.values()) neededBytes -= profile.memoryBytes;
  const copies = new Map([...working.byVariant].map(([id, alike]) => [id, alike.length]));
  const idle = idleInstances(working, ctx.nowMs);
  const victims = planEviction({ idle, copies, neededBytes });
  if (victims === undefined) return false;
  working.makingRoom = true;
  for (const { id, idleMs, memoryBytes } of victims) {
    const victim = working.instances.get(id);
    if (victim === undefined) continue;
    drainInstance(working, victim, { type: 'instance.drain' }, ctx);
    wantNoMore(working, victim.variant.id);
    ctx.metrics.count('infaas_evictions_total', 1, { variant: victim.variant.id });
    decide(working, ctx, {
      kind: 'eviction',
      subject: id,
      chosen: `unload ${id} for ${variant.id}`,
      why: `${variant.id} lacks memory, and of what is idle this is worth least`,
      seen: { neededBytes, idleMs, memoryBytes, candidates: idle.length },
      rejected: [],
    });
  }
  return true;
}

/** Those that may give way: idle for long enough, beyond what the owner wants kept. */
export function idleInstances(working: Working, nowMs: number): IdleInstance[] {
  const { evictAfterMs, preload } = working.options.config;
  const idle: IdleInstance[] = [];
  let seenIdle: ReadonlySet<InstanceId> | undefined;
  const spare = new Map<VariantId, number>();
  for (const { id, variant, usedAtMs } of working.instances.values()) {
    if (nowMs - usedAtMs < evictAfterMs) continue;
    const alike = working.byVariant.get(variant.id)?.length ?? 0;
    const left = spare.get(variant.id) ?? alike - (preload[variant.id] ?? 0);
    seenIdle ??= idleByReport(working);
    if (left <= 0 || !seenIdle.has(id)) continue;
    spare.set(variant.id, left - 1);
    const { memoryBytes } = variant.profile;
    idle.push({ id, variantId: variant.id, memoryBytes, idleMs: nowMs - usedAtMs });
  }
  return idle;
}

function idleByReport(working: Working): ReadonlySet<InstanceId> {
  const { instances, loads, report } = working;
  const moving = movingOf(working);
  const idle = new Set<InstanceId>();
  for (const { id, state, queued, backlogMs } of report?.instances ?? []) {
    if (!isJudged(state) || queued > 0 || backlogMs !== 0) continue;
    if ((loads.get(id)?.running ?? 0) > 0 || moving.has(id)) continue;
    if (instances.get(id)?.draining === false) idle.add(id);
  }
  return idle;
}

const none: ReadonlySet<InstanceId> = new Set();

/** Those that give way to a successor, and the successors. */
export function movingOf({ instances }: Working): ReadonlySet<InstanceId> {
  let moving: Set<InstanceId> | undefined;
  for (const { id, successorId } of instances.values()) {
    if (successorId !== undefined) moving = (moving ?? new Set()).add(id).add(successorId);
  }
  return moving ?? none;
}

export function drainInstance(
  working: Working,
  loaded: Loaded,
  message: Extract<InstanceMessage, { type: 'instance.drain' | 'instance.hand-over' }>,
  ctx: Context,
): void {
  loaded.draining = true;
  ctx.tell(loaded.ref, message);
  removeFrom(working, loaded);
}

function removeFrom({ byVariant }: Working, { id, variant }: Loaded): void {
  const left = (byVariant.get(variant.id) ?? []).filter((alike) => alike.id !== id);
  if (left.length > 0) byVariant.set(variant.id, left);
  else byVariant.delete(variant.id);
}

export function unloadVariant(working: Working, variantId: VariantId, ctx: Context): void {
  working.wanted.delete(variantId);
  for (const loaded of [...(working.byVariant.get(variantId) ?? [])]) {
    drainInstance(working, loaded, { type: 'instance.drain' }, ctx);
  }
}

/** An instance ended. Its queries are placed again by their dispatchers; its place goes here. */
export function forget(working: Working, instanceId: InstanceId, ctx: Context): Loaded | undefined {
  const loaded = working.instances.get(instanceId);
  if (loaded === undefined) return undefined;
  working.instances.delete(instanceId);
  working.loads.delete(instanceId);
  working.lasting.sessions.delete(instanceId);
  removeFrom(working, loaded);
  ctx.tell(working.monitor, { type: 'monitor.instance-gone', instanceId });
  return loaded;
}

/** It had no last words: its variant is loaded again, or barred where it fails too often. */
export function reloadAfter(
  working: Working,
  { id, variant }: Loaded,
  terminated: Terminated,
  ctx: Context,
): void {
  // If its engine outlived it, the session is released from here.
  ctx.tell(working.options.engine, { type: 'engine.unload-variant', instanceId: id });
  ctx.metrics.count('infaas_instances_failed_total', 1, { variant: variant.id });
  ctx.log.warn('instance failed', { instance: id, detail: terminated.detail });
  if (isSameIncident(working, variant.id, terminated.detail, ctx.nowMs)) return;
  const { reload } = working.options.config;
  const decision = decideAfterFailure(reload, working.failures.get(variant.id) ?? [], ctx.nowMs);
  if (decision.do === 'restart') {
    working.failures.set(variant.id, decision.history);
    ctx.after(decision.afterMs, `reload ${variant.id}`, { type: 'worker.reload-due' });
  } else {
    working.barredUntilMs.set(variant.id, ctx.nowMs + reload.withinMs);
    ctx.after(reload.withinMs, `reload ${variant.id}`, { type: 'worker.reload-due' });
    ctx.log.error('variant barred on this worker', { variant: variant.id, forMs: reload.withinMs });
  }
}

/** Longer than the instances of a lost engine host take to end, shorter than a reload. */
const incidentMs = 50;

/** Several instances of a variant lost with their host are one failure of it. */
function isSameIncident(
  { lastFailure }: Working,
  variantId: VariantId,
  why: string,
  nowMs: number,
): boolean {
  const last = lastFailure.get(variantId);
  lastFailure.set(variantId, { why, atMs: nowMs });
  return last?.why === why && nowMs - last.atMs < incidentMs;
}

/** Logs a decision and keeps it where decisions are kept. */
export function decide(working: Working, ctx: Context, made: Omit<Decision, 'by' | 'atMs'>): void {
  const decision: Decision = { ...made, by: working.options.id, atMs: ctx.nowMs };
  tellDecision(sinksOf(working), decision, ctx);
}
