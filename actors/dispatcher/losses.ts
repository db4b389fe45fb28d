/**
 * What happens to queries whose holder is gone: placed again from the in-flight table, the only
 * source, while time and attempts last.
 */

import type { ActorContext, Terminated } from '../../runtime/actor.ts';
import { type QueryError, queryError } from '../domain/outcome.ts';
import type { InstanceId } from '../domain/instance.ts';
import { answer } from './answering.ts';
import { refusedAnswer } from './answers.ts';
import type { IndexedWorker } from './fleet-index.ts';
import type { Retry } from '../worker/protocol.ts';
import type { InFlight } from './in-flight.ts';
import type { Dispatching } from './dispatching.ts';
import { place } from './placing.ts';
import type { DispatcherMessage } from './protocol.ts';

type Context = ActorContext<DispatcherMessage>;

/** Why a query is where it was no longer. */
export interface Setback {
  readonly avoid: InstanceId | undefined;
  readonly kind: Exclude<Retry, 'never'>;
  readonly why: QueryError;
}

/**
 * What held it is gone or would not have it: once more, while time and attempts last. Bounded
 * tightly when it is refused or may be what killed its holder, loosely when it lost it blamelessly.
 */
export function placeAgain(
  dispatching: Dispatching,
  entry: InFlight,
  { avoid, kind, why }: Setback,
  ctx: Context,
): void {
  const { attemptsMax, lossesMax } = dispatching.options.config;
  entry.placement = undefined;
  dispatching.decisions.setBack(entry.submit.queryId, why.message);
  entry.avoid = avoid;
  if (kind === 'refused') entry.refusals += 1;
  else if (kind === 'suspect') entry.suspicions += 1;
  else entry.losses += 1;
  if (
    entry.refusals >= attemptsMax ||
    entry.suspicions >= attemptsMax ||
    entry.losses >= lossesMax
  ) {
    answer(dispatching, ctx, entry, refusedAnswer(entry.submit.queryId, why));
    return;
  }
  ctx.metrics.count('infaas_placed_again_total');
  place(dispatching, entry, ctx);
}

/** A worker or an instance ended: everything it held is placed again. */
export function bury(dispatching: Dispatching, terminated: Terminated, ctx: Context): void {
  const { index } = dispatching;
  const { node, path } = terminated.address;
  for (const worker of [...index.workers.values()]) {
    if (worker.ref.node !== node) continue;
    // This node's own epoch may have moved on since the watch; its actors are still the same.
    if (node !== ctx.self.node && worker.ref.epoch !== terminated.address.epoch) continue;
    if (worker.ref.path === path) {
      dispatching.index.removeWorker(worker.id);
      const orphans = dispatching.table.onWorker(worker.id);
      // One that drained and left in good order is news to nobody.
      if (terminated.reason === 'stopped') ctx.log.info('worker left', { worker: worker.id });
      else ctx.log.warn('worker lost', { worker: worker.id, why: terminated.detail });
      const { records } = dispatching.options;
      if (records !== undefined) {
        const inOrder = terminated.reason === 'stopped';
        const gone = { workerId: worker.id, why: terminated.detail, inOrder };
        ctx.tell(records, { type: 'records.worker-gone', ...gone });
      }
      if (index.workerList.length === 0) startWaiting(dispatching, ctx);
      orphan(dispatching, orphans, worker, terminated.detail, ctx);
      return;
    }
    if (!path.startsWith(`${worker.ref.path}/`)) continue;
    const instance = [...worker.instances.values()].find((candidate) => candidate.path === path);
    const instanceId = instance?.id ?? `${worker.id}/${path.slice(path.lastIndexOf('/') + 1)}`;
    index.removeInstance(worker, instanceId);
    const why = queryError('unavailable', `instance ${instanceId} ended (${terminated.detail})`);
    const setback: Setback = { avoid: instanceId, kind: 'lost', why };
    for (const entry of dispatching.table.onInstance(worker.id, instanceId)) {
      placeAgain(dispatching, entry, setback, ctx);
    }
  }
}

export function orphan(
  dispatching: Dispatching,
  entries: readonly InFlight[],
  worker: IndexedWorker,
  why: string,
  ctx: Context,
): void {
  const error = queryError('unavailable', `worker ${worker.id} was lost (${why})`);
  const setback: Setback = { avoid: undefined, kind: 'lost', why: error };
  for (const entry of entries) placeAgain(dispatching, entry, setback, ctx);
}

/** Lost on the way, by nobody's fault: placed again without counting one. */
export function placeLost(dispatching: Dispatching, node: string | undefined, ctx: Context): void {
  const { index, table } = dispatching;
  for (const entry of table.all()) {
    const holder = index.workers.get(entry.placement?.workerId ?? '')?.ref.node;
    if (holder === undefined || holder === ctx.self.node) continue;
    if (node === undefined || holder === node) entry.placement = undefined;
  }
  placeHeld(dispatching, ctx);
}

export function placeHeld(dispatching: Dispatching, ctx: Context): void {
  for (const entry of dispatching.table.held()) place(dispatching, entry, ctx);
}

const defaultWorkersGoneMs = 10_000;

/** The last worker is gone. Others have been there, so one may come: queries wait for it. */
function startWaiting(dispatching: Dispatching, ctx: Context): void {
  const { workersGoneMs = defaultWorkersGoneMs } = dispatching.options.config;
  dispatching.workersGoneAtMs ??= ctx.nowMs;
  dispatching.areWorkersGone = workersGoneMs === 0;
  ctx.after(workersGoneMs, 'workers-gone', { type: 'dispatcher.workers-stay-gone' });
}

/** A worker is new here: what waited for one is placed. */
export function welcome(dispatching: Dispatching, ctx: Context): void {
  dispatching.workersGoneAtMs = undefined;
  dispatching.areWorkersGone = false;
  ctx.cancel('workers-gone');
  placeHeld(dispatching, ctx);
}

const defaultBusOutageMs = 3_000;

/**
 * A lost bus is waited for; what was held meanwhile is placed when it is back. That the outage
 * lasts is the timer's to say and not the clock's, by which it may fire a little early.
 */
export function changeBus(dispatching: Dispatching, connected: boolean, ctx: Context): void {
  if (connected) {
    dispatching.busLostAtMs = undefined;
    dispatching.isBusOutage = false;
    ctx.cancel('outage');
    placeHeld(dispatching, ctx);
    return;
  }
  dispatching.busLostAtMs ??= ctx.nowMs;
  const { busOutageMs = defaultBusOutageMs } = dispatching.options.config;
  ctx.after(busOutageMs, 'outage', { type: 'dispatcher.bus-outage-lasts' });
}
