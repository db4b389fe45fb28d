/**
 * What an instance knows while it serves, and what it says of itself: the outcome of each query to
 * the dispatcher that owns it, and its accounts to the monitor.
 */

import type { ActorContext, Ref } from '../../runtime/actor.ts';
import { coarseLatencyMs, type DemandCount } from '../domain/demand.ts';
import type { InstanceId, InstanceState } from '../domain/instance.ts';
import { isOffline } from '../domain/offline-job.ts';
import { type OutcomeCode, queryError } from '../domain/outcome.ts';
import type { Variant } from '../domain/variant.ts';
import type { InstanceObserved, MonitorMessage } from '../monitor/protocol.ts';
import type { BatchPolicyName } from '../policy/batching/index.ts';
import type { QueryOutcome, Retry } from '../worker/protocol.ts';
import { lateEvery } from './core-queue.ts';
import type { EngineCommand } from './engine-port.ts';
import type { Pace } from './pace.ts';
import type { InstanceMessage } from './protocol.ts';
import { countsOf, type Waiting } from './queue.ts';

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
  /** To run on, apart from others; undefined: wherever the engine has room. */
  readonly cores?: readonly number[] | undefined;
  readonly monitor: Ref<MonitorMessage>;
  readonly config: InstanceConfig;
}

export interface Running {
  readonly batchId: number;
  readonly queries: readonly Waiting[];
  readonly startedMs: number;
  readonly size: number;
  /** Of the batching policy. */
  readonly reason: string;
  /** By the profile, without slowdown. */
  readonly profiledMs: number;
}

/** The successor of an instance that has handed over. */
export interface Heir {
  readonly id: InstanceId;
  readonly ref: Ref<InstanceMessage>;
}

export interface Serving {
  readonly options: InstanceOptions;
  latencyMs: Float64Array;
  slowed: { readonly slowdown: number; readonly latencyMs: Float64Array };
  /** Engine time that one more query owes, at the batch that pays. */
  owedMs: number;
  saturationQps: number;
  readonly pace: Pace;
  /** Not told to the monitor yet. */
  readonly arrivals: DemandCount;
  arrivalsToldMs: number;
  /** How many waited when the monitor was last told. */
  toldQueued: number;
  readonly queue: Waiting[];
  /** Queries of a failed batch, run one by one so that one bad input fails alone. */
  readonly suspects: Waiting[];
  state: InstanceState;
  running: Running | undefined;
  heir: Heir | undefined;
  batches: number;
  /** Batches since the last that began with a late query. */
  sinceLate: number;
  memoryBytes: number;
  readyAtMs: number;
}

/** It ends once what runs is finished. */
export function isLeaving({ state }: Serving): boolean {
  return state === 'draining' || state === 'migrating';
}

/**
 * Nothing is scaled for the sake of offline queries: they are no demand. Nor does it grow when a
 * query is placed again: it was counted where it came first.
 */
export function countArrival({ arrivals }: Serving, { query, size }: Waiting): void {
  if (isOffline(query.delivery.priority) || query.delivery.attempt > 1) return;
  const { by, accuracyMin, latencyMs } = query.asks;
  arrivals.add({ by, accuracyMin, latencyMs: coarseLatencyMs(latencyMs) }, size);
}

/** Arrivals are told with other news, and this often, for the monitor gets much as it is. */
const arrivalsEveryMs = 100;

function arrivalsToTell(serving: Serving, nowMs: number): InstanceObserved['arrivals'] {
  const { arrivals, arrivalsToldMs } = serving;
  if (arrivals.isEmpty || nowMs - arrivalsToldMs < arrivalsEveryMs) return noArrivals;
  serving.arrivalsToldMs = nowMs;
  return arrivals.take();
}

const noArrivals: InstanceObserved['arrivals'] = [];

/** T(b) by the profile; beyond its largest batch in proportion. */
export function profiledMs(serving: Serving, size: number): number {
  const last = serving.latencyMs.length - 1;
  const ms = serving.latencyMs[Math.min(size, last)] ?? 0;
  return size <= last ? ms : (ms * size) / last;
}

export type RefusedOutcome = Extract<QueryOutcome, { ok: false }>;

/** Not served here: another instance may take it. */
export function refused(code: OutcomeCode, message: string, retry: Retry): RefusedOutcome {
  return { ok: false, error: queryError(code, message), retry };
}

export function finish(
  serving: Serving,
  ctx: ActorContext<InstanceMessage>,
  waiting: Waiting,
  outcome: QueryOutcome,
  owedMs = backlogMs(serving, ctx.nowMs),
): void {
  ctx.tell(waiting.query.replyTo, {
    type: 'dispatcher.query-finished',
    queryId: waiting.query.queryId,
    delivery: waiting.query.delivery,
    epoch: serving.options.epoch(),
    instanceId: serving.options.id,
    outcome,
    backlogMs: owedMs,
  });
}

/**
 * Profiled milliseconds of work that one more query waits for, queued and running: the late let it
 * go ahead, but for their turns, and so does offline work. Observers apply the slowdown themselves.
 */
export function backlogMs(serving: Serving, nowMs: number): number {
  const { queue, running, suspects } = serving;
  const left =
    running === undefined
      ? 0
      : running.profiledMs - (nowMs - running.startedMs) / serving.pace.slowdown;
  const waiting = countsOf(queue);
  const inTime = waiting.inTime + suspects.length;
  const late = Math.min(waiting.late, inTime / (lateEvery - 1));
  return Math.max(0, left) + serving.owedMs * (inTime + late);
}

function lateMs({ queue, owedMs }: Serving): number {
  return owedMs * countsOf(queue).late;
}

/** What runs for less is over before anybody could act on it. */
const shortMs = 5;
/** A queue is news when it has grown by so much since it was told of. */
const growth = 1.25;

/** Is a query that came news for the monitor? What is done soon is told when it is done. */
export function isWorthTelling({ running, queue, suspects, toldQueued, pace }: Serving): boolean {
  const queued = queue.length + suspects.length;
  if (queued > 0) return toldQueued === 0 || queued >= growth * toldQueued;
  return running !== undefined && running.profiledMs * pace.slowdown >= shortMs;
}

interface Account {
  readonly finished?: number;
  readonly busyMs?: number;
  readonly offlineMs?: number;
  readonly ratio?: number;
  readonly urgent?: boolean;
}

export function account(serving: Serving, ctx: ActorContext<InstanceMessage>, done: Account): void {
  const { options } = serving;
  const queued = serving.queue.length + serving.suspects.length;
  serving.toldQueued = queued;
  ctx.tell(options.monitor, {
    type: 'monitor.instance-observed',
    instanceId: options.id,
    variantId: options.variant.id,
    path: ctx.self.path,
    state: serving.state,
    queued,
    running: serving.running?.queries.length ?? 0,
    arrivals: arrivalsToTell(serving, ctx.nowMs),
    backlogMs: backlogMs(serving, ctx.nowMs),
    lateMs: lateMs(serving),
    loadLeftMs: serving.state === 'loading' ? Math.max(0, serving.readyAtMs - ctx.nowMs) : 0,
    memoryBytes: serving.memoryBytes,
    saturationQps: serving.saturationQps,
    finished: done.finished ?? 0,
    busyMs: done.busyMs ?? 0,
    offlineMs: done.offlineMs ?? 0,
    ratio: done.ratio,
    urgent: done.urgent ?? false,
  });
}

export function unload(serving: Serving, ctx: ActorContext<InstanceMessage>): void {
  ctx.tell(serving.options.engine, {
    type: 'engine.unload-variant',
    instanceId: serving.options.id,
  });
}
