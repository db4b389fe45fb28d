/** What a dispatcher's mailbox cannot take, or its turn failed on, is answered in its words. */

import { type Refusal, type RefusalReason, refusal } from '../../runtime/actor.ts';
import { type QueryError, queryError } from '../domain/outcome.ts';
import { refusedAnswer } from './answers.ts';
import type { DispatcherMessage } from './protocol.ts';

const refusals = {
  'mailbox-full': queryError('overloaded', 'this gateway takes no more queries now'),
  'actor-stopped': queryError('unavailable', 'the gateway is shutting down'),
  'actor-failed': queryError('internal', 'the dispatcher failed on this query; its log says why'),
} as const satisfies Readonly<Record<RefusalReason, QueryError>>;

/** What it answers; of what nobody waits for an answer to, nothing. */
export function refuseMessage(
  message: DispatcherMessage,
  reason: RefusalReason,
): Refusal | undefined {
  const outcome = refusals[reason];
  switch (message.type) {
    case 'dispatcher.submit-query': {
      const { queryId, replyTo } = message;
      const answer = refusedAnswer(queryId, outcome);
      return refusal(replyTo, { type: 'gateway.query-answered', queryId, answer });
    }
    case 'dispatcher.describe-fleet': {
      const { requestId, replyTo } = message;
      return refusal(replyTo, { type: 'gateway.fleet-described', requestId, outcome });
    }
    case 'dispatcher.explain-query': {
      const { requestId, replyTo } = message;
      return refusal(replyTo, { type: 'gateway.query-explained', requestId, outcome });
    }
    case 'dispatcher.quote-query': {
      const { requestId, replyTo } = message;
      return refusal(replyTo, { type: 'gateway.query-quoted', requestId, outcome });
    }
    default:
      return undefined;
  }
}
