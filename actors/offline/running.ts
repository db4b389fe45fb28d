/**
 * How jobs run: opened where they left off, read ahead, sent as there is room, written in order.
 * Results are written strictly in the order of the items, so that the number of whole lines says
 * how far a job has come: whatever ends this process, the next goes on behind the last of them, and
 * each item stands in the results exactly once. (It may have been run more often.)
 */

import { assert } from '../../runtime/assert.ts';
import type { FleetDescription, TensorDescription } from '../domain/fleet-description.ts';
import { type JobState, offlinePriority } from '../domain/offline-job.ts';
import { type QueryError, queryError } from '../domain/outcome.ts';
import type { QueryAnswer, QueryId, Selector } from '../domain/query.ts';
import { spareCapacity } from '../policy/offline/spare-capacity.ts';
import type { LoadReported, WantedDescription } from '../dispatcher/protocol.ts';
import { type Context, emptied, type Job, type Offline, type PendingItem } from './jobs.ts';

/** One write, one sync. */
const writeMax = 256;
/** A new cost counts for so much of what is expected of the next. */
const costWeight = 0.2;

export function keepTicking(offline: Offline, ctx: Context): void {
  if (offline.isTicking) return;
  offline.isTicking = true;
  offline.lastTickMs = ctx.nowMs;
  ctx.after(0, 'tick', { type: 'offline.tick-due' });
}

/** Asks what room there is; sleeps when there is no job. */
export function tick(offline: Offline, ctx: Context): void {
  const { dispatcher, config } = offline.options;
  const isOpen = [...offline.jobs.values()].some(({ stage }) => stage !== 'ended');
  offline.isTicking = isOpen;
  if (!isOpen) return;
  ctx.after(config.tickMs, 'tick', { type: 'offline.tick-due' });
  ctx.tell(dispatcher, { type: 'dispatcher.report-load', replyTo: ctx.self });
}

export function takeLoad(offline: Offline, load: LoadReported, ctx: Context): void {
  const { spare } = offline.options.config;
  const { queries, costMs, budgetMs } = offline;
  const found = spareCapacity(
    {
      elapsedMs: ctx.nowMs - offline.lastTickMs,
      workers: load.workers,
      onlineInFlight: Math.max(0, load.inFlight - queries.size),
      ...{ costMs, budgetMs },
    },
    spare,
  );
  offline.lastTickMs = ctx.nowMs;
  offline.budgetMs = found.budgetMs;
  offline.inFlightMax = found.inFlightMax;
  offline.why = found.why;
  ctx.metrics.gauge('infaas_offline_in_flight', queries.size);
  openWaiting(offline, ctx);
  send(offline, ctx);
}

/** The oldest first; each needs the signature of what it asks. */
function openWaiting(offline: Offline, ctx: Context): void {
  const { dispatcher, config } = offline.options;
  let running = 0;
  for (const job of offline.jobs.values()) {
    if (job.stage === 'opening' || job.stage === 'running') running += 1;
    if (running >= config.runningMax) return;
    if (job.stage !== 'waiting' || ctx.nowMs < job.pausedUntilMs) continue;
    running += 1;
    job.stage = 'opening';
    ctx.tell(dispatcher, {
      type: 'dispatcher.describe-fleet',
      requestId: job.record.id,
      wanted: wantedFor(job.record.asked.selector),
      principal: { name: 'offline', tenant: job.record.tenant },
      replyTo: ctx.self,
    });
  }
}

function wantedFor(selector: Selector): WantedDescription {
  if (selector.by === 'task') return { parts: ['tasks'] };
  return selector.by === 'architecture'
    ? { parts: ['architectures'], architecture: selector.architecture }
    : { parts: ['architectures', 'variants'] };
}

export function open(offline: Offline, job: Job, fleet: FleetDescription, ctx: Context): void {
  if (job.stage !== 'opening') return;
  const inputs = inputsOf(fleet, job.record.asked.selector);
  if (inputs === undefined) {
    pause(offline, job, 'what it asks for is not registered at present', ctx);
    return;
  }
  const { record } = job;
  ctx.tell(offline.options.files, {
    ...{ type: 'offline-files.open-job', record, inputs, replyTo: ctx.self },
  });
}

function inputsOf(
  fleet: FleetDescription,
  selector: Selector,
): readonly TensorDescription[] | undefined {
  if (selector.by === 'task') return fleet.tasks.find(({ name }) => name === selector.task)?.inputs;
  const architecture =
    selector.by === 'architecture'
      ? selector.architecture
      : fleet.variants.find(({ name }) => name === selector.variant)?.architecture;
  return fleet.architectures.find(({ name }) => name === architecture)?.inputs;
}

/** Whole lines of the results file, and those of them without an answer. */
export interface Written {
  readonly written: number;
  readonly failed: number;
}

export function begin(
  offline: Offline,
  job: Job,
  { written, failed }: Written,
  ctx: Context,
): void {
  if (job.stage !== 'opening') return;
  Object.assign(job, emptied());
  Object.assign(job, { written, failed, read: written, stage: 'running', why: undefined });
  if (job.written >= job.record.items) endJob(offline, job, 'done', undefined, ctx);
  else readOn(offline, job, ctx);
}

function readOn(offline: Offline, job: Job, ctx: Context): void {
  const { itemsMax } = offline.options.config;
  const held = job.read - job.written;
  if (job.isReading || job.read >= job.record.items || held > itemsMax / 2) return;
  job.isReading = true;
  ctx.tell(offline.options.files, {
    type: 'offline-files.read-items',
    jobId: job.record.id,
    count: itemsMax - held,
    replyTo: ctx.self,
  });
}

export function takeItems(
  offline: Offline,
  job: Job,
  items: readonly PendingItem['item'][],
  ctx: Context,
): void {
  if (job.stage !== 'running') return;
  job.isReading = false;
  job.read += items.length;
  for (const item of items) {
    assert(item.index >= job.written, 'no item is read again that was written');
    job.unsent.push({ item, attempts: 0 });
  }
  if (items.length === 0 && job.read < job.record.items) {
    const missing = `the inputs end at ${String(job.read)} of ${String(job.record.items)} items`;
    endJob(offline, job, 'failed', missing, ctx);
  }
  send(offline, ctx);
}

/** Job by job in turn, so that none waits for the end of another. */
function send(offline: Offline, ctx: Context): void {
  const { inFlightMax } = offline;
  let sending = true;
  while (sending && offline.budgetMs > 0 && offline.queries.size < inFlightMax) {
    sending = false;
    for (const job of offline.jobs.values()) {
      if (offline.budgetMs <= 0 || offline.queries.size >= inFlightMax) return;
      if (job.stage !== 'running' || ctx.nowMs < job.pausedUntilMs) continue;
      const pending = job.unsent.shift();
      if (pending === undefined) continue;
      sending = true;
      sendItem(offline, job, pending, ctx);
    }
  }
}

function sendItem(offline: Offline, job: Job, pending: PendingItem, ctx: Context): void {
  const { item } = pending;
  const { id, tenant, asked } = job.record;
  offline.sent += 1;
  const queryId = `${id}-${offline.life}-${offline.sent.toString(36)}`;
  if (isError(item.inputs)) {
    settle(offline, job, pending, { ok: false, queryId, error: item.inputs }, ctx);
    return;
  }
  pending.attempts += 1;
  job.inFlight += 1;
  offline.queries.set(queryId, { job, pending });
  // What it is expected to take, until it is known.
  offline.budgetMs -= offline.costMs ?? offline.options.config.spare.sliceMs;
  ctx.tell(offline.options.dispatcher, {
    type: 'dispatcher.submit-query',
    queryId,
    principal: { name: 'offline', tenant },
    receivedMs: ctx.nowMs,
    request: {
      id: String(item.id),
      ...{ selector: asked.selector, slo: asked.slo, onMiss: 'best-effort' },
      ...{ timeoutMs: offline.options.config.itemTimeoutMs, priority: offlinePriority },
      ...{ inputs: item.inputs, outputs: item.outputs ?? asked.outputs },
    },
    replyTo: ctx.self,
  });
}

function isError(inputs: PendingItem['item']['inputs']): inputs is QueryError {
  return typeof inputs.code === 'string';
}

/** An answer to a query of this life; what an earlier one sent is run again. */
export function takeAnswer(
  offline: Offline,
  queryId: QueryId,
  answer: QueryAnswer,
  ctx: Context,
): void {
  const entry = offline.queries.get(queryId);
  if (entry === undefined) return;
  const { job, pending } = entry;
  const { config } = offline.options;
  offline.queries.delete(queryId);
  job.inFlight -= 1;
  const expectedMs = offline.costMs ?? config.spare.sliceMs;
  if (answer.ok) {
    const costMs = answer.timing.inferMs / Math.max(1, answer.servedBy.batchSize);
    offline.budgetMs += expectedMs - costMs;
    offline.costMs = (offline.costMs ?? costMs) * (1 - costWeight) + costMs * costWeight;
    job.setbacks = 0;
    job.why = undefined;
  } else {
    offline.budgetMs += expectedMs;
    if (answer.error.retryable && pending.attempts < config.attemptsMax) {
      job.unsent.unshift(pending);
      pause(offline, job, answer.error.message, ctx);
      return;
    }
  }
  settle(offline, job, pending, answer, ctx);
  send(offline, ctx);
}

/** For a reason that passes: the whole job waits, since its other items would fare alike. */
export function pause(offline: Offline, job: Job, why: string, ctx: Context): void {
  const { retryMs, retryMaxMs } = offline.options.config;
  if (job.stage === 'opening') job.stage = 'waiting';
  // Refusals of what was sent together are one.
  if (ctx.nowMs >= job.pausedUntilMs) {
    job.pausedUntilMs = ctx.nowMs + Math.min(retryMaxMs, retryMs * 2 ** Math.min(job.setbacks, 30));
    job.setbacks += 1;
  }
  job.why = why;
}

function settle(
  offline: Offline,
  job: Job,
  { item }: PendingItem,
  answer: QueryAnswer,
  ctx: Context,
): void {
  job.answered.set(item.index, { index: item.index, id: item.id, answer });
  const labels = { outcome: answer.ok ? 'answered' : answer.error.code };
  ctx.metrics.count('infaas_offline_items_total', 1, labels);
  writeOn(offline, job, ctx);
}

function writeOn(offline: Offline, job: Job, ctx: Context): void {
  if (job.isWriting || job.stage !== 'running') return;
  const results = [];
  for (let index = job.written; results.length < writeMax; index += 1) {
    const result = job.answered.get(index);
    if (result === undefined) break;
    results.push(result);
  }
  if (results.length === 0) return;
  job.isWriting = true;
  ctx.tell(offline.options.files, {
    type: 'offline-files.write-results',
    jobId: job.record.id,
    results,
    replyTo: ctx.self,
  });
}

export function takeWritten(
  offline: Offline,
  job: Job,
  { written, failed }: Written,
  ctx: Context,
): void {
  if (job.stage !== 'running') return;
  job.isWriting = false;
  job.failed = failed;
  for (; job.written < written; job.written += 1) job.answered.delete(job.written);
  if (job.written >= job.record.items) {
    endJob(offline, job, 'done', undefined, ctx);
    return;
  }
  writeOn(offline, job, ctx);
  readOn(offline, job, ctx);
}

/** What of it is in flight is cancelled; what was read is forgotten. */
export function forgetItems(offline: Offline, job: Job, ctx: Context): void {
  for (const [queryId, entry] of [...offline.queries]) {
    if (entry.job !== job) continue;
    offline.queries.delete(queryId);
    ctx.tell(offline.options.dispatcher, { type: 'dispatcher.cancel-query', queryId });
  }
  Object.assign(job, emptied());
  ctx.tell(offline.options.files, { type: 'offline-files.close-job', jobId: job.record.id });
}

export function endJob(
  offline: Offline,
  job: Job,
  state: Exclude<JobState, 'open'>,
  why: string | undefined,
  ctx: Context,
): void {
  const { written, failed } = job;
  forgetItems(offline, job, ctx);
  job.stage = 'ended';
  job.record = { ...job.record, state, written, failed, ...(why === undefined ? {} : { why }) };
  const { record } = job;
  ctx.tell(offline.options.files, {
    ...{ type: 'offline-files.keep-record', record, replyTo: ctx.self },
  });
  ctx.log.info('an offline job ended', { job: record.id, state, written, failed, why });
}

/** The dispatcher was started anew: what it held is sent again. */
export function sendAgain(offline: Offline): void {
  for (const { job, pending } of [...offline.queries.values()].reverse()) {
    job.inFlight -= 1;
    job.unsent.unshift(pending);
  }
  offline.queries.clear();
}

/** What the files could not do: for now, and it goes on from its last whole line, or for good. */
export function breakJob(offline: Offline, job: Job, error: QueryError, ctx: Context): void {
  if (job.stage === 'ended') return;
  if (!error.retryable) {
    endJob(offline, job, 'failed', error.message, ctx);
    return;
  }
  forgetItems(offline, job, ctx);
  job.stage = 'waiting';
  pause(offline, job, error.message, ctx);
}

export const jobUnknown = (jobId: string): QueryError =>
  queryError('bad_input', `there is no job "${jobId}"; \`infaas offline list\` lists them`, {
    field: 'job',
  });
