/** The one way out of the dispatcher: a query's terminal answer. */

import type { ActorContext } from '../../runtime/actor.ts';
import type { QueryAnswer } from '../domain/query.ts';
import type { InFlight } from './in-flight.ts';
import type { Dispatching } from './dispatching.ts';
import type { DispatcherMessage } from './protocol.ts';

/** Removes the entry, and only then answers. */
export function answer(
  dispatching: Dispatching,
  ctx: ActorContext<DispatcherMessage>,
  entry: InFlight,
  terminal: QueryAnswer,
): void {
  const { placement } = entry;
  if (!dispatching.table.remove(entry)) return;
  dispatching.decisions.answered(terminal);
  if (terminal.ok) {
    if (placement !== undefined) {
      const { isToLoad, isCold, placedMs, predictedMs } = placement;
      const observedMs = ctx.nowMs - placedMs;
      // A load's length says nothing of the next query's.
      if (!isCold) dispatching.foresight.observe(predictedMs, observedMs);
      else if (isToLoad) dispatching.foresight.observeLoad(predictedMs, observedMs);
    }
    ctx.metrics.observe('infaas_query_ms', terminal.timing.totalMs);
    ctx.metrics.count('infaas_answers_total', 1, { variant: terminal.servedBy.variant });
    if (!terminal.slo.met) ctx.metrics.count('infaas_slo_missed_total');
  } else {
    ctx.metrics.count('infaas_refusals_total', 1, { code: terminal.error.code });
  }
  ctx.tell(entry.submit.replyTo, {
    type: 'gateway.query-answered',
    queryId: entry.submit.queryId,
    answer: terminal,
  });
}
