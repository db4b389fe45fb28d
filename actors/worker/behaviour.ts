/**
 * A worker: owns a slice of a machine, supervises the instances loaded there, and routes queries to
 * them. Its router passes a query to the instance the dispatcher chose, to that instance's
 * successor when it is gone, or loads the variant when there is none.
 */

import type {
  ActorSpec,
  Address,
  Lane,
  Ref,
  Refusal,
  RefusalReason,
  Terminated,
} from '../../runtime/actor.ts';
import { refOf, refusal, sameAddress } from '../../runtime/actor.ts';
import { assertNever } from '../../runtime/assert.ts';
import { restartPolicy, type SupervisionPolicy } from '../../runtime/supervision.ts';
import type { ControllerMessage } from '../controller/protocol.ts';
import { attach, type Attachment, awaitWord } from '../domain/attachment.ts';
import { tellDecision } from '../domain/decision.ts';
import { isJudged, type InstanceId } from '../domain/instance.ts';
import type { Variant, VariantId } from '../domain/variant.ts';
import type { WorkerReport } from '../domain/worker.ts';
import type { SessionReleased } from '../instance/engine-port.ts';
import { modelAutoscalerSpec } from '../model-autoscaler/behaviour.ts';
import type { ScalingInstance } from '../policy/scaling/view.ts';
import { monitorSpec } from '../monitor/behaviour.ts';
import {
  forget,
  freeBytes,
  idleInstances,
  loadWanted,
  movingOf,
  reloadAfter,
  unloadVariant,
  want,
} from './loading.ts';
import { refusals, type WorkerMessage } from './protocol.ts';
import { giveBackHeld, passCancel, refusedQuery, route, routeHeld } from './routing.ts';
import { advance, carryOut, disinherit, leaveTo, renew, reportToFleet } from './succession.ts';
import {
  type Context,
  type Lasting,
  type Loaded,
  type Registry,
  registryOf,
  runnableOn,
  sinksOf,
  type WorkerOptions,
  type Working,
} from './working.ts';

export type { WorkerConfig, WorkerOptions } from './working.ts';

export const reloadPolicy: SupervisionPolicy = {
  ...restartPolicy,
  restartsMax: 5,
  withinMs: 30_000,
};

export function workerSpec(options: WorkerOptions): ActorSpec<Working, WorkerMessage> {
  // An instance must not have the name, nor the memory, of one whose session still unloads.
  const lasting: Lasting = { named: 0, sessions: new Map(), held: [] };
  return {
    start: (ctx) => startWorker(options, lasting, ctx),
    behaviour: workerBehaviour,
    supervision: restartPolicy,
    mailboxMax: options.config.mailboxMax,
    laneOf,
    refuse: (message, reason) => refuseQuery(options, message, reason),
    remoteTypes: [
      'worker.run-query',
      'worker.cancel-query',
      'worker.registry-changed',
      'worker.dispatchers-changed',
      'worker.load-variant',
      'worker.unload-variant',
      'worker.placed-elsewhere',
      'worker.plan-assigned',
    ],
  };
}

/** A cancellation stays behind its query, lest it comes before there is anything to cancel. */
function laneOf(message: WorkerMessage): Lane {
  const isWork = message.type === 'worker.run-query' || message.type === 'worker.cancel-query';
  return isWork ? 'work' : 'control';
}

function refuseQuery(
  options: WorkerOptions,
  message: WorkerMessage,
  reason: RefusalReason,
): Refusal | undefined {
  if (message.type !== 'worker.run-query') return undefined;
  const { code, why, retry } = refusals[reason];
  const reply = refusedQuery(options, message, code, `worker ${options.id} ${why}`, retry);
  return refusal(message.replyTo, reply);
}

function startWorker(options: WorkerOptions, lasting: Lasting, ctx: Context): Working {
  const { config } = options;
  for (const instanceId of lasting.sessions.keys()) {
    // Its instance, which ended with the worker, may have had no last words.
    const releasedTo: Ref<SessionReleased> = ctx.self;
    ctx.tell(options.engine, { type: 'engine.unload-variant', instanceId, releasedTo });
  }
  attach(attachmentOf(options, ctx), ctx);
  // Whoever owns them finds a place for them sooner than this life has one.
  giveBackHeld(options, lasting, `worker ${options.id} was started anew`, ctx);
  const monitor = ctx.spawn(
    monitorSpec({
      workerId: options.id,
      hardware: options.hardware,
      baseMemoryBytes: config.baseMemoryBytes,
      worker: ctx.self,
      registrar: options.registrar,
      profiler: options.profiler,
      instanceRef: (path) => refOf(options.node, 0, path),
      config: config.monitor,
    }),
    'monitor',
  );
  const autoscaler = ctx.spawn(
    modelAutoscalerSpec({
      workerId: options.id,
      hardware: options.hardware,
      floors: config.preload,
      worker: ctx.self,
      engine: options.engine,
      config: config.scaling,
    }),
    'model-autoscaler',
  );
  return {
    options,
    monitor,
    autoscaler,
    registry: registryOf([]),
    revision: 0,
    instances: new Map(),
    byVariant: new Map(),
    wanted: new Map(Object.entries(config.preload)),
    failures: new Map(),
    lastFailure: new Map(),
    barredUntilMs: new Map(),
    movedAtMs: new Map(),
    makingRoom: false,
    loads: new Map(),
    dispatchers: [],
    report: undefined,
    lasting,
    leaving: new Map(lasting.sessions),
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
      takeDispatchers(working, message, ctx);
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
      bury(working, message.instanceId, message.terminated, ctx);
      return working;
    case 'worker.session-released':
      working.lasting.sessions.delete(message.instanceId);
      if (working.leaving.delete(message.instanceId)) fillRoom(working, ctx);
      return working;
    case 'worker.attach-due':
      attach(attachmentOf(working.options, ctx), ctx, message.silences);
      return working;
    case 'worker.reload-due':
      loadWanted(working, ctx);
      return working;
    case 'worker.report-gathered':
      working.report = message.report;
      askUnreported(working, message.report, ctx);
      working.loads = new Map(message.loads.map((each) => [each.id, each]));
      advance(working, ctx);
      sendReport(working, ctx);
      tellAutoscaler(working, ctx);
      return working;
    case 'worker.carry-out':
      for (const decision of message.decisions) {
        tellDecision(sinksOf(working), decision, ctx);
      }
      if (!working.draining) carryOut(working, message.actions, ctx);
      reportToFleet(working, ctx);
      return working;
    case 'worker.plan-assigned':
      ctx.tell(working.autoscaler, {
        type: 'model-autoscaler.plan-assigned',
        counts: message.counts,
      });
      return working;
    case 'worker.placed-elsewhere':
      leaveTo(working, message.instanceId, ctx);
      return working;
    default:
      return assertNever(message);
  }
}

/** Told of again and again: only what is new is worth a report. */
function takeDispatchers(
  working: Working,
  { dispatchers, revision }: Extract<WorkerMessage, { type: 'worker.dispatchers-changed' }>,
  ctx: Context,
): void {
  // A change of the registry never came: whoever attaches is given the whole.
  if (revision !== undefined && revision !== working.revision)
    attach(attachmentOf(working.options, ctx), ctx);
  else awaitWord(attachmentOf(working.options, ctx), ctx);
  const known = working.dispatchers;
  const isSame = (ref: Address, at: number): boolean => {
    const there = known[at];
    return there !== undefined && sameAddress(ref, there);
  };
  if (dispatchers.length === known.length && dispatchers.every(isSame)) return;
  working.dispatchers = dispatchers;
  sendReport(working, ctx);
}

function attachmentOf(
  { controller, epoch, config }: WorkerOptions,
  ctx: Context,
): Attachment<ControllerMessage, WorkerMessage> {
  return {
    ...{ controller, epoch, forgottenMs: config.forgottenMs },
    message: { type: 'controller.attach-worker', worker: ctx.self },
    due: (silences) => ({ type: 'worker.attach-due', silences }),
  };
}

type RegistryChanged = Extract<WorkerMessage, { type: 'worker.registry-changed' }>;

function takeRegistry(working: Working, message: RegistryChanged, ctx: Context): void {
  const { since, revision, variants, removed = [] } = message;
  if (since !== undefined && since !== working.revision) {
    // A change from something that never came: whoever attaches is given the whole.
    attach(attachmentOf(working.options, ctx), ctx);
    return;
  }
  working.revision = revision;
  working.registry =
    since === undefined ? registryOf(variants) : changed(working.registry, variants, removed);
  const { byId } = working.registry;
  for (const variantId of [...working.byVariant.keys()]) {
    if (!byId.has(variantId)) unloadVariant(working, variantId, ctx);
  }
  for (const loaded of [...working.instances.values()]) {
    const variant = byId.get(loaded.variant.id);
    const isNewer = variant !== undefined && variant.file.sha256 !== loaded.variant.file.sha256;
    if (isNewer) renew(working, loaded, variant, ctx);
    else if (variant !== undefined) takeProfile(loaded, variant, ctx);
  }
  loadWanted(working, ctx);
}

function changed(
  { byId }: Registry,
  variants: readonly Variant[],
  removed: readonly VariantId[],
): Registry {
  const after = new Map(byId);
  for (const id of removed) after.delete(id);
  for (const variant of variants) after.set(variant.id, variant);
  return { list: [...after.values()], byId: after };
}

/** The same model, measured anew. */
function takeProfile(loaded: Loaded, variant: Variant, ctx: Context): void {
  const before = loaded.variant.profile;
  loaded.variant = variant;
  if (JSON.stringify(before) === JSON.stringify(variant.profile)) return;
  ctx.tell(loaded.ref, { type: 'instance.profile-changed', variant });
}

function drain(working: Working, ctx: Context): void {
  working.draining = true;
  const { options, lasting } = working;
  giveBackHeld(options, lasting, `worker ${options.id} is shutting down`, ctx);
  for (const variantId of [...working.byVariant.keys()]) unloadVariant(working, variantId, ctx);
  if (working.instances.size === 0) ctx.stop();
}

function bury(
  working: Working,
  instanceId: InstanceId,
  terminated: Terminated,
  ctx: Context,
): void {
  const loaded = forget(working, instanceId, ctx);
  if (loaded === undefined) return;
  disinherit(working, instanceId);
  if (working.draining) {
    if (working.instances.size === 0) ctx.stop();
    return;
  }
  if (terminated.reason === 'failed') reloadAfter(working, loaded, terminated, ctx);
  fillRoom(working, ctx);
}

/** Something has given way: what waited for it comes in. */
function fillRoom(working: Working, ctx: Context): void {
  if (!working.makingRoom) return;
  working.makingRoom = false;
  routeHeld(working, ctx);
  loadWanted(working, ctx);
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
  let reclaimableBytes = 0;
  for (const { memoryBytes } of idleInstances(working, ctx.nowMs)) reclaimableBytes += memoryBytes;
  const { workerId, hardware, memoryUsedBytes, utilisation, instances } = working.report;
  const { onlineUtilisation } = working.report;
  const report: WorkerReport = {
    workerId,
    hardware,
    memoryUsedBytes,
    utilisation,
    onlineUtilisation,
    instances,
    reclaimableBytes,
  };
  for (const dispatcher of working.dispatchers) {
    ctx.tell(dispatcher, {
      type: 'dispatcher.worker-reported',
      worker: ctx.self,
      report,
      dispatchers: working.dispatchers.length,
    });
  }
}

function tellAutoscaler(working: Working, ctx: Context): void {
  const { autoscaler, options, report, loads, instances } = working;
  const [kind] = options.hardware;
  const moving = movingOf(working);
  const seenInstances: ScalingInstance[] = [];
  for (const { id, variantId, state, slowdown, queued } of report?.instances ?? []) {
    const loaded = instances.get(id);
    if (loaded === undefined) continue;
    const load = loads.get(id);
    seenInstances.push({
      id,
      variantId,
      // What it was told to do counts, not what it has done already.
      state: loaded.draining && isJudged(state) ? 'draining' : state,
      slowdown,
      demand: load?.demand ?? noDemand,
      idleMs: ctx.nowMs - loaded.usedAtMs,
      queued,
      running: load?.running ?? 0,
      moving: moving.has(id),
    });
  }
  ctx.tell(autoscaler, {
    type: 'model-autoscaler.worker-seen',
    memoryFreeBytes: kind === undefined ? 0 : freeBytes(working, kind.kind),
    variants: runnableOn(working.registry, options.hardware),
    instances: seenInstances,
  });
}

const noDemand: ScalingInstance['demand'] = [];
