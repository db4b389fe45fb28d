/**
 * Placing one query: asks the selection policy, sends the query on, and remembers where it went.
 */

import type { ActorContext, Ref } from '../../runtime/actor.ts';
import { type QueryError, queryError } from '../domain/outcome.ts';
import { type FleetView, type QueryView, selectionPolicies } from '../policy/selection/index.ts';
import { answer } from './answering.ts';
import { refusedAnswer } from './answers.ts';
import {
  type IndexedInstance,
  type IndexedVariant,
  type IndexedWorker,
  noteSent,
} from './fleet-index.ts';
import type { Dispatching } from './dispatching.ts';
import type { InFlight, Placement } from './in-flight.ts';
import { outageOf } from './outage.ts';
import type { DispatcherMessage, SelectionMade } from './protocol.ts';
import { resolveSelector } from './resolve.ts';

/** Places the query, holds it while the bus is away, or answers why it cannot be served. */
export function place(
  dispatching: Dispatching,
  entry: InFlight,
  ctx: ActorContext<DispatcherMessage>,
): void {
  const error = placeQuery(dispatching, entry, ctx);
  if (error === undefined) return;
  answer(dispatching, ctx, entry, refusedAnswer(entry.submit.queryId, error));
}

/** Returns why the query cannot be served, or undefined when it was placed or is held. */
function placeQuery(
  dispatching: Dispatching,
  entry: InFlight,
  ctx: ActorContext<DispatcherMessage>,
): QueryError | undefined {
  const { index, options } = dispatching;
  const { request } = entry.submit;
  const timeoutLeftMs = entry.hardDueMs - ctx.nowMs;
  // A hard SLO that was over before anything ran is the policy's to refuse: it names the nearest.
  if (timeoutLeftMs <= 0 && (entry.attempt > 0 || ctx.nowMs >= timeoutAtMs(entry))) {
    return tooLate(entry);
  }
  // Named anew each time: the registry may have changed since it was placed before.
  const resolved = resolveSelector(index, request.selector);
  if (!resolved.ok) return resolved.error;
  const view = viewOf(dispatching, resolved.candidates.variants, ctx);
  const query: QueryView = {
    slo: request.slo,
    onMiss: request.onMiss,
    batch: entry.batch,
    sloLeftMs: entry.sloDueMs - ctx.nowMs,
    timeoutLeftMs,
    avoid: entry.avoid,
  };
  const selection = selectionPolicies[options.config.selection](view, query, ctx.random);
  if (selection.kind === 'refuse') {
    if (selection.error.code === 'unavailable') {
      // Held for a while: it is placed when the bus or a worker is back, or expires.
      const held = outageOf(dispatching, ctx);
      if (held !== 'none') return held === 'short' ? undefined : held;
    }
    preload(selection.preload, ctx);
    const reason = selection.error.message;
    dispatching.decisions.record(entry, ctx.nowMs, { view, query, reason });
    return selection.error;
  }
  if (timeoutLeftMs <= 0) return tooLate(entry);
  // The policy only ever hands back what it was shown, which is the index itself.
  const worker = selection.worker as IndexedWorker;
  const variant = selection.variant as IndexedVariant;
  const instance = selection.instance as IndexedInstance | undefined;
  const placement: Placement = {
    variant,
    workerId: worker.id,
    workerEpoch: worker.ref.epoch,
    instanceId: instance?.id,
    placedMs: ctx.nowMs,
    predictedMs: selection.predictedMs,
    isToLoad: instance === undefined,
    isCold: instance === undefined || instance.readyAtMs > ctx.nowMs,
    reason: selection.reason,
  };
  // Before its own work counts there.
  const { reason } = selection;
  dispatching.decisions.record(entry, ctx.nowMs, { view, query, reason, placement });
  if (dispatching.selectionsTo !== undefined)
    tellSelection(dispatching.selectionsTo, entry, placement, ctx);
  if (instance !== undefined) noteSent(instance, entry.batch, worker.dispatchers, ctx.nowMs);
  entry.attempt += 1;
  entry.placement = placement;
  ctx.tell(worker.ref, {
    type: 'worker.run-query',
    queryId: entry.submit.queryId,
    delivery: {
      attempt: entry.attempt,
      budgetMs: timeoutLeftMs,
      priority: request.priority,
      tenant: entry.submit.principal.tenant,
      trace: request.trace,
      final: true,
    },
    variantId: variant.id,
    instanceId: instance?.id,
    inputs: request.inputs,
    outputs: request.outputs,
    batch: entry.batch,
    // One that may have killed its engine runs alone, lest it takes others with it.
    batchKey: entry.suspicions > 0 ? entry.submit.queryId : entry.batchKey,
    asks: {
      by: request.selector.by,
      accuracyMin: request.slo.accuracyMin ?? 0,
      latencyMs: request.slo.latencyMs ?? Infinity,
    },
    sloLeadMs: entry.hardDueMs - entry.sloDueMs,
    rejectLate: request.onMiss === 'reject',
    replyTo: ctx.self,
  });
  preload(selection.preload, ctx);
  return undefined;
}

/** Somebody subscribed to selections. */
function tellSelection(
  to: Ref<SelectionMade>,
  { submit }: InFlight,
  { variant, workerId, instanceId, predictedMs, reason }: Placement,
  ctx: ActorContext<DispatcherMessage>,
): void {
  const { queryId, principal } = submit;
  ctx.tell(to, {
    type: 'records.selection-made',
    selection: {
      kind: 'selection',
      queryId,
      tenant: principal.tenant,
      variant: variant.id,
      worker: workerId,
      instance: instanceId,
      predictedMs,
      reason,
    },
  });
}

/** While the bus is away there are only the workers on this node. */
export function viewOf(
  { index, options, foresight, busLostAtMs }: Dispatching,
  variants: readonly IndexedVariant[],
  { nowMs, self }: ActorContext<DispatcherMessage>,
): FleetView {
  const { hopMs } = options.config;
  const { loadExtraMs } = foresight;
  if (busLostAtMs === undefined) {
    return { nowMs, variants, workers: index.workerList, hopMs, loadExtraMs };
  }
  return {
    nowMs,
    variants: variants.map((variant) => ({
      ...variant,
      instances: variant.instances.filter(({ worker }) => worker.ref.node === self.node),
    })),
    workers: index.workerList.filter(({ ref }) => ref.node === self.node),
    hopMs,
    loadExtraMs,
  };
}

/** A load that was asked for shows in a report long before that; a lost request is repeated. */
const askAgainMs = 1_000;
const loadsRememberedMax = 64;

/** Told once and not for every query that would have gone there. */
function preload(
  wanted: { readonly variant: { readonly id: string }; readonly worker: unknown } | undefined,
  ctx: ActorContext<DispatcherMessage>,
): void {
  if (wanted === undefined) return;
  const worker = wanted.worker as IndexedWorker;
  const { loadsAskedMs } = worker;
  if (ctx.nowMs - (loadsAskedMs.get(wanted.variant.id) ?? -Infinity) < askAgainMs) return;
  if (loadsAskedMs.size >= loadsRememberedMax) loadsAskedMs.clear();
  loadsAskedMs.set(wanted.variant.id, ctx.nowMs);
  ctx.tell(worker.ref, { type: 'worker.load-variant', variantId: wanted.variant.id, count: 1 });
}

function tooLate(entry: InFlight): QueryError {
  return queryError('deadline_exceeded', `not answered within ${boundOf(entry)}`);
}

function timeoutAtMs({ submit }: InFlight): number {
  return submit.receivedMs + submit.request.timeoutMs;
}

/** The query's hard bound in words. */
export function boundOf(entry: InFlight): string {
  const { onMiss, slo, timeoutMs } = entry.submit.request;
  return onMiss === 'reject' && entry.hardDueMs < timeoutAtMs(entry)
    ? `latencyMs ${String(slo.latencyMs)} (onMiss: reject)`
    : `timeoutMs ${String(timeoutMs)}`;
}
