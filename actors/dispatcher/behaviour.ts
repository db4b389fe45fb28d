/**
 * A gateway node's dispatcher: decides for each query which variant, worker and instance serve it,
 * keeps it until exactly one terminal answer has left, and places it again when what held it dies.
 *
 * It shares nothing with other dispatchers: each has its own in-flight table and its own view of
 * the fleet, made of the registry (from the controller) and of the workers' own reports, so that it
 * goes on serving when the controller is gone.
 */

import type { ActorContext, ActorSpec, Lane, Terminated } from '../../runtime/actor.ts';
import { refOf } from '../../runtime/actor.ts';
import { assertNever } from '../../runtime/assert.ts';
import { restartPolicy } from '../../runtime/supervision.ts';
import type { ControllerMessage } from '../controller/protocol.ts';
import { attach, type Attachment, awaitWord } from '../domain/attachment.ts';
import { queryError } from '../domain/outcome.ts';
import type { QueryFinished } from '../worker/protocol.ts';
import type { Dispatching, DispatcherOptions } from './dispatching.ts';
import { admit } from './admission.ts';
import { answer } from './answering.ts';
import { refusedAnswer, servedAnswer } from './answers.ts';
import { DecisionLog } from './decision-log.ts';
import { describeFleet } from './describe-fleet.ts';
import { FleetIndex, type IndexedWorker, noteBacklog } from './fleet-index.ts';
import { type InFlight, InFlightTable } from './in-flight.ts';
import { Foresight } from './foresight.ts';
import { bury, changeBus, orphan, placeAgain, placeHeld, placeLost, welcome } from './losses.ts';
import { loadOf, readinessOf } from './outage.ts';
import { boundOf, place } from './placing.ts';
import type { DispatcherMessage, ExplainQuery, SubmitQuery } from './protocol.ts';
import { quote } from './quoting.ts';
import { refuseMessage } from './refusing.ts';

export type { DispatcherConfig, DispatcherOptions } from './dispatching.ts';

type Context = ActorContext<DispatcherMessage>;

export function dispatcherSpec(
  options: DispatcherOptions,
): ActorSpec<Dispatching, DispatcherMessage> {
  return {
    start: (ctx) => startDispatcher(options, ctx),
    behaviour: dispatcherBehaviour,
    supervision: restartPolicy,
    mailboxMax: options.config.mailboxMax,
    laneOf,
    remoteTypes: [
      'dispatcher.query-finished',
      'dispatcher.query-assigned',
      'dispatcher.worker-reported',
      'dispatcher.registry-changed',
    ],
    refuse: refuseMessage,
    onStop: (dispatching, ctx) => {
      for (const entry of [...dispatching.table.all()]) {
        const error = queryError('unavailable', 'the gateway is shutting down');
        answer(dispatching, ctx, entry, refusedAnswer(entry.submit.queryId, error));
      }
    },
  };
}

function attachmentOf(
  { controller, epoch, config }: DispatcherOptions,
  ctx: Context,
): Attachment<ControllerMessage, DispatcherMessage> {
  return {
    ...{ controller, epoch, forgottenMs: config.forgottenMs },
    message: { type: 'controller.attach-dispatcher', dispatcher: ctx.self },
    due: (silences) => ({ type: 'dispatcher.attach-due', silences }),
  };
}

/** After a restart everything is asked for anew: the registry and workers, and the queries. */
function startDispatcher(options: DispatcherOptions, ctx: Context): Dispatching {
  attach(attachmentOf(options, ctx), ctx);
  for (const gateway of options.gateways()) ctx.tell(gateway, { type: 'gateway.queries-lost' });
  return {
    options,
    index: new FleetIndex(),
    table: new InFlightTable(),
    decisions: new DecisionLog(options.config.explainedMax),
    foresight: new Foresight(),
    busLostAtMs: undefined,
    isBusOutage: false,
    workersGoneAtMs: undefined,
    areWorkersGone: false,
    wakeAtMs: Infinity,
    selectionsTo: undefined,
  };
}

/** A cancellation stays behind its query, lest it comes before there is anything to cancel. */
function laneOf({ type }: DispatcherMessage): Lane {
  switch (type) {
    case 'dispatcher.submit-query':
    case 'dispatcher.cancel-query':
    case 'dispatcher.describe-fleet':
    case 'dispatcher.explain-query':
    case 'dispatcher.quote-query':
      return 'work';
    default:
      return 'control';
  }
}

type RegistryChanged = Extract<DispatcherMessage, { type: 'dispatcher.registry-changed' }>;

function takeRegistry(
  { index, options }: Dispatching,
  { since, revision, variants, removed = [] }: RegistryChanged,
  ctx: Context,
): void {
  awaitWord(attachmentOf(options, ctx), ctx);
  if (since === revision && revision === index.revision) return;
  if (since === undefined) index.setRegistry(revision, variants);
  // A change from something that never came: whoever attaches is given the whole.
  else if (!index.changeRegistry(since, revision, variants, removed))
    attach(attachmentOf(options, ctx), ctx);
}

function dispatcherBehaviour(
  dispatching: Dispatching,
  message: DispatcherMessage,
  ctx: Context,
): Dispatching {
  switch (message.type) {
    case 'dispatcher.submit-query':
      submit(dispatching, message, ctx);
      return dispatching;
    case 'dispatcher.query-finished':
      finish(dispatching, message, ctx);
      return dispatching;
    case 'dispatcher.cancel-query':
      cancel(dispatching, message.queryId, ctx);
      return dispatching;
    case 'dispatcher.query-assigned':
      assign(dispatching, message, ctx);
      return dispatching;
    case 'dispatcher.worker-reported':
      takeReport(dispatching, message, ctx);
      return dispatching;
    case 'dispatcher.registry-changed':
      takeRegistry(dispatching, message, ctx);
      return dispatching;
    case 'dispatcher.describe-fleet':
      ctx.tell(message.replyTo, {
        type: 'gateway.fleet-described',
        requestId: message.requestId,
        outcome: describeFleet(dispatching.index, message.wanted),
      });
      return dispatching;
    case 'dispatcher.explain-query':
      explain(dispatching, message, ctx);
      return dispatching;
    case 'dispatcher.quote-query':
      quote(dispatching, message, ctx);
      return dispatching;
    case 'dispatcher.actor-terminated':
      bury(dispatching, message.terminated, ctx);
      return dispatching;
    case 'dispatcher.deadline-reached':
      expire(dispatching, ctx);
      return dispatching;
    case 'dispatcher.report-readiness':
      ctx.tell(message.replyTo, readinessOf(dispatching, ctx));
      return dispatching;
    case 'dispatcher.tell-selections':
      dispatching.selectionsTo = message.to;
      return dispatching;
    case 'dispatcher.report-load':
      ctx.tell(message.replyTo, loadOf(dispatching));
      return dispatching;
    case 'dispatcher.attach-due':
      attach(attachmentOf(dispatching.options, ctx), ctx, message.silences);
      return dispatching;
    case 'dispatcher.bus-changed':
      changeBus(dispatching, message.connected, ctx);
      return dispatching;
    case 'dispatcher.bus-outage-lasts':
      dispatching.isBusOutage = true;
      // What is on another node is as good as lost: its answer has no way here.
      placeLost(dispatching, undefined, ctx);
      return dispatching;
    case 'dispatcher.workers-stay-gone':
      dispatching.areWorkersGone = true;
      placeHeld(dispatching, ctx);
      return dispatching;
    case 'dispatcher.messages-lost':
      placeLost(dispatching, message.node, ctx);
      return dispatching;
    default:
      return assertNever(message);
  }
}

function submit(dispatching: Dispatching, query: SubmitQuery, ctx: Context): void {
  if (dispatching.table.get(query.queryId) !== undefined) {
    // It has an answer coming; a second entry would give it two.
    ctx.metrics.count('infaas_duplicate_queries_total');
    return;
  }
  const admitted = admit(dispatching, query);
  ctx.metrics.count('infaas_queries_total');
  if ('error' in admitted) {
    ctx.metrics.count('infaas_refusals_total', 1, { code: admitted.error.code });
    ctx.tell(query.replyTo, {
      type: 'gateway.query-answered',
      queryId: query.queryId,
      answer: refusedAnswer(query.queryId, admitted.error),
    });
    return;
  }
  dispatching.table.add(admitted.entry);
  wakeFor(dispatching, admitted.entry, ctx);
  place(dispatching, admitted.entry, ctx);
}

function finish(dispatching: Dispatching, finished: QueryFinished, ctx: Context): void {
  const entry = dispatching.table.get(finished.queryId);
  const placement = entry?.placement;
  if (
    entry === undefined ||
    placement === undefined ||
    entry.attempt !== finished.delivery.attempt
  ) {
    ctx.metrics.count('infaas_stale_answers_total');
    return;
  }
  const worker = dispatching.index.workers.get(placement.workerId);
  const instance = worker?.instances.get(finished.instanceId);
  const { outcome } = finished;
  // Whoever refused it without a look at the queue says nothing of what is owed there.
  if (instance !== undefined && (outcome.ok || outcome.retry === 'never')) {
    noteBacklog(instance, finished.backlogMs, ctx.nowMs);
  }
  if (outcome.ok && ctx.nowMs > entry.hardDueMs) {
    const message = `the answer came after ${boundOf(entry)}`;
    const late = queryError('deadline_exceeded', message);
    answer(dispatching, ctx, entry, refusedAnswer(finished.queryId, late));
  } else if (outcome.ok) {
    const served = servedAnswer(
      entry,
      placement,
      outcome,
      finished.instanceId,
      worker?.report,
      ctx.nowMs,
    );
    answer(dispatching, ctx, entry, served);
  } else if (outcome.retry !== 'never') {
    const setback = { avoid: finished.instanceId, kind: outcome.retry, why: outcome.error };
    placeAgain(dispatching, entry, setback, ctx);
  } else {
    answer(dispatching, ctx, entry, refusedAnswer(finished.queryId, outcome.error));
  }
}

function cancel(dispatching: Dispatching, queryId: string, ctx: Context): void {
  const entry = dispatching.table.get(queryId);
  if (entry === undefined) return;
  tellCancel(dispatching, entry, ctx);
  const error = queryError('cancelled', 'cancelled by the client');
  answer(dispatching, ctx, entry, refusedAnswer(queryId, error));
}

function explain(
  { decisions, options }: Dispatching,
  { requestId, queryId, principal, replyTo }: ExplainQuery,
  ctx: Context,
): void {
  const { selection, explainedMax } = options.config;
  const outcome =
    decisions.explain(queryId, principal.tenant, selection) ??
    queryError(
      'bad_input',
      `this gateway keeps no decision on a query "${queryId}"; it keeps its last ` +
        `${String(explainedMax)} (dispatcher.explainedMax), and a query's id begins with the ` +
        'name of the gateway node that it was asked of',
      { field: 'queryId' },
    );
  ctx.tell(replyTo, { type: 'gateway.query-explained', requestId, outcome });
}

/** Takes it out of the instance's queue; what runs already is finished and dropped. */
function tellCancel(dispatching: Dispatching, entry: InFlight, ctx: Context): void {
  const { placement } = entry;
  const worker =
    placement === undefined ? undefined : dispatching.index.workers.get(placement.workerId);
  if (placement === undefined || worker === undefined) return;
  ctx.tell(worker.ref, {
    type: 'worker.cancel-query',
    queryId: entry.submit.queryId,
    variantId: placement.variant.id,
    instanceId: placement.instanceId,
  });
}

function assign(
  dispatching: Dispatching,
  assigned: Extract<DispatcherMessage, { type: 'dispatcher.query-assigned' }>,
  ctx: Context,
): void {
  const entry = dispatching.table.get(assigned.queryId);
  const placement = entry?.placement;
  if (entry?.attempt !== assigned.delivery.attempt || placement === undefined) return;
  placement.instanceId = assigned.instanceId;
  const worker = dispatching.index.workers.get(placement.workerId);
  if (worker !== undefined) watchInstance(worker, assigned.path, ctx);
}

function watchInstance(worker: IndexedWorker, path: string, ctx: Context): void {
  ctx.watch(refOf(worker.ref.node, worker.ref.epoch, path), asTerminated);
}

function asTerminated(terminated: Terminated): DispatcherMessage {
  return { type: 'dispatcher.actor-terminated', terminated };
}

function takeReport(
  dispatching: Dispatching,
  reported: Extract<DispatcherMessage, { type: 'dispatcher.worker-reported' }>,
  ctx: Context,
): void {
  const { index, table } = dispatching;
  const { worker, report, dispatchers } = reported;
  const before = index.workers.get(report.workerId);
  if (before !== undefined && before.ref.epoch > worker.epoch) return;
  const isBack = before !== undefined && before.ref.epoch < worker.epoch;
  const orphans = isBack ? table.onWorker(report.workerId) : [];
  const { worker: indexed, isNew } = index.applyReport(worker, report, dispatchers, ctx.nowMs);
  const { records } = dispatching.options;
  if (records !== undefined) ctx.tell(records, { type: 'records.worker-seen', report });
  if (isNew) ctx.watch(worker, asTerminated);
  for (const instance of indexed.instances.values()) {
    if (instance.isWatched) continue;
    instance.isWatched = true;
    watchInstance(indexed, instance.path, ctx);
  }
  if (isBack) {
    const why = 'it came back under a newer epoch';
    ctx.log.warn('worker lost', { worker: before.id, why });
    orphan(dispatching, orphans, before, why, ctx);
  }
  if (isNew) welcome(dispatching, ctx);
}

/** One timer for all deadlines, armed for the earliest. */
function wakeFor(dispatching: Dispatching, entry: InFlight, ctx: Context): void {
  if (entry.hardDueMs >= dispatching.wakeAtMs) return;
  dispatching.wakeAtMs = entry.hardDueMs;
  const delayMs = Math.max(0, entry.hardDueMs - ctx.nowMs);
  ctx.after(delayMs, 'deadline', { type: 'dispatcher.deadline-reached' });
}

function expire(dispatching: Dispatching, ctx: Context): void {
  dispatching.wakeAtMs = Infinity;
  let next: InFlight | undefined;
  for (const entry of [...dispatching.table.all()]) {
    if (entry.hardDueMs > ctx.nowMs) {
      if (next === undefined || entry.hardDueMs < next.hardDueMs) next = entry;
      continue;
    }
    tellCancel(dispatching, entry, ctx);
    const held = entry.placement === undefined ? '; there was nowhere to run it' : '';
    const message = `not answered within ${boundOf(entry)}${held}`;
    const error = queryError('deadline_exceeded', message);
    answer(dispatching, ctx, entry, refusedAnswer(entry.submit.queryId, error));
  }
  if (next !== undefined) wakeFor(dispatching, next, ctx);
}
