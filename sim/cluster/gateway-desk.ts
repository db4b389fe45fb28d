/**
 * The gateway of a simulated node: hands queries to the dispatcher beside it and keeps each until
 * its terminal answer, as the gateways of production do (`nodes/gateways/query-desk.ts`).
 */

import type { DispatcherMessage, GatewayMessage } from '../../actors/dispatcher/protocol.ts';
import { queryError } from '../../actors/domain/outcome.ts';
import { localPrincipal, type Principal } from '../../actors/domain/principal.ts';
import type { QueryAnswer, QueryId, QueryRequest } from '../../actors/domain/query.ts';
import type { Ref } from '../../runtime/actor.ts';
import { assert } from '../../runtime/assert.ts';
import type { SimHost } from '../sim-host.ts';

/**
 * @param expected False for an answer to a query that had one already or was never asked.
 */
export type AnswerListener = (queryId: QueryId, answer: QueryAnswer, expected: boolean) => void;

export class GatewayDesk {
  readonly port: Ref<GatewayMessage>;
  readonly pending = new Set<QueryId>();
  /** How often the dispatcher started anew. */
  restarts = -1;
  /** Refused when the dispatcher started anew; what lay in its mailbox is answered all the same. */
  private readonly disowned = new Set<QueryId>();
  private readonly host: SimHost;
  private readonly onAnswer: AnswerListener;
  private dispatcher: Ref<DispatcherMessage> | undefined;

  constructor(host: SimHost, onAnswer: AnswerListener) {
    this.host = host;
    this.onAnswer = onAnswer;
    this.port = host.port<GatewayMessage>('gateway', (message) => {
      if (message.type === 'gateway.query-answered') this.answer(message.queryId, message.answer);
      else if (message.type === 'gateway.queries-lost') this.refuseAll();
    });
  }

  open(dispatcher: Ref<DispatcherMessage>): void {
    this.dispatcher = dispatcher;
  }

  submit(queryId: QueryId, request: QueryRequest, principal: Principal = localPrincipal): void {
    assert(this.dispatcher !== undefined, 'the desk is open');
    this.pending.add(queryId);
    this.host.tell(this.dispatcher, {
      type: 'dispatcher.submit-query',
      queryId,
      principal,
      receivedMs: this.host.clock.nowMs(),
      request,
      replyTo: this.port,
    });
  }

  cancel(queryId: QueryId): void {
    if (this.dispatcher === undefined) return;
    this.host.tell(this.dispatcher, { type: 'dispatcher.cancel-query', queryId });
  }

  private answer(queryId: QueryId, answer: QueryAnswer): void {
    if (this.disowned.size > 0 && this.disowned.delete(queryId)) return;
    this.onAnswer(queryId, answer, this.pending.delete(queryId));
  }

  /** The dispatcher starts anew: it has nothing of what it was given before. */
  private refuseAll(): void {
    this.restarts += 1;
    const error = queryError('unavailable', 'the dispatcher of this gateway was restarted');
    for (const queryId of [...this.pending]) {
      this.answer(queryId, { ok: false, queryId, error });
      this.disowned.add(queryId);
    }
  }
}
