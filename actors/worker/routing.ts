/**
 * A worker's router: a query goes to the instance that its dispatcher chose, to that instance's
 * successor, or to one that is loaded for it.
 */

import { type OutcomeCode, queryError } from '../domain/outcome.ts';
import { load, makeRoom, movedAway, obstacleToLoad } from './loading.ts';
import type { CancelQuery, QueryFinished, Retry, RunQuery } from './protocol.ts';
import type { Context, Lasting, Loaded, WorkerOptions, Working } from './working.ts';

export function route(working: Working, query: RunQuery, ctx: Context): void {
  const chosen =
    query.instanceId === undefined ? undefined : working.instances.get(query.instanceId);
  if (chosen?.draining === false) {
    pass(chosen, query, ctx);
    return;
  }
  const successor = successorOf(working, chosen, query, ctx) ?? loadFor(working, query, ctx);
  if (successor === undefined) return;
  ctx.tell(query.replyTo, {
    type: 'dispatcher.query-assigned',
    queryId: query.queryId,
    delivery: query.delivery,
    instanceId: successor.id,
    path: successor.ref.path,
  });
  pass(successor, query, ctx);
}

function pass(to: Loaded, query: RunQuery, ctx: Context): void {
  to.usedAtMs = ctx.nowMs;
  ctx.tell(to.ref, query);
}

/** Whoever took over, else any other of the variant; one that has loaded before one that loads. */
function successorOf(
  working: Working,
  gone: Loaded | undefined,
  { variantId }: RunQuery,
  ctx: Context,
): Loaded | undefined {
  const heir =
    gone?.successorId === undefined ? undefined : working.instances.get(gone.successorId);
  if (heir?.draining === false && heir.variant.id === variantId) return heir;
  const alike = working.byVariant.get(variantId) ?? [];
  const ready = alike.filter((loaded) => loaded.ready);
  const among = ready.length > 0 ? ready : alike;
  return among.length > 0 ? among[Math.floor(ctx.random() * among.length)] : undefined;
}

/** Loads the variant of a query that came for none; tells the dispatcher when that cannot be. */
function loadFor(working: Working, query: RunQuery, ctx: Context): Loaded | undefined {
  const { options } = working;
  const gone = query.instanceId === undefined ? undefined : working.instances.get(query.instanceId);
  if (gone?.draining === true && gone.successorId !== undefined) {
    // Replaced by another variant; whether that will do, its dispatcher knows.
    const why = `${gone.id} was replaced`;
    ctx.tell(query.replyTo, refusedQuery(options, query, 'unavailable', why, 'lost'));
    return undefined;
  }
  const variant = working.registry.byId.get(query.variantId);
  const away =
    variant === undefined || query.instanceId === undefined
      ? undefined
      : movedAway(working, variant, ctx.nowMs);
  if (away !== undefined) {
    // Sent before its dispatcher knew; whether it is to come back here, that decides.
    ctx.tell(query.replyTo, refusedQuery(options, query, 'unavailable', away, 'lost'));
    return undefined;
  }
  const obstacle =
    variant === undefined
      ? `worker ${options.id} does not know variant ${query.variantId} yet`
      : obstacleToLoad(working, variant, ctx.nowMs);
  if (variant !== undefined && obstacle === undefined) {
    return load(working, variant, `query ${query.queryId} was sent here for it`, ctx);
  }
  const { held } = working.lasting;
  if (variant !== undefined && held.length < options.config.heldMax) {
    if (makeRoom(working, variant, ctx)) {
      held.push({ query, sinceMs: ctx.nowMs });
      return undefined;
    }
  }
  const retry = working.draining ? 'lost' : 'refused';
  ctx.tell(query.replyTo, refusedQuery(options, query, 'unavailable', obstacle ?? '', retry));
  return undefined;
}

/** Something has given way: what waited for that is tried again. */
export function routeHeld(working: Working, ctx: Context): void {
  const { held } = working.lasting;
  const waiting = [...held];
  for (const { query, sinceMs } of waiting) {
    const { delivery } = query;
    const budgetMs = delivery.budgetMs - (ctx.nowMs - sinceMs);
    // Whoever asked has been told that it is too late.
    if (budgetMs > 0) route(working, { ...query, delivery: { ...delivery, budgetMs } }, ctx);
  }
  // Only now: if the turn fails, the next life gives them back.
  held.splice(0, waiting.length);
}

/** To the dispatchers that own them, without blame. */
export function giveBackHeld(
  options: WorkerOptions,
  { held }: Lasting,
  why: string,
  ctx: Context,
): void {
  for (const { query } of held.splice(0)) {
    ctx.tell(query.replyTo, refusedQuery(options, query, 'unavailable', why, 'lost'));
  }
}

export function refusedQuery(
  options: WorkerOptions,
  query: RunQuery,
  code: OutcomeCode,
  message: string,
  retry: Retry = 'refused',
): QueryFinished {
  return {
    type: 'dispatcher.query-finished',
    queryId: query.queryId,
    delivery: query.delivery,
    epoch: options.epoch(),
    instanceId: query.instanceId ?? options.id,
    outcome: { ok: false, error: queryError(code, message), retry },
    backlogMs: 0,
  };
}

export function passCancel(working: Working, cancel: CancelQuery, ctx: Context): void {
  const { held } = working.lasting;
  const waits = held.findIndex(({ query }) => query.queryId === cancel.queryId);
  if (waits >= 0) held.splice(waits, 1);
  const chosen =
    cancel.instanceId === undefined ? undefined : working.instances.get(cancel.instanceId);
  if (chosen?.draining === false) {
    ctx.tell(chosen.ref, cancel);
    return;
  }
  // The router chose for it: whoever has it takes it out.
  for (const { ref } of working.byVariant.get(cancel.variantId) ?? []) ctx.tell(ref, cancel);
}
