/**
 * An instance's batches: formed when the engine is free, run one at a time, their results given to
 * the queries; a failed batch is run again one by one, so that one bad input fails alone.
 */

import type { ActorContext } from '../../runtime/actor.ts';
import { assert } from '../../runtime/assert.ts';
import { isOffline } from '../domain/offline-job.ts';
import { queryError } from '../domain/outcome.ts';
import type { QueryOutcome } from '../worker/protocol.ts';
import { batchPolicies } from '../policy/batching/index.ts';
import type { QueuedQuery } from '../policy/batching/plan.ts';
import { lateEvery } from './core-queue.ts';
import type { EngineEvent } from './engine-port.ts';
import { arrivalsPerMs, observeRatio } from './pace.ts';
import type { InstanceMessage } from './protocol.ts';
import { alikeIn, firstLate, settleLate, takeBatch, type Waiting } from './queue.ts';
import {
  account,
  backlogMs,
  finish,
  isLeaving,
  profiledMs,
  type Running,
  type Serving,
  unload,
} from './serving.ts';

export function startBatch(serving: Serving, ctx: ActorContext<InstanceMessage>): void {
  if (serving.running !== undefined) return;
  if (serving.state === 'loading') {
    dropWhileLoading(serving, ctx);
    return;
  }
  const suspect = serving.suspects.shift();
  if (suspect !== undefined) {
    run(serving, [suspect], 'a batch that it was in failed: now by itself', ctx);
    return;
  }
  dropLate(serving, ctx);
  const from = turnOf(serving);
  const head = serving.queue[from];
  if (head === undefined) return;
  const { batchKey } = head.query;
  const alike = alikeIn(serving.queue, batchKey, serving.latencyMs.length - 1, from);
  const plan = batchPolicies[serving.options.config.batching]({
    nowMs: ctx.nowMs,
    queue: inOneOrder(alike),
    latencyMs: slowed(serving),
    arrivalsPerMs: arrivalsPerMs(serving.pace, ctx.nowMs),
  });
  if (plan.do === 'wait' && !head.late) {
    ctx.after(plan.untilMs - ctx.nowMs, 'wait', { type: 'instance.wait-over' });
    return;
  }
  const count = plan.do === 'wait' ? alike.length : plan.count;
  const reason = plan.do === 'wait' ? 'who is late waits for no company' : plan.reason;
  serving.sinceLate = head.late ? 0 : serving.sinceLate + 1;
  run(serving, takeBatch(serving.queue, batchKey, count, from), reason, ctx);
}

/**
 * As policies expect it, the first due before all others: who goes first by priority takes over
 * the deadline of who is due before it, or waiting for company would make that one late.
 */
function inOneOrder(alike: readonly Waiting[]): readonly QueuedQuery[] {
  const first = alike[0];
  if (first === undefined || alike.at(-1)?.priority === first.priority) return alike;
  const dueMs = alike.reduce((sum, other) => Math.min(sum, other.dueMs), first.dueMs);
  return [{ dueMs, size: first.size }, ...alike.slice(1)];
}

/** Where in the queue the next batch begins. */
function turnOf({ queue, sinceLate }: Serving): number {
  if (sinceLate < lateEvery - 1) return 0;
  const late = firstLate(queue);
  return late < queue.length ? late : 0;
}

/** The latency table as observed here; made anew only when the pace has moved by more than 5 %. */
function slowed(serving: Serving): Float64Array {
  const { slowdown } = serving.pace;
  if (Math.abs(serving.slowed.slowdown / slowdown - 1) >= 0.05) {
    serving.slowed = { slowdown, latencyMs: serving.latencyMs.map((ms) => ms * slowdown) };
  }
  return serving.slowed.latencyMs;
}

/**
 * A load may take long, or hang, and who asked may be gone without a word: what waits for it is
 * given up at its bound like any other.
 */
function dropWhileLoading(serving: Serving, ctx: ActorContext<InstanceMessage>): void {
  dropLate(serving, ctx);
  const head = serving.queue[0];
  // Offline work, behind all else, is never due.
  if (head === undefined || head.dueMs === Infinity) return;
  ctx.after(Math.max(1, head.dueMs - ctx.nowMs), 'wait', { type: 'instance.wait-over' });
}

function dropLate(serving: Serving, ctx: ActorContext<InstanceMessage>): void {
  const alone = (size: number): number => profiledMs(serving, size) * serving.pace.slowdown;
  const dropped = settleLate(serving.queue, ctx.nowMs, alone);
  for (const waiting of dropped) {
    const waitedMs = (ctx.nowMs - waiting.arrivedMs).toFixed(1);
    const where = `the queue of ${serving.options.id}`;
    const message = `dropped after ${waitedMs} ms in ${where}: it cannot finish in time`;
    finish(serving, ctx, waiting, {
      ok: false,
      error: queryError('deadline_exceeded', message),
      retry: 'never',
    });
  }
  // It may have told that these wait, and has nothing else to tell of.
  if (dropped.length > 0 && serving.queue.length === 0) account(serving, ctx, {});
}

function run(
  serving: Serving,
  queries: readonly Waiting[],
  reason: string,
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
    reason,
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
    priority: queries[0]?.priority ?? 0,
    dueMs: queries[0]?.dueMs ?? ctx.nowMs,
    late: queries[0]?.late ?? false,
    hangMs: Math.max(config.hangMs, profiled * serving.pace.slowdown * config.hangFactor),
  });
}

function takeRunning(serving: Serving, batchId: number): Running {
  const { running } = serving;
  assert(running?.batchId === batchId, 'this batch is the one that runs', batchId);
  serving.running = undefined;
  return running;
}

export function finishBatch(
  serving: Serving,
  ran: Extract<EngineEvent, { type: 'instance.batch-ran' }>,
  ctx: ActorContext<InstanceMessage>,
): void {
  const running = takeRunning(serving, ran.batchId);
  assert(ran.results.length === running.queries.length, 'one result a query');
  const ratio = running.profiledMs > 0 ? ran.inferMs / running.profiledMs : 1;
  observeRatio(serving.pace, ratio);
  const owedMs = backlogMs(serving, ctx.nowMs);
  running.queries.forEach((waiting, index) => {
    const outcome: QueryOutcome = {
      ok: true,
      outputs: ran.results[index] ?? {},
      batchSize: running.size,
      batchReason: running.reason,
      queueMs: running.startedMs - waiting.arrivedMs,
      inferMs: ran.inferMs,
    };
    finish(serving, ctx, waiting, outcome, owedMs);
  });
  const [first] = running.queries;
  const isOfflineBatch = first !== undefined && isOffline(first.query.delivery.priority);
  account(serving, ctx, {
    finished: running.queries.length,
    busyMs: ran.inferMs,
    ratio,
    offlineMs: isOfflineBatch ? ran.inferMs : 0,
  });
  goOn(serving, ctx);
}

export function failBatch(
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
      retry: 'never',
    });
  }
  // The monitor may have been told that it runs.
  account(serving, ctx, {});
  goOn(serving, ctx);
}

/** After a batch: the next one, or, when draining, the end. */
function goOn(serving: Serving, ctx: ActorContext<InstanceMessage>): void {
  startBatch(serving, ctx);
  if (isLeaving(serving) && serving.running === undefined) unload(serving, ctx);
}
