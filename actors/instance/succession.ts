/**
 * How an instance gives way: to a successor, which gets what waits, or to nobody, when what waits
 * goes back to its dispatchers. What runs is finished in either case.
 */

import type { ActorContext } from '../../runtime/actor.ts';
import { startBatch } from './batches.ts';
import type { InstanceMessage } from './protocol.ts';
import { insertByDue, type Waiting } from './queue.ts';
import {
  account,
  finish,
  type Heir,
  isLeaving,
  refused,
  type RefusedOutcome,
  type Serving,
  unload,
} from './serving.ts';

/**
 * What waits goes to the successor as it is, deadlines and all, and the dispatchers are told before
 * this one can end: so that neither they nor it lose or double a query.
 */
export function handOver(
  serving: Serving,
  { successorId, successor }: Extract<InstanceMessage, { type: 'instance.hand-over' }>,
  ctx: ActorContext<InstanceMessage>,
): void {
  serving.heir = { id: successorId, ref: successor };
  passOn(serving.heir, serving.queue.splice(0), ctx);
  leave(serving, 'migrating', ctx);
}

/** Queries that are not to run here: the successor has them from now on. */
export function passOn(
  { id, ref }: Heir,
  waiting: readonly Waiting[],
  ctx: ActorContext<InstanceMessage>,
): void {
  for (const { query } of waiting) {
    ctx.tell(query.replyTo, {
      type: 'dispatcher.query-assigned',
      queryId: query.queryId,
      delivery: query.delivery,
      instanceId: id,
      path: ref.path,
    });
  }
  if (waiting.length > 0) ctx.tell(ref, { type: 'instance.take-over', waiting });
}

export function takeOver(
  serving: Serving,
  waiting: readonly Waiting[],
  ctx: ActorContext<InstanceMessage>,
): void {
  for (const each of waiting) {
    const refusal = whyNot(serving);
    if (refusal === undefined) insertByDue(serving.queue, each);
    // Refused without blame: its dispatcher did not send it here.
    else finish(serving, ctx, each, { ...refusal, retry: 'lost' });
  }
  startBatch(serving, ctx);
  account(serving, ctx, {});
}

/** Gives back what waits, finishes what runs, unloads: `migrating` where there is a successor. */
export function leave(
  serving: Serving,
  state: 'draining' | 'migrating',
  ctx: ActorContext<InstanceMessage>,
): void {
  if (isLeaving(serving)) return;
  const wasLoading = serving.state === 'loading';
  serving.state = state;
  const why = refused('unavailable', `instance ${serving.options.id} is ${state}`, 'lost');
  for (const waiting of serving.queue.splice(0)) finish(serving, ctx, waiting, why);
  account(serving, ctx, { urgent: true });
  const idle = serving.running === undefined && serving.suspects.length === 0;
  if (wasLoading || idle) unload(serving, ctx);
}

/** Why it takes no query now, or undefined. */
export function whyNot(serving: Serving): RefusedOutcome | undefined {
  const { options, queue, state } = serving;
  if (isLeaving(serving) || state === 'failed') {
    return refused('unavailable', `instance ${options.id} is ending`, 'lost');
  }
  return queue.length >= options.config.queueMax
    ? refused('overloaded', `the queue of ${options.id} is full`, 'refused')
    : undefined;
}
