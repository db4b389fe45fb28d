/**
 * A worker's monitor: gathers what its instances did, judges their states once a window (one
 * second), and reports the worker to whoever decides about it: with each window, every 250 ms while
 * anything happens there, and at once when something changed that decisions depend on (INFaaS'
 * monitoring daemon; the paper reports every 2 s).
 */

import type { ActorContext, ActorSpec, Ref } from '../../runtime/actor.ts';
import { assertNever } from '../../runtime/assert.ts';
import { restartPolicy } from '../../runtime/supervision.ts';
import type { Hardware } from '../domain/hardware.ts';
import {
  type InstanceCondition,
  type InstanceId,
  isJudged,
  newlyIn,
  observeInstance,
  type StateRules,
} from '../domain/instance.ts';
import {
  type ClassDemand,
  DemandCount,
  isSameRequirement,
  type Requirement,
} from '../domain/demand.ts';
import type { VariantId } from '../domain/variant.ts';
import type { InstanceLoad, InstanceReport, WorkerReport } from '../domain/worker.ts';
import type { InstanceMessage } from '../instance/protocol.ts';
import type { WorkerMessage } from '../worker/protocol.ts';
import {
  type DriftConfig,
  type DriftOptions,
  type DriftWatch,
  medianOf,
  newDriftWatch,
  tellRegistrar,
  watchDrift,
} from './drift-watch.ts';
import type { InstanceObserved, MonitorMessage } from './protocol.ts';

export interface MonitorConfig extends DriftConfig {
  readonly reportMs: number;
  readonly rules: StateRules;
  readonly mailboxMax: number;
}

export interface MonitorOptions extends DriftOptions {
  readonly hardware: readonly Hardware[];
  /** Memory the worker needs before anything is loaded, bytes. */
  readonly baseMemoryBytes: number;
  readonly worker: Ref<WorkerMessage>;
  readonly instanceRef: (path: string) => Ref<InstanceMessage>;
  readonly config: MonitorConfig;
}

interface Watched {
  last: InstanceObserved;
  lastAtMs: number;
  condition: InstanceCondition;
  served: number;
  /** In this window. */
  finished: number;
  ratios: number[];
  arrivals: { readonly asks: Requirement; readonly count: number }[];
  demand: readonly ClassDemand[];
  asked: readonly { readonly asks: Requirement; readonly atMs: number }[];
  rateQps: number;
  slowdown: number;
}

interface Monitoring {
  readonly options: MonitorOptions;
  readonly watched: Map<InstanceId, Watched>;
  busyMs: number;
  /** Of it, with offline queries. */
  offlineMs: number;
  utilisation: number;
  onlineUtilisation: number;
  windowStartMs: number;
  reportedAtMs: number;
  /** A report is due, `reportMs` after the last. */
  isReportDue: boolean;
  readonly drift: DriftWatch;
}

export function monitorSpec(options: MonitorOptions): ActorSpec<Monitoring, MonitorMessage> {
  return {
    start: (ctx) => {
      ctx.after(options.config.windowMs, 'window', { type: 'monitor.window-ended' });
      // At once: until its first report nobody knows that the worker is there.
      ctx.after(0, 'report', { type: 'monitor.report-due' });
      return {
        options,
        watched: new Map(),
        busyMs: 0,
        offlineMs: 0,
        utilisation: 0,
        onlineUtilisation: 0,
        windowStartMs: ctx.nowMs,
        reportedAtMs: -Infinity,
        isReportDue: true,
        drift: newDriftWatch(),
      };
    },
    behaviour: monitorBehaviour,
    supervision: restartPolicy,
    mailboxMax: options.config.mailboxMax,
  };
}

function monitorBehaviour(
  monitoring: Monitoring,
  message: MonitorMessage,
  ctx: ActorContext<MonitorMessage>,
): Monitoring {
  switch (message.type) {
    case 'monitor.instance-observed':
      observe(monitoring, message, ctx);
      return monitoring;
    case 'monitor.instance-gone':
      monitoring.watched.delete(message.instanceId);
      report(monitoring, ctx);
      return monitoring;
    case 'monitor.window-ended':
      endWindow(monitoring, ctx);
      return monitoring;
    case 'monitor.report-due':
      report(monitoring, ctx);
      return monitoring;
    default:
      return assertNever(message);
  }
}

function observe(
  monitoring: Monitoring,
  seen: InstanceObserved,
  ctx: ActorContext<MonitorMessage>,
): void {
  let watched = monitoring.watched.get(seen.instanceId);
  if (watched === undefined) {
    watched = {
      last: seen,
      lastAtMs: ctx.nowMs,
      condition: newlyIn(seen.state),
      served: 0,
      finished: 0,
      ratios: [],
      arrivals: [],
      demand: [],
      asked: [],
      rateQps: 0,
      slowdown: 1,
    };
    monitoring.watched.set(seen.instanceId, watched);
  }
  watched.last = seen;
  watched.lastAtMs = ctx.nowMs;
  if (!isJudged(seen.state) || !isJudged(watched.condition.state)) {
    watched.condition = newlyIn(seen.state);
  }
  watched.served += seen.finished;
  // Nothing is scaled for offline work: it is no rate either.
  if (seen.offlineMs === 0) watched.finished += seen.finished;
  monitoring.busyMs += seen.busyMs;
  monitoring.offlineMs += seen.offlineMs;
  for (const each of seen.arrivals) watched.arrivals.push(each);
  if (seen.ratio !== undefined) watched.ratios.push(seen.ratio);
  if (seen.urgent) report(monitoring, ctx);
  else reportSoon(monitoring, ctx);
}

/** At once after a quiet time; else with what else happens until `reportMs` after the last. */
function reportSoon(monitoring: Monitoring, ctx: ActorContext<MonitorMessage>): void {
  if (monitoring.isReportDue) return;
  const dueMs = monitoring.reportedAtMs + monitoring.options.config.reportMs;
  if (ctx.nowMs >= dueMs) {
    report(monitoring, ctx);
    return;
  }
  monitoring.isReportDue = true;
  ctx.after(dueMs - ctx.nowMs, 'report', { type: 'monitor.report-due' });
}

function endWindow(monitoring: Monitoring, ctx: ActorContext<MonitorMessage>): void {
  const { options, drift } = monitoring;
  const { config, hardware, instanceRef } = options;
  const elapsedMs = Math.max(1, ctx.nowMs - monitoring.windowStartMs);
  const availableMs = elapsedMs * Math.max(1, unitsOf(hardware));
  monitoring.utilisation = Math.min(1, monitoring.busyMs / availableMs);
  const onlineMs = monitoring.busyMs - monitoring.offlineMs;
  monitoring.onlineUtilisation = Math.min(1, onlineMs / availableMs);
  monitoring.busyMs = 0;
  monitoring.offlineMs = 0;
  monitoring.windowStartMs = ctx.nowMs;
  for (const watched of monitoring.watched.values()) {
    watched.rateQps = (watched.finished * 1000) / elapsedMs;
    watched.demand = demandOf(watched, elapsedMs, ctx.nowMs);
    watched.slowdown = slowdownAfter(watched);
    const before = watched.condition.state;
    watched.condition = observeInstance(
      watched.condition,
      {
        rateQps: watched.rateQps,
        saturationQps: watched.last.saturationQps,
        slowdown: watched.slowdown,
        batches: watched.ratios.length,
        backlogMs: left(watched, watched.last.lateMs, ctx.nowMs) * watched.slowdown,
      },
      config.rules,
    );
    watchDrift(drift, options, watched.last.variantId, watched.ratios, ctx.nowMs);
    watched.finished = 0;
    watched.ratios = [];
    watched.arrivals = [];
    const { state } = watched.condition;
    if (state !== before && isJudged(state)) {
      ctx.tell(instanceRef(watched.last.path), { type: 'instance.state-judged', state });
      ctx.log.info('instance changed state', {
        instance: watched.last.instanceId,
        from: before,
        to: state,
        rateQps: watched.rateQps,
        slowdown: watched.slowdown,
      });
    }
  }
  const running = (): ReadonlySet<VariantId> =>
    new Set([...monitoring.watched.values()].map(({ last }) => last.variantId));
  const { utilisation } = monitoring;
  tellRegistrar(drift, options, running, { hardware, utilisation }, ctx);
  // Of an idle worker a report a window is enough.
  report(monitoring, ctx);
  ctx.after(config.windowMs, 'window', { type: 'monitor.window-ended' });
}

function unitsOf(hardware: readonly Hardware[]): number {
  return hardware.reduce((sum, { units }) => sum + units, 0);
}

/** Less says little of how busy it is: one batch may fill it. */
const leastSampleMs = 200;

/** In the window that ended last, or since then if it is more: offline work gives way at once. */
function onlineUtilisation(monitoring: Monitoring, nowMs: number): number {
  const { busyMs, offlineMs, options, windowStartMs } = monitoring;
  const sinceMs = nowMs - windowStartMs;
  if (sinceMs < leastSampleMs) return monitoring.onlineUtilisation;
  const availableMs = sinceMs * Math.max(1, unitsOf(options.hardware));
  const since = Math.min(1, (busyMs - offlineMs) / availableMs);
  return Math.max(monitoring.onlineUtilisation, since);
}

/** For so long a requirement counts for what may replace the instance. */
const rememberMs = 60_000;

function demandOf(watched: Watched, elapsedMs: number, nowMs: number): readonly ClassDemand[] {
  if (watched.arrivals.length === 0 && watched.asked.length === 0) return noDemand;
  const counts = new DemandCount();
  for (const { asks, count } of watched.arrivals) counts.add(asks, count);
  const rated = counts.take().map(({ asks, count }) => {
    return { ...asks, rateQps: (count * 1000) / elapsedMs };
  });
  const before = watched.asked.filter(
    ({ asks, atMs }) =>
      nowMs - atMs < rememberMs && !rated.some((each) => isSameRequirement(each, asks)),
  );
  watched.asked = [...rated.map((asks) => ({ asks, atMs: nowMs })), ...before];
  return [...rated, ...before.map(({ asks }) => ({ ...asks, rateQps: 0 }))];
}

const noDemand: readonly ClassDemand[] = [];

/** What was slow an hour ago need not be now: without evidence it comes to be believed again. */
const idleFade = 0.5;

function slowdownAfter({ ratios, slowdown }: Watched): number {
  return ratios.length > 0 ? medianOf(ratios) : 1 + (slowdown - 1) * idleFade;
}

/**
 * Of its backlog and `moreMs`: it worked on since it said so, which at the pace observed took so
 * much off the profile's.
 */
function left({ last, lastAtMs, slowdown }: Watched, moreMs: number, nowMs: number): number {
  return Math.max(0, last.backlogMs + moreMs - (nowMs - lastAtMs) / slowdown);
}

function report(monitoring: Monitoring, ctx: ActorContext<MonitorMessage>): void {
  const { options } = monitoring;
  const instances: InstanceReport[] = [];
  const loads: InstanceLoad[] = [];
  let memoryUsedBytes = options.baseMemoryBytes;
  for (const watched of monitoring.watched.values()) {
    const { last, condition, rateQps, slowdown, served } = watched;
    // What it said is some time ago: since then it has worked, or loaded, on.
    const agoMs = ctx.nowMs - watched.lastAtMs;
    const backlogMs = left(watched, 0, ctx.nowMs);
    memoryUsedBytes += last.memoryBytes;
    loads.push({ id: last.instanceId, running: last.running, demand: watched.demand });
    instances.push({
      id: last.instanceId,
      path: last.path,
      variantId: last.variantId,
      state: condition.state,
      rateQps,
      queued: last.queued,
      backlogMs,
      lateMs: left(watched, last.lateMs, ctx.nowMs) - backlogMs,
      slowdown,
      served,
      loadLeftMs: Math.max(0, last.loadLeftMs - agoMs),
    });
  }
  const gathered: WorkerReport = {
    workerId: options.workerId,
    hardware: options.hardware,
    memoryUsedBytes,
    utilisation: monitoring.utilisation,
    onlineUtilisation: onlineUtilisation(monitoring, ctx.nowMs),
    instances,
  };
  ctx.tell(options.worker, { type: 'worker.report-gathered', report: gathered, loads });
  if (monitoring.isReportDue) ctx.cancel('report');
  monitoring.isReportDue = false;
  monitoring.reportedAtMs = ctx.nowMs;
}
