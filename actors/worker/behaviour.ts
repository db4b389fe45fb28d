/**
 * A worker: owns a slice of a machine, supervises the instances loaded there, and routes queries to
 * them. Its router passes a query to the instance the dispatcher chose, to that instance's
 * successor when it is gone, or loads the variant when there is none.
 */

import type {
  ActorContext,
  ActorSpec,
  Lane,
  Ref,
  Refusal,
  Terminated,
} from '../../runtime/actor.ts';
import { refOf, refusal } from '../../runtime/actor.ts';
import { assertNever } from '../../runtime/assert.ts';
import {
  decideAfterFailure,
  restartPolicy,
  type SupervisionPolicy,
} from '../../runtime/supervision.ts';
import type { ControllerMessage } from '../controller/protocol.ts';
import type { Hardware } from '../domain/hardware.ts';
import type { InstanceId } from '../domain/instance.ts';
import { type OutcomeCode, queryError } from '../domain/outcome.ts';
import type { Variant, VariantId } from '../domain/variant.ts';
import type { WorkerId, WorkerReport } from '../domain/worker.ts';
import { type InstanceConfig, instanceSpec } from '../instance/behaviour.ts';
import type { EngineCommand } from '../instance/engine-port.ts';
import type { InstanceMessage } from '../instance/protocol.ts';
import { type MonitorConfig, monitorSpec } from '../monitor/behaviour.ts';
import type { MonitorMessage } from '../monitor/protocol.ts';
import type {
  CancelQuery,
  QueryFinished,
  RunQuery,
  WorkerEvent,
  WorkerMessage,
} from './protocol.ts';

export interface WorkerConfig {
  readonly mailboxMax: number;
  readonly instancesMax: number;
  /** Instances to keep of each variant from the start on; lost ones are loaded again. */
  readonly preload: Readonly<Record<VariantId, number>>;
  readonly baseMemoryBytes: number;
  /** When an instance fails: how often, and after what pause, its variant may load again here. */
  readonly reload: SupervisionPolicy;
  readonly instance: InstanceConfig;
  readonly monitor: MonitorConfig;
}

export const reloadPolicy: SupervisionPolicy = {
  ...restartPolicy,
  restartsMax: 5,
  withinMs: 30_000,
};

export interface WorkerOptions {
  readonly id: WorkerId;
  readonly node: string;
  readonly epoch: () => number;
  readonly hardware: readonly Hardware[];
  readonly engine: Ref<EngineCommand>;
  readonly controller: Ref<ControllerMessage>;
  readonly config: WorkerConfig;
}

interface Loaded {
  readonly id: InstanceId;
  readonly ref: Ref<InstanceMessage>;
  readonly variant: Variant;
  /** It takes no more queries. */
  draining: boolean;
}

interface Working {
  readonly options: WorkerOptions;
  readonly monitor: Ref<MonitorMessage>;
  readonly variants: Map<VariantId, Variant>;
  /** Of the registry that it knows. */
  revision: number;
  readonly instances: Map<InstanceId, Loaded>;
  /** Those that take queries. */
  readonly byVariant: Map<VariantId, Loaded[]>;
  readonly wanted: Map<VariantId, number>;
  /** When each variant's instances failed here, for the intensity limit. */
  readonly failures: Map<VariantId, readonly number[]>;
  /** The newest of them in words, and when: instances of one engine host die of one cause. */
  readonly lastFailure: Map<VariantId, { readonly why: string; readonly atMs: number }>;
  /** Variants that failed too often here, until when. */
  readonly barredUntilMs: Map<VariantId, number>;
  dispatchers: readonly Ref<WorkerEvent>[];
  report: WorkerReport | undefined;
  readonly names: Names;
  /** Its node closes. */
  draining: boolean;
}

/** How many instances have been named. */
interface Names {
  given: number;
}

type Context = ActorContext<WorkerMessage>;

export function workerSpec(options: WorkerOptions): ActorSpec<Working, WorkerMessage> {
  // Kept over restarts: an instance must not have the name of one whose session still unloads.
  const names: Names = { given: 0 };
  return {
    start: (ctx) => startWorker(options, names, ctx),
    behaviour: workerBehaviour,
    supervision: restartPolicy,
    mailboxMax: options.config.mailboxMax,
    laneOf,
    refuse: (message) => refuseQuery(options, message),
    remoteTypes: [
      'worker.run-query',
      'worker.cancel-query',
      'worker.registry-changed',
      'worker.dispatchers-changed',
      'worker.load-variant',
      'worker.unload-variant',
    ],
  };
}

/** A cancellation stays behind its query, lest it comes before there is anything to cancel. */
function laneOf(message: WorkerMessage): Lane {
  const isWork = message.type === 'worker.run-query' || message.type === 'worker.cancel-query';
  return isWork ? 'work' : 'control';
}

function refuseQuery(options: WorkerOptions, message: WorkerMessage): Refusal | undefined {
  if (message.type !== 'worker.run-query') return undefined;
  const reply = refusedQuery(
    options,
    message,
    'overloaded',
    `worker ${options.id} takes no more queries now`,
  );
  return refusal(message.replyTo, reply);
}

function startWorker(options: WorkerOptions, names: Names, ctx: Context): Working {
  const { config } = options;
  // Before the node joined there is no epoch to be known under; joining attaches it then.
  if (options.epoch() > 0) {
    ctx.tell(options.controller, { type: 'controller.attach-worker', worker: ctx.self });
  }
  const monitor = ctx.spawn(
    monitorSpec({
      workerId: options.id,
      hardware: options.hardware,
      baseMemoryBytes: config.baseMemoryBytes,
      worker: ctx.self,
      instanceRef: (path) => refOf(options.node, 0, path),
      config: config.monitor,
    }),
    'monitor',
  );
  return {
    options,
    monitor,
    variants: new Map(),
    revision: 0,
    instances: new Map(),
    byVariant: new Map(),
    wanted: new Map(Object.entries(config.preload)),
    failures: new Map(),
    lastFailure: new Map(),
    barredUntilMs: new Map(),
    dispatchers: [],
    report: undefined,
    names,
    draining: false,
  };
}

function workerBehaviour(working: Working, message: WorkerMessage, ctx: Context): Working {
  switch (message.type) {
    case 'worker.run-query':
      route(working, message, ctx);
      return working;
    case 'worker.cancel-query':
      passCancel(working, message, ctx);
      return working;
    case 'worker.registry-changed':
      takeRegistry(working, message, ctx);
      return working;
    case 'worker.dispatchers-changed':
      working.dispatchers = message.dispatchers;
      sendReport(working, ctx);
      return working;
    case 'worker.load-variant':
      want(working, message.variantId, message.count);
      loadWanted(working, ctx);
      return working;
    case 'worker.unload-variant':
      unloadVariant(working, message.variantId, ctx);
      return working;
    case 'worker.drain':
      drain(working, ctx);
      return working;
    case 'worker.instance-terminated':
      forget(working, message.instanceId, message.terminated, ctx);
      return working;
    case 'worker.reload-due':
      loadWanted(working, ctx);
      return working;
    case 'worker.report-gathered':
      working.report = message.report;
      askUnreported(working, message.report, ctx);
      retireOutdated(working, message.report, ctx);
      sendReport(working, ctx);
      return working;
    default:
      return assertNever(message);
  }
}

function route(working: Working, query: RunQuery, ctx: Context): void {
  const chosen =
    query.instanceId === undefined ? undefined : working.instances.get(query.instanceId);
  if (chosen?.draining === false) {
    ctx.tell(chosen.ref, query);
    return;
  }
  const successors = working.byVariant.get(query.variantId) ?? [];
  const successor =
    successors.length > 0
      ? successors[Math.floor(ctx.random() * successors.length)]
      : loadFor(working, query, ctx);
  if (successor === undefined) return;
  ctx.tell(query.replyTo, {
    type: 'dispatcher.query-assigned',
    queryId: query.queryId,
    delivery: query.delivery,
    instanceId: successor.id,
    path: successor.ref.path,
  });
  ctx.tell(successor.ref, query);
}

/** Loads the variant of a query that came for none; tells the dispatcher when that cannot be. */
function loadFor(working: Working, query: RunQuery, ctx: Context): Loaded | undefined {
  const variant = working.variants.get(query.variantId);
  const obstacle =
    variant === undefined
      ? `worker ${working.options.id} does not know variant ${query.variantId} yet`
      : obstacleToLoad(working, variant, ctx.nowMs);
  if (variant !== undefined && obstacle === undefined) return load(working, variant, ctx);
  ctx.tell(query.replyTo, refusedQuery(working.options, query, 'unavailable', obstacle ?? ''));
  return undefined;
}

function refusedQuery(
  options: WorkerOptions,
  query: RunQuery,
  code: OutcomeCode,
  message: string,
): QueryFinished {
  return {
    type: 'dispatcher.query-finished',
    queryId: query.queryId,
    delivery: query.delivery,
    epoch: options.epoch(),
    instanceId: query.instanceId ?? options.id,
    outcome: { ok: false, error: queryError(code, message), retry: 'refused' },
    backlogMs: 0,
  };
}

/** Why a variant cannot be loaded here now, or undefined. Memory is never over-committed. */
function obstacleToLoad(working: Working, variant: Variant, nowMs: number): string | undefined {
  const { options } = working;
  if (working.draining) return `worker ${options.id} is shutting down`;
  if (nowMs < (working.barredUntilMs.get(variant.id) ?? -Infinity)) {
    return `variant ${variant.id} failed too often on worker ${options.id}; it is tried later`;
  }
  if (working.instances.size >= options.config.instancesMax) {
    return `worker ${options.id} holds ${String(working.instances.size)} instances, its limit`;
  }
  const hardware = options.hardware.find(({ kind }) => kind === variant.hardware);
  if (hardware === undefined) return `worker ${options.id} has no ${variant.hardware}`;
  let usedBytes = options.config.baseMemoryBytes;
  for (const loaded of working.instances.values()) usedBytes += loaded.variant.profile.memoryBytes;
  const freeBytes = hardware.memoryBytes - usedBytes;
  if (variant.profile.memoryBytes > freeBytes) {
    const needs = `${variant.id} needs ${String(variant.profile.memoryBytes)} bytes`;
    return `${needs}, worker ${options.id} has ${String(Math.max(0, freeBytes))} left`;
  }
  return undefined;
}

function load(working: Working, variant: Variant, ctx: Context): Loaded {
  working.names.given += 1;
  const name = `${variant.id}-${String(working.names.given)}`;
  const id = `${working.options.id}/${name}`;
  const spec = instanceSpec({
    id,
    epoch: working.options.epoch,
    variant,
    engine: working.options.engine,
    monitor: working.monitor,
    config: working.options.config.instance,
  });
  const loaded: Loaded = { id, ref: ctx.spawn(spec, name), variant, draining: false };
  ctx.watch(loaded.ref, (terminated) => ({
    type: 'worker.instance-terminated',
    instanceId: id,
    terminated,
  }));
  working.instances.set(id, loaded);
  const alike = working.byVariant.get(variant.id);
  if (alike === undefined) working.byVariant.set(variant.id, [loaded]);
  else alike.push(loaded);
  ctx.metrics.count('infaas_loads_total', 1, { variant: variant.id });
  return loaded;
}

function passCancel(working: Working, cancel: CancelQuery, ctx: Context): void {
  const chosen =
    cancel.instanceId === undefined ? undefined : working.instances.get(cancel.instanceId);
  if (chosen?.draining === false) {
    ctx.tell(chosen.ref, cancel);
    return;
  }
  // The router chose for it: whoever has it takes it out.
  for (const { ref } of working.byVariant.get(cancel.variantId) ?? []) ctx.tell(ref, cancel);
}

type RegistryChanged = Extract<WorkerMessage, { type: 'worker.registry-changed' }>;

function takeRegistry(working: Working, message: RegistryChanged, ctx: Context): void {
  const { since, revision, variants, removed = [] } = message;
  if (since !== undefined && since !== working.revision) {
    // A change from something that never came: whoever attaches is given the whole.
    ctx.tell(working.options.controller, { type: 'controller.attach-worker', worker: ctx.self });
    return;
  }
  working.revision = revision;
  if (since === undefined) working.variants.clear();
  for (const id of removed) working.variants.delete(id);
  for (const variant of variants) working.variants.set(variant.id, variant);
  for (const variantId of working.byVariant.keys()) {
    if (working.variants.has(variantId)) loadSuccessor(working, variantId, ctx);
    else unloadVariant(working, variantId, ctx);
  }
  loadWanted(working, ctx);
}

/**
 * A variant may be registered anew with another file. What is loaded serves until the new one does
 * (`retireOutdated`), so that no query meets a gap.
 */
function loadSuccessor(working: Working, variantId: VariantId, ctx: Context): void {
  const variant = working.variants.get(variantId);
  const alike = working.byVariant.get(variantId) ?? [];
  if (variant === undefined || alike.some((loaded) => isCurrent(loaded, variant))) return;
  const obstacle = obstacleToLoad(working, variant, ctx.nowMs);
  if (obstacle === undefined) {
    load(working, variant, ctx);
    return;
  }
  // There is no room for both: a query waits for the load instead.
  ctx.log.warn('the old version is unloaded first', { variant: variantId, obstacle });
  unloadAll(working, variantId, ctx);
}

function isCurrent(loaded: Loaded, variant: Variant): boolean {
  return loaded.variant.file.sha256 === variant.file.sha256;
}

/** Once an instance of the new file is ready, those of an older one take nothing more. */
function retireOutdated(working: Working, report: WorkerReport, ctx: Context): void {
  const ready = new Set<InstanceId>();
  for (const { id, state } of report.instances) if (state !== 'loading') ready.add(id);
  for (const [variantId, alike] of working.byVariant) {
    const variant = working.variants.get(variantId);
    if (variant === undefined) continue;
    const current = alike.filter((loaded) => isCurrent(loaded, variant));
    if (current.length === alike.length || !current.some(({ id }) => ready.has(id))) continue;
    for (const loaded of alike) if (!current.includes(loaded)) retire(loaded, ctx);
    working.byVariant.set(variantId, current);
  }
}

function retire(loaded: Loaded, ctx: Context): void {
  loaded.draining = true;
  ctx.tell(loaded.ref, { type: 'instance.drain' });
}

/** Several dispatchers may ask for the same; the largest count holds. */
function want(working: Working, variantId: VariantId, count: number): void {
  working.wanted.set(variantId, Math.max(count, working.wanted.get(variantId) ?? 0));
}

/** Brings every wanted variant to its count, as far as memory and past failures allow. */
function loadWanted(working: Working, ctx: Context): void {
  for (const [variantId, count] of working.wanted) {
    const variant = working.variants.get(variantId);
    if (variant === undefined) continue;
    while ((working.byVariant.get(variantId)?.length ?? 0) < count) {
      const obstacle = obstacleToLoad(working, variant, ctx.nowMs);
      if (obstacle !== undefined) {
        ctx.log.warn('wanted variant not loaded', { variant: variantId, obstacle });
        break;
      }
      load(working, variant, ctx);
    }
  }
}

function drain(working: Working, ctx: Context): void {
  working.draining = true;
  for (const variantId of [...working.byVariant.keys()]) unloadVariant(working, variantId, ctx);
  if (working.instances.size === 0) ctx.stop();
}

function unloadVariant(working: Working, variantId: VariantId, ctx: Context): void {
  working.wanted.delete(variantId);
  unloadAll(working, variantId, ctx);
}

function unloadAll(working: Working, variantId: VariantId, ctx: Context): void {
  for (const loaded of working.byVariant.get(variantId) ?? []) retire(loaded, ctx);
  working.byVariant.delete(variantId);
}

/**
 * An instance ended. Its queries are placed again by their dispatchers; here only its place goes.
 */
function forget(
  working: Working,
  instanceId: InstanceId,
  terminated: Terminated,
  ctx: Context,
): void {
  const loaded = working.instances.get(instanceId);
  if (loaded === undefined) return;
  const variantId = loaded.variant.id;
  working.instances.delete(instanceId);
  const left = (working.byVariant.get(variantId) ?? []).filter(({ id }) => id !== instanceId);
  if (left.length > 0) working.byVariant.set(variantId, left);
  else working.byVariant.delete(variantId);
  ctx.tell(working.monitor, { type: 'monitor.instance-gone', instanceId });
  if (working.draining) {
    if (working.instances.size === 0) ctx.stop();
    return;
  }
  if (terminated.reason !== 'failed') return;
  // It had no last words: if its engine outlived it, the session is released from here.
  ctx.tell(working.options.engine, { type: 'engine.unload-variant', instanceId });
  ctx.metrics.count('infaas_instances_failed_total', 1, { variant: variantId });
  ctx.log.warn('instance failed', { instance: instanceId, detail: terminated.detail });
  if (isSameIncident(working, variantId, terminated.detail, ctx.nowMs)) return;
  const { reload } = working.options.config;
  const decision = decideAfterFailure(reload, working.failures.get(variantId) ?? [], ctx.nowMs);
  if (decision.do === 'restart') {
    working.failures.set(variantId, decision.history);
    ctx.after(decision.afterMs, `reload ${variantId}`, { type: 'worker.reload-due' });
  } else {
    working.barredUntilMs.set(variantId, ctx.nowMs + reload.withinMs);
    ctx.after(reload.withinMs, `reload ${variantId}`, { type: 'worker.reload-due' });
    ctx.log.error('variant barred on this worker', { variant: variantId, forMs: reload.withinMs });
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

/** A monitor that was started anew knows only who spoke since; an idle instance does not speak. */
function askUnreported(working: Working, report: WorkerReport, ctx: Context): void {
  if (report.instances.length >= working.instances.size) return;
  const reported = new Set(report.instances.map(({ id }) => id));
  for (const { id, ref } of working.instances.values()) {
    if (!reported.has(id)) ctx.tell(ref, { type: 'instance.give-account' });
  }
}

function sendReport(working: Working, ctx: Context): void {
  if (working.report === undefined) return;
  for (const dispatcher of working.dispatchers) {
    ctx.tell(dispatcher, {
      type: 'dispatcher.worker-reported',
      worker: ctx.self,
      report: working.report,
      dispatchers: working.dispatchers.length,
    });
  }
}
