/**
 * An instance: one variant loaded on one worker. Queues by deadline, forms batches that its profile
 * says will finish in time, and gives each query's result to the dispatcher that owns it.
 *
 * It never tries to outlive its engine: when the engine is lost it fails, and supervision leads the
 * owning dispatchers to place what it held again (DESIGN.md, "Supervision handles migration").
 */

import type { ActorContext, ActorSpec, Lane, Ref, Refusal } from '../../runtime/actor.ts';
import { refusal } from '../../runtime/actor.ts';
import { assert, assertNever } from '../../runtime/assert.ts';
import { EngineFailed } from '../../runtime/errors.ts';
import { stopPolicy } from '../../runtime/supervision.ts';
import type { InstanceId, InstanceState } from '../domain/instance.ts';
import { type OutcomeCode, queryError } from '../domain/outcome.ts';
import { type LatencyPoint, latencyTable, saturationQps } from '../domain/profile.ts';
import type { Variant } from '../domain/variant.ts';
import type { MonitorMessage } from '../monitor/protocol.ts';
import { batchLimits } from '../policy/batching/adaptive.ts';
import { batchPolicies, type BatchPolicyName } from '../policy/batching/index.ts';
import type { QueryOutcome, RunQuery } from '../worker/protocol.ts';
import type { EngineCommand, EngineEvent } from './engine-port.ts';
import { arrivalsPerMs, createPace, observeArrival, observeRatio, type Pace } from './pace.ts';
import type { InstanceMessage } from './protocol.ts';
import { alikeIn, insertByDue, settleLate, takeBatch, type Waiting, waitingOf } from './queue.ts';

export interface InstanceConfig {
  readonly queueMax: number;
  readonly mailboxMax: number;
  readonly batching: BatchPolicyName;
  /** A batch counts as hung after this, or after `hangFactor` times its predicted time. */
  readonly hangMs: number;
  readonly hangFactor: number;
}

export interface InstanceOptions {
  readonly id: InstanceId;
  readonly epoch: () => number;
  readonly variant: Variant;
  readonly engine: Ref<EngineCommand>;
  readonly monitor: Ref<MonitorMessage>;
  readonly config: InstanceConfig;
}

interface Running {
  readonly batchId: number;
  readonly queries: readonly Waiting[];
  readonly startedMs: number;
  readonly size: number;
  /** By the profile, without slowdown. */
  readonly profiledMs: number;
}

interface Serving {
  readonly options: InstanceOptions;
  readonly latencyMs: Float64Array;
  slowed: { readonly slowdown: number; readonly latencyMs: Float64Array };
  /** Engine time that one more query owes, at the batch that pays. */
  readonly owedMs: number;
  readonly saturationQps: number;
  readonly pace: Pace;
  readonly queue: Waiting[];
  /** Queries of a failed batch, run one by one so that one bad input fails alone. */
  readonly suspects: Waiting[];
  state: InstanceState;
  running: Running | undefined;
  batches: number;
  memoryBytes: number;
  readyAtMs: number;
}

export function instanceSpec(options: InstanceOptions): ActorSpec<Serving, InstanceMessage> {
  return {
    start: (ctx) => startInstance(options, ctx),
    behaviour: instanceBehaviour,
    supervision: stopPolicy,
    mailboxMax: options.config.mailboxMax,
    laneOf,
    refuse: (message) => refuseQuery(options, message),
    onStop: (serving, ctx) => {
      // Stopped by its worker: a session that nobody releases would leak the model.
      if (serving.state !== 'unloaded') unload(serving, ctx);
    },
  };
}

/** A cancellation stays behind its query, lest it comes before there is anything to cancel. */
function laneOf(message: InstanceMessage): Lane {
  const isWork = message.type === 'worker.run-query' || message.type === 'worker.cancel-query';
  return isWork ? 'work' : 'control';
}

function refuseQuery(options: InstanceOptions, message: InstanceMessage): Refusal | undefined {
  if (message.type !== 'worker.run-query') return undefined;
  return refusal(message.replyTo, {
    type: 'dispatcher.query-finished',
    queryId: message.queryId,
    delivery: message.delivery,
    epoch: options.epoch(),
    instanceId: options.id,
    outcome: refused('overloaded', `instance ${options.id} takes no more queries now`),
    backlogMs: 0,
  });
}

function startInstance(options: InstanceOptions, ctx: ActorContext<InstanceMessage>): Serving {
  const { variant } = options;
  const latencyMs = latencyTable(variant.profile, variant.batchMax);
  const { efficient } = batchLimits(latencyMs);
  const serving: Serving = {
    options,
    latencyMs,
    slowed: { slowdown: 1, latencyMs },
    owedMs: (latencyMs[efficient] ?? 0) / efficient,
    saturationQps: saturationQps(variant.profile, variant.batchMax),
    pace: createPace(1),
    queue: [],
    suspects: [],
    state: 'loading',
    running: undefined,
    batches: 0,
    memoryBytes: variant.profile.memoryBytes,
    readyAtMs: ctx.nowMs + variant.profile.loadMs,
  };
  // Every kind of engine event is one of the instance's own messages, so the ref narrows safely.
  const replyTo: Ref<EngineEvent> = ctx.self;
  ctx.tell(options.engine, {
    type: 'engine.load-variant',
    instanceId: options.id,
    variant,
    replyTo,
  });
  account(serving, ctx, { urgent: true });
  return serving;
}

function instanceBehaviour(
  serving: Serving,
  message: InstanceMessage,
  ctx: ActorContext<InstanceMessage>,
): Serving {
  switch (message.type) {
    case 'worker.run-query':
      enqueue(serving, message, ctx);
      return serving;
    case 'worker.cancel-query':
      cancel(serving, message.queryId, ctx);
      return serving;
    case 'instance.variant-loaded':
      becomeActive(serving, message.memoryBytes, message.measured, ctx);
      return serving;
    case 'instance.load-failed':
      failLoading(serving, message.message, ctx);
      return serving;
    case 'instance.batch-ran':
      finishBatch(serving, message, ctx);
      return serving;
    case 'instance.batch-failed':
      failBatch(serving, message.batchId, message.message, ctx);
      return serving;
    case 'instance.wait-over':
      startBatch(serving, ctx);
      return serving;
    case 'instance.state-judged':
      if (isServing(serving.state)) serving.state = message.state;
      return serving;
    case 'instance.drain':
      drain(serving, ctx);
      return serving;
    case 'instance.variant-unloaded':
      serving.state = 'unloaded';
      ctx.stop();
      return serving;
    case 'instance.engine-lost':
      throw new EngineFailed(message.message, serving.options.id);
    default:
      return assertNever(message);
  }
}

function isServing(state: InstanceState): boolean {
  return state === 'active' || state === 'overloaded' || state === 'interfered';
}

function enqueue(serving: Serving, query: RunQuery, ctx: ActorContext<InstanceMessage>): void {
  const waiting = waitingOf(query, ctx.nowMs);
  if (serving.queue.length >= serving.options.config.queueMax) {
    finish(
      serving,
      ctx,
      waiting,
      refused('overloaded', `the queue of ${serving.options.id} is full`),
    );
    return;
  }
  if (serving.state === 'draining') {
    finish(
      serving,
      ctx,
      waiting,
      refused('unavailable', `instance ${serving.options.id} is draining`),
    );
    return;
  }
  observeArrival(serving.pace, ctx.nowMs);
  insertByDue(serving.queue, waiting);
  startBatch(serving, ctx);
  account(serving, ctx, {});
}

function cancel(serving: Serving, queryId: string, ctx: ActorContext<InstanceMessage>): void {
  for (const queue of [serving.queue, serving.suspects]) {
    const index = queue.findIndex((waiting) => waiting.query.queryId === queryId);
    if (index < 0) continue;
    queue.splice(index, 1);
    account(serving, ctx, {});
  }
}

function becomeActive(
  serving: Serving,
  memoryBytes: number,
  measured: readonly LatencyPoint[],
  ctx: ActorContext<InstanceMessage>,
): void {
  serving.memoryBytes = memoryBytes;
  serving.readyAtMs = ctx.nowMs;
  const ratios = measured.map(({ batch, ms }) => ms / profiledMs(serving, batch));
  if (ratios.length > 0) {
    const mean = ratios.reduce((sum, ratio) => sum + ratio, 0) / ratios.length;
    serving.pace.slowdown = Math.min(50, Math.max(0.02, mean));
  }
  if (serving.state === 'loading') serving.state = 'active';
  account(serving, ctx, { urgent: true });
  startBatch(serving, ctx);
}

function failLoading(serving: Serving, why: string, ctx: ActorContext<InstanceMessage>): void {
  const outcome = refused(
    'unavailable',
    `variant ${serving.options.variant.id} did not load: ${why}`,
  );
  for (const waiting of serving.queue.splice(0)) finish(serving, ctx, waiting, outcome);
  serving.state = 'failed';
  ctx.log.error('variant did not load', { variant: serving.options.variant.id, why });
  account(serving, ctx, { urgent: true });
  // Fails in a turn of its own: what a failing turn tells is discarded.
  ctx.tell(ctx.self, { type: 'instance.engine-lost', message: why });
}

/** T(b) by the profile; beyond its largest batch in proportion. */
function profiledMs(serving: Serving, size: number): number {
  const last = serving.latencyMs.length - 1;
  const ms = serving.latencyMs[Math.min(size, last)] ?? 0;
  return size <= last ? ms : (ms * size) / last;
}

function startBatch(serving: Serving, ctx: ActorContext<InstanceMessage>): void {
  if (serving.running !== undefined || serving.state === 'loading') return;
  const suspect = serving.suspects.shift();
  if (suspect !== undefined) {
    run(serving, [suspect], ctx);
    return;
  }
  dropLate(serving, ctx);
  const head = serving.queue[0];
  if (head === undefined) return;
  const { batchKey } = head.query;
  const plan = batchPolicies[serving.options.config.batching]({
    nowMs: ctx.nowMs,
    queue: alikeIn(serving.queue, batchKey, serving.latencyMs.length),
    latencyMs: slowed(serving),
    arrivalsPerMs: arrivalsPerMs(serving.pace, ctx.nowMs),
  });
  if (plan.do === 'wait') {
    ctx.after(plan.untilMs - ctx.nowMs, 'wait', { type: 'instance.wait-over' });
    return;
  }
  run(serving, takeBatch(serving.queue, batchKey, plan.count), ctx);
}

/** The latency table as observed here; made anew only when the pace has moved by more than 5 %. */
function slowed(serving: Serving): Float64Array {
  const { slowdown } = serving.pace;
  if (Math.abs(serving.slowed.slowdown / slowdown - 1) >= 0.05) {
    serving.slowed = { slowdown, latencyMs: serving.latencyMs.map((ms) => ms * slowdown) };
  }
  return serving.slowed.latencyMs;
}

function dropLate(serving: Serving, ctx: ActorContext<InstanceMessage>): void {
  const alone = (size: number): number => profiledMs(serving, size) * serving.pace.slowdown;
  for (const waiting of settleLate(serving.queue, ctx.nowMs, alone)) {
    const waitedMs = (ctx.nowMs - waiting.arrivedMs).toFixed(1);
    const where = `the queue of ${serving.options.id}`;
    const message = `dropped after ${waitedMs} ms in ${where}: it cannot finish in time`;
    finish(serving, ctx, waiting, {
      ok: false,
      error: queryError('deadline_exceeded', message),
      placeAgain: false,
    });
  }
}

function run(
  serving: Serving,
  queries: readonly Waiting[],
  ctx: ActorContext<InstanceMessage>,
): void {
  const { id, engine, config } = serving.options;
  let size = 0;
  for (const waiting of queries) size += waiting.size;
  const profiled = profiledMs(serving, size);
  serving.batches += 1;
  serving.running = {
    batchId: serving.batches,
    queries,
    startedMs: ctx.nowMs,
    size,
    profiledMs: profiled,
  };
  ctx.tell(engine, {
    type: 'engine.run-batch',
    instanceId: id,
    batchId: serving.batches,
    queries: queries.map(({ query }) => ({
      inputs: query.inputs,
      batch: query.batch,
      outputs: query.outputs,
    })),
    hangMs: Math.max(config.hangMs, profiled * serving.pace.slowdown * config.hangFactor),
  });
}

function takeRunning(serving: Serving, batchId: number): Running {
  const { running } = serving;
  assert(running?.batchId === batchId, `batch ${String(batchId)} is the one that runs`);
  serving.running = undefined;
  return running;
}

function finishBatch(
  serving: Serving,
  ran: Extract<EngineEvent, { type: 'instance.batch-ran' }>,
  ctx: ActorContext<InstanceMessage>,
): void {
  const running = takeRunning(serving, ran.batchId);
  assert(ran.results.length === running.queries.length, 'one result a query');
  const ratio = running.profiledMs > 0 ? ran.inferMs / running.profiledMs : 1;
  observeRatio(serving.pace, ratio);
  running.queries.forEach((waiting, index) => {
    finish(serving, ctx, waiting, {
      ok: true,
      outputs: ran.results[index] ?? {},
      batchSize: running.size,
      queueMs: running.startedMs - waiting.arrivedMs,
      inferMs: ran.inferMs,
    });
  });
  account(serving, ctx, { finished: running.queries.length, busyMs: ran.inferMs, ratio });
  goOn(serving, ctx);
}

function failBatch(
  serving: Serving,
  batchId: number,
  why: string,
  ctx: ActorContext<InstanceMessage>,
): void {
  const running = takeRunning(serving, batchId);
  const [only] = running.queries;
  if (running.queries.length > 1) {
    serving.suspects.push(...running.queries);
  } else if (only !== undefined) {
    const message = `${serving.options.variant.id} failed on this input: ${why}`;
    finish(serving, ctx, only, {
      ok: false,
      error: queryError('inference_failed', message, { variant: serving.options.variant.id }),
      placeAgain: false,
    });
  }
  goOn(serving, ctx);
}

/** After a batch: the next one, or, when draining, the end. */
function goOn(serving: Serving, ctx: ActorContext<InstanceMessage>): void {
  startBatch(serving, ctx);
  if (serving.state === 'draining' && serving.running === undefined) unload(serving, ctx);
}

/** Gives back what waits, finishes what runs, unloads. */
function drain(serving: Serving, ctx: ActorContext<InstanceMessage>): void {
  if (serving.state === 'draining') return;
  const wasLoading = serving.state === 'loading';
  serving.state = 'draining';
  const outcome = refused('unavailable', `instance ${serving.options.id} is draining`);
  for (const waiting of serving.queue.splice(0)) finish(serving, ctx, waiting, outcome);
  account(serving, ctx, { urgent: true });
  const idle = serving.running === undefined && serving.suspects.length === 0;
  if (wasLoading || idle) unload(serving, ctx);
}

function unload(serving: Serving, ctx: ActorContext<InstanceMessage>): void {
  ctx.tell(serving.options.engine, {
    type: 'engine.unload-variant',
    instanceId: serving.options.id,
  });
}

/** Refused, not run: another instance may take it. */
function refused(code: OutcomeCode, message: string): QueryOutcome {
  return { ok: false, error: queryError(code, message), placeAgain: true };
}

function finish(
  serving: Serving,
  ctx: ActorContext<InstanceMessage>,
  waiting: Waiting,
  outcome: QueryOutcome,
): void {
  ctx.tell(waiting.query.replyTo, {
    type: 'dispatcher.query-finished',
    queryId: waiting.query.queryId,
    delivery: waiting.query.delivery,
    epoch: serving.options.epoch(),
    instanceId: serving.options.id,
    outcome,
    backlogMs: backlogMs(serving, ctx.nowMs),
  });
}

/** Profiled milliseconds of work queued and running; observers apply the slowdown themselves. */
function backlogMs(serving: Serving, nowMs: number): number {
  const { running } = serving;
  const left = running === undefined ? 0 : running.profiledMs - (nowMs - running.startedMs);
  return Math.max(0, left) + serving.owedMs * (serving.queue.length + serving.suspects.length);
}

interface Account {
  readonly finished?: number;
  readonly busyMs?: number;
  readonly ratio?: number;
  readonly urgent?: boolean;
}

function account(serving: Serving, ctx: ActorContext<InstanceMessage>, done: Account): void {
  const { options } = serving;
  ctx.tell(options.monitor, {
    type: 'monitor.instance-observed',
    instanceId: options.id,
    variantId: options.variant.id,
    path: ctx.self.path,
    state: serving.state,
    queued: serving.queue.length + serving.suspects.length,
    backlogMs: backlogMs(serving, ctx.nowMs),
    loadLeftMs: serving.state === 'loading' ? Math.max(0, serving.readyAtMs - ctx.nowMs) : 0,
    memoryBytes: serving.memoryBytes,
    saturationQps: serving.saturationQps,
    finished: done.finished ?? 0,
    busyMs: done.busyMs ?? 0,
    ratio: done.ratio,
    urgent: done.urgent ?? false,
  });
}
