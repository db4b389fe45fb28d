/**
 * An instance: one variant loaded on one worker. Queues by deadline, forms batches that its profile
 * says will finish in time, and gives each query's result to the dispatcher that owns it.
 *
 * It never tries to outlive its engine: when the engine is lost it gives back what it holds, saying
 * which queries were running and so may be the cause, and fails. Whatever it could not give back is
 * placed again by the owning dispatchers on its end (DESIGN.md, "Supervision handles migration").
 */

import type {
  ActorContext,
  ActorSpec,
  Lane,
  Ref,
  Refusal,
  RefusalReason,
} from '../../runtime/actor.ts';
import { refusal } from '../../runtime/actor.ts';
import { assertNever } from '../../runtime/assert.ts';
import { EngineFailed } from '../../runtime/errors.ts';
import { stopPolicy } from '../../runtime/supervision.ts';
import { DemandCount } from '../domain/demand.ts';
import { isJudged } from '../domain/instance.ts';
import { type LatencyPoint, latencyTable, saturationQps } from '../domain/profile.ts';
import type { Variant } from '../domain/variant.ts';
import { batchLimits } from '../policy/batching/adaptive.ts';
import { type QueryOutcome, refusals, type RunQuery } from '../worker/protocol.ts';
import { failBatch, finishBatch, startBatch } from './batches.ts';
import type { EngineEvent } from './engine-port.ts';
import { createPace, observeArrival } from './pace.ts';
import type { InstanceMessage } from './protocol.ts';
import { insertByDue, waitingOf } from './queue.ts';
import {
  account,
  countArrival,
  finish,
  type InstanceOptions,
  isWorthTelling,
  profiledMs,
  refused,
  type Serving,
  unload,
} from './serving.ts';
import { handOver, leave, passOn, takeOver, whyNot } from './succession.ts';

export type { InstanceConfig, InstanceOptions } from './serving.ts';

export function instanceSpec(options: InstanceOptions): ActorSpec<Serving, InstanceMessage> {
  return {
    start: (ctx) => startInstance(options, ctx),
    behaviour: instanceBehaviour,
    supervision: stopPolicy,
    mailboxMax: options.config.mailboxMax,
    laneOf,
    // Everything reaches it by its worker.
    remoteTypes: [],
    refuse: (message, reason) => refuseQuery(options, message, reason),
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

function refuseQuery(
  options: InstanceOptions,
  message: InstanceMessage,
  reason: RefusalReason,
): Refusal | undefined {
  if (message.type !== 'worker.run-query') return undefined;
  const { code, why, retry } = refusals[reason];
  return refusal(message.replyTo, {
    type: 'dispatcher.query-finished',
    queryId: message.queryId,
    delivery: message.delivery,
    epoch: options.epoch(),
    instanceId: options.id,
    outcome: refused(code, `instance ${options.id} ${why}`, retry),
    backlogMs: 0,
  });
}

function startInstance(options: InstanceOptions, ctx: ActorContext<InstanceMessage>): Serving {
  const { variant } = options;
  const expected = expectedOf(variant, variant.batchMax);
  const serving: Serving = {
    options,
    ...expected,
    slowed: { slowdown: 1, latencyMs: expected.latencyMs },
    pace: createPace(1),
    arrivals: new DemandCount(),
    arrivalsToldMs: -Infinity,
    toldQueued: 0,
    queue: [],
    suspects: [],
    state: 'loading',
    running: undefined,
    heir: undefined,
    batches: 0,
    sinceLate: 0,
    memoryBytes: variant.profile.memoryBytes,
    readyAtMs: ctx.nowMs + variant.profile.loadMs,
  };
  // Every kind of engine event is one of the instance's own messages, so the ref narrows safely.
  const replyTo: Ref<EngineEvent> = ctx.self;
  ctx.tell(options.engine, {
    type: 'engine.load-variant',
    instanceId: options.id,
    variant,
    cores: options.cores,
    replyTo,
  });
  account(serving, ctx, { urgent: true });
  return serving;
}

/** What a profile says of batches up to the largest, and of the whole. */
function expectedOf(
  { profile }: Variant,
  batchMax: number,
): Pick<Serving, 'latencyMs' | 'owedMs' | 'saturationQps'> {
  const latencyMs = latencyTable(profile, batchMax);
  const { efficient } = batchLimits(latencyMs);
  return {
    latencyMs,
    owedMs: (latencyMs[efficient] ?? 0) / efficient,
    saturationQps: saturationQps(profile, batchMax),
  };
}

/** What it really takes stays what it was: the slowdown is that against the new profile. */
function takeProfile(serving: Serving, variant: Variant): void {
  const { pace, options, owedMs } = serving;
  Object.assign(serving, expectedOf(variant, options.variant.batchMax));
  if (serving.owedMs > 0) pace.slowdown *= owedMs / serving.owedMs;
  pace.ratios.length = 0;
  serving.slowed = { slowdown: 1, latencyMs: serving.latencyMs };
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
      if (isJudged(serving.state)) serving.state = message.state;
      return serving;
    case 'instance.profile-changed':
      takeProfile(serving, message.variant);
      return serving;
    case 'instance.give-account':
      account(serving, ctx, { urgent: true });
      return serving;
    case 'instance.drain':
      leave(serving, 'draining', ctx);
      return serving;
    case 'instance.hand-over':
      handOver(serving, message, ctx);
      return serving;
    case 'instance.take-over':
      takeOver(serving, message.waiting, ctx);
      return serving;
    case 'instance.variant-unloaded':
      serving.state = 'unloaded';
      ctx.stop();
      return serving;
    case 'instance.engine-lost':
      loseEngine(serving, message.message, ctx);
      return serving;
    case 'instance.end-failed':
      throw new EngineFailed(message.why, serving.options.id);
    default:
      return assertNever(message);
  }
}

function enqueue(serving: Serving, query: RunQuery, ctx: ActorContext<InstanceMessage>): void {
  const waiting = waitingOf(query, ctx.nowMs);
  if (serving.heir !== undefined) {
    // It was on its way when this one handed over.
    passOn(serving.heir, [waiting], ctx);
    return;
  }
  const refusal = whyNot(serving);
  if (refusal !== undefined) {
    finish(serving, ctx, waiting, refusal);
    return;
  }
  observeArrival(serving.pace, ctx.nowMs);
  countArrival(serving, waiting);
  insertByDue(serving.queue, waiting);
  startBatch(serving, ctx);
  if (isWorthTelling(serving)) account(serving, ctx, {});
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
  ctx.log.error('variant did not load', { variant: serving.options.variant.id, why });
  const what = `variant ${serving.options.variant.id} did not load: ${why}`;
  // Refused, not lost: a variant that loads nowhere must not send a query round for ever.
  giveBackQueue(serving, refused('unavailable', what, 'refused'), ctx);
  fail(serving, why, ctx);
}

/** Only what was running can have killed the engine; what waited is blameless. */
function loseEngine(serving: Serving, why: string, ctx: ActorContext<InstanceMessage>): void {
  const { id } = serving.options;
  const suspect = refused('unavailable', `instance ${id} ended (${why}) while it ran`, 'suspect');
  for (const waiting of serving.running?.queries ?? []) finish(serving, ctx, waiting, suspect);
  serving.running = undefined;
  giveBackQueue(serving, refused('unavailable', `instance ${id} ended (${why})`, 'lost'), ctx);
  fail(serving, why, ctx);
}

function fail(serving: Serving, why: string, ctx: ActorContext<InstanceMessage>): void {
  serving.state = 'failed';
  account(serving, ctx, { urgent: true });
  // Fails in a turn of its own: what a failing turn tells is discarded.
  ctx.tell(ctx.self, { type: 'instance.end-failed', why });
}

function giveBackQueue(
  serving: Serving,
  outcome: QueryOutcome,
  ctx: ActorContext<InstanceMessage>,
): void {
  for (const waiting of serving.suspects.splice(0)) finish(serving, ctx, waiting, outcome);
  for (const waiting of serving.queue.splice(0)) finish(serving, ctx, waiting, outcome);
}
