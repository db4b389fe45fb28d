/** Queries as workers and instances receive them, and the refs they answer to. */

import type { DispatcherMessage } from '../../actors/dispatcher/protocol.ts';
import type { CancelQuery, QueryFinished, RunQuery } from '../../actors/worker/protocol.ts';
import { refOf } from '../../runtime/actor.ts';
import { plainDelivery } from '../../runtime/wire/envelope.ts';
import type { Recording } from './recording-context.ts';
import { pairs } from './variants.ts';

export const dispatcherRef = refOf<DispatcherMessage>('gateway', 1, '/dispatcher');

export interface RunQueryParts extends Partial<Omit<RunQuery, 'delivery' | 'sloLeadMs'>> {
  readonly budgetMs?: number;
  /** Until its SLO's latency is missed, ms. */
  readonly sloBudgetMs?: number;
  readonly attempt?: number;
  readonly priority?: number;
}

/** For variant `v`, any instance, 30 s, no SLO. */
export function runQuery(queryId: string, parts: RunQueryParts = {}): RunQuery {
  const { budgetMs, sloBudgetMs, attempt, priority, ...rest } = parts;
  return {
    type: 'worker.run-query',
    queryId,
    delivery: {
      ...{ ...plainDelivery, attempt: attempt ?? 1, budgetMs: budgetMs ?? 30_000 },
      priority: priority ?? 0,
    },
    variantId: 'v',
    instanceId: undefined,
    inputs: pairs(rest.batch ?? 1),
    outputs: undefined,
    batch: 1,
    batchKey: '',
    asks: { by: 'variant', accuracyMin: 0, latencyMs: Infinity },
    sloLeadMs: (budgetMs ?? 30_000) - (sloBudgetMs ?? Infinity),
    rejectLate: false,
    replyTo: dispatcherRef,
    ...rest,
  };
}

export function cancelQuery(queryId: string, instanceId?: string): CancelQuery {
  return { type: 'worker.cancel-query', queryId, variantId: 'v', instanceId };
}

/** What the dispatcher was told about queries since `forget`. */
export function finishedOf<S, M>(actor: Recording<S, M>): QueryFinished[] {
  return actor
    .toldTo(dispatcherRef)
    .filter((message) => message.type === 'dispatcher.query-finished');
}

const again = { never: '', refused: ' refused', suspect: ' suspect', lost: ' lost' };

/** `q1 ok`, or `q1 overloaded`, and why it may be placed again. */
export function outcomesOf<S, M>(actor: Recording<S, M>): string[] {
  return finishedOf(actor).map(({ queryId, outcome }) => {
    if (outcome.ok) return `${queryId} ok`;
    return `${queryId} ${outcome.error.code}${again[outcome.retry]}`;
  });
}
