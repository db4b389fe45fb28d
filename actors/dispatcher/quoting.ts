/** What a query would get now, by the policy that would place it; nothing runs or is loaded. */

import type { ActorContext } from '../../runtime/actor.ts';
import type { Quote } from '../domain/explanation.ts';
import type { QueryError } from '../domain/outcome.ts';
import { type QueryView, selectionPolicies } from '../policy/selection/index.ts';
import { Judgements } from '../policy/selection/judge.ts';
import { tooLargeBatch } from './admission.ts';
import type { Dispatching } from './dispatching.ts';
import { viewOf } from './placing.ts';
import type { DispatcherMessage, QuoteQuery } from './protocol.ts';
import { resolveSelector } from './resolve.ts';

type Context = ActorContext<DispatcherMessage>;

export function quote(dispatching: Dispatching, asked: QuoteQuery, ctx: Context): void {
  const { requestId, replyTo } = asked;
  const outcome = quoteOf(dispatching, asked, ctx);
  ctx.tell(replyTo, { type: 'gateway.query-quoted', requestId, outcome });
}

function quoteOf(
  dispatching: Dispatching,
  { asked, batch }: QuoteQuery,
  ctx: Context,
): Quote | QueryError {
  const { index, options, foresight } = dispatching;
  const tooLarge = tooLargeBatch(batch, options.config);
  if (tooLarge !== undefined) return tooLarge;
  const { selector, slo, onMiss, timeoutMs } = asked;
  const resolved = resolveSelector(index, selector);
  if (!resolved.ok) return resolved.error;
  const view = viewOf(dispatching, resolved.candidates.variants, ctx);
  const withinMs = slo.latencyMs ?? Infinity;
  const timeoutLeftMs = timeoutMs;
  const query: QueryView = {
    ...{ slo, onMiss, batch, sloLeftMs: withinMs, timeoutLeftMs },
    avoid: undefined,
  };
  const policy = options.config.selection;
  const selection = selectionPolicies[policy](view, query, ctx.random);
  if (selection.kind === 'refuse') return selection.error;
  const { variant, worker, instance, predictedMs, reason } = selection;
  // Of a load it knows nothing: what it has seen were answers by what was loaded.
  const isWarm = instance !== undefined && instance.readyAtMs <= ctx.nowMs;
  const chance = isWarm ? foresight.chance(predictedMs, withinMs) : undefined;
  const judged = new Judgements();
  judged.take(view, query, variant);
  return {
    policy,
    variant: variant.id,
    worker: worker.id,
    ...(instance === undefined ? {} : { instance: instance.id }),
    accuracy: variant.accuracy,
    costUsd: variant.costUsd * batch,
    predictedMs,
    ...(chance === undefined ? {} : { chance }),
    reason,
    considered: judged.describe(),
    leftOut: judged.leftOut,
  };
}
