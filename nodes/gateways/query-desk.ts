/**
 * Between a gateway and the dispatcher of its process: hands queries in, remembers who asked, and
 * hands each answer back exactly once. One desk a gateway, with one port.
 *
 * It decides nothing about queries. It refuses what is over its own bounds or comes while it
 * closes, and answers `unavailable` itself where the dispatcher does not answer (it was restarted,
 * or is gone), so that no client waits for ever.
 */

import { type QueryError, queryError } from '../../actors/domain/outcome.ts';
import type { Principal } from '../../actors/domain/principal.ts';
import type { QueryAnswer, QueryId, QueryRequest } from '../../actors/domain/query.ts';
import type { DispatcherMessage, GatewayMessage } from '../../actors/dispatcher/protocol.ts';
import type { OfflineMessage } from '../../actors/offline/protocol.ts';
import type { RecordsMessage } from '../../actors/records/protocol.ts';
import type { RegistrarMessage } from '../../actors/registrar/protocol.ts';
import type { WriteChunk } from '../../actors/registrar/uploads-port.ts';
import type { ActorHost, Ref } from '../../runtime/actor.ts';
import { assertNever } from '../../runtime/assert.ts';
import type { Cancel, Clock } from '../../runtime/clock.ts';
import { messageOf } from '../../runtime/errors.ts';
import type { Logger } from '../../runtime/log.ts';
import type { Metrics } from '../../runtime/metrics.ts';
import type { GatewayConfig } from './config.ts';
import type { Encoding } from './decode-request.ts';
import { askOf, type Consultation, selectFleet } from './operations.ts';
import type { ClientId } from './parse-query.ts';

/** Where models are registered, and offline jobs run: on the controller's node. */
export interface RegistrationRefs {
  readonly offline: Ref<OfflineMessage>;
  readonly registrar: Ref<RegistrarMessage>;
  readonly uploads: Ref<WriteChunk>;
}

/** What the composition root gives every gateway. */
export interface GatewayOptions {
  readonly host: ActorHost;
  readonly clock: Clock;
  readonly log: Logger;
  readonly metrics: Metrics;
  /** The dispatcher in this process. */
  readonly dispatcher: Ref<DispatcherMessage>;
  /** Where desks enter their ports, for the dispatcher to know them. */
  readonly desks: Set<Ref<GatewayMessage>>;
  /** What becomes of the fleet, in this process; without it nobody can subscribe. */
  readonly records?: Ref<RecordsMessage> | undefined;
  /** Without them models are not registered through this gateway. */
  readonly registration?: RegistrationRefs | undefined;
  /** A query's system-wide id. */
  readonly newQueryId: () => QueryId;
  readonly config: GatewayConfig;
}

/** A query in flight. `origin` is the gateway's: the connection, the exchange, the message. */
export interface PendingQuery<O> {
  readonly queryId: QueryId;
  readonly origin: O;
  readonly clientId: ClientId | undefined;
  readonly encoding: Encoding;
  /** Size of its request, whose frame it keeps alive. */
  readonly bytes: number;
  readonly receivedMs: number;
  readonly timeoutMs: number;
}

/** A question about the fleet or a query. */
export interface PendingConsultation<O> {
  readonly origin: O;
  readonly clientId: ClientId | undefined;
  readonly encoding: Encoding;
  readonly asked: Consultation;
  readonly expiresMs: number;
}

/** The fields of the answer to a consultation. */
export type Consulted = Readonly<Record<string, unknown>>;

/** The gateway's side. A throw is absorbed and logged; it costs that one client its answer. */
export interface DeskListener<O> {
  answered(pending: PendingQuery<O>, answer: QueryAnswer): void;
  consulted(pending: PendingConsultation<O>, outcome: ConsultOutcome): void;
}

export type ConsultOutcome =
  | { readonly ok: true; readonly fields: Consulted }
  | { readonly ok: false; readonly error: QueryError };

/** The dispatcher keeps `timeoutMs`; this long after it, it is taken for dead. */
const graceMs = 2_000;
const consultMs = 5_000;
const sweepMs = 500;

export class QueryDesk<O> {
  private readonly name: string;
  private readonly options: GatewayOptions;
  private readonly listener: DeskListener<O>;
  private readonly port: Ref<GatewayMessage>;
  private readonly queries = new Map<QueryId, PendingQuery<O>>();
  private readonly consultations = new Map<string, PendingConsultation<O>>();
  private readonly unwatch: () => void;
  private bytes = 0;
  private closing = false;
  private sweep: Cancel | undefined;
  private drained: (() => void) | undefined;

  constructor(name: string, options: GatewayOptions, listener: DeskListener<O>) {
    this.name = name;
    this.options = options;
    this.listener = listener;
    this.port = options.host.port<GatewayMessage>(`gateway-${name}`, (message) => {
      this.receive(message);
    });
    options.desks.add(this.port);
    this.unwatch = options.host.watch(options.dispatcher, () => {
      this.refuseAll('the dispatcher of this gateway ended');
    });
  }

  get size(): number {
    return this.queries.size + this.consultations.size;
  }

  /** Why nothing more is taken at present: closing, or at a bound. */
  refusal(bytes: number): QueryError | undefined {
    const { config } = this.options;
    if (this.closing) return queryError('unavailable', 'this gateway is closing');
    if (this.size >= config.inFlightMax) {
      const message = `this gateway has ${this.size} requests in flight, its limit (inFlightMax)`;
      return queryError('overloaded', message);
    }
    if (this.bytes > 0 && this.bytes + bytes > config.inFlightBytesMax) {
      const message =
        `the requests in flight hold ${this.bytes} bytes; ` +
        `the limit is ${config.inFlightBytesMax} (inFlightBytesMax)`;
      return queryError('overloaded', message);
    }
    return undefined;
  }

  /** Hands a query in; `refusal` was asked before. */
  submit(pending: PendingQuery<O>, request: QueryRequest, principal: Principal): void {
    const { queryId, receivedMs } = pending;
    this.queries.set(queryId, pending);
    this.bytes += pending.bytes;
    this.keepSweeping();
    this.options.host.tell(this.options.dispatcher, {
      type: 'dispatcher.submit-query',
      queryId,
      principal,
      receivedMs,
      request,
      replyTo: this.port,
    });
  }

  consult(
    pending: Omit<PendingConsultation<O>, 'expiresMs'>,
    requestId: string,
    principal: Principal,
  ): void {
    const { host, clock, dispatcher } = this.options;
    this.consultations.set(requestId, { ...pending, expiresMs: clock.nowMs() + consultMs });
    this.keepSweeping();
    const envelope = { requestId, principal, replyTo: this.port };
    const { asked } = pending;
    if (asked.op !== 'explain' || asked.subject === undefined) {
      host.tell(dispatcher, askOf(asked, envelope));
      return;
    }
    const { subject } = asked;
    if (this.options.records !== undefined) {
      host.tell(this.options.records, { type: 'records.explain-subject', subject, ...envelope });
    }
  }

  /** The query is then answered `cancelled`, or with what was on its way already. */
  cancel(queryId: QueryId): void {
    if (!this.queries.has(queryId)) return;
    this.options.host.tell(this.options.dispatcher, { type: 'dispatcher.cancel-query', queryId });
  }

  /** Whoever asked is gone: cancelled, and its answer goes nowhere. */
  abandon(queryId: QueryId): void {
    if (this.take(queryId) === undefined) return;
    this.options.metrics.count('infaas_gateway_abandoned_total', 1, { gateway: this.name });
    this.options.host.tell(this.options.dispatcher, { type: 'dispatcher.cancel-query', queryId });
    this.settle();
  }

  /** Takes nothing more; resolves when all is answered, by itself or `unavailable` at the bound. */
  async drain(): Promise<void> {
    this.closing = true;
    if (this.size > 0) {
      await new Promise<void>((resolve) => {
        const giveUp = this.options.clock.schedule(this.options.config.drainMs, resolve);
        this.drained = () => {
          giveUp();
          resolve();
        };
      });
      this.drained = undefined;
    }
    this.refuseAll('this gateway closed before the query was answered');
    this.sweep?.();
    this.unwatch();
    this.options.desks.delete(this.port);
    this.options.host.closePort(this.port);
  }

  private receive(message: GatewayMessage): void {
    switch (message.type) {
      case 'gateway.query-answered': {
        const pending = this.take(message.queryId);
        if (pending === undefined) {
          // Its client vanished, or this desk gave up waiting.
          this.options.metrics.count('infaas_gateway_unclaimed_total', 1, { gateway: this.name });
        } else {
          this.answer(pending, message.answer);
        }
        this.settle();
        return;
      }
      case 'gateway.fleet-described':
        this.answerConsultation(message.requestId, ({ asked }) => {
          const { outcome } = message;
          if (asked.op === 'explain' || asked.op === 'quote') return undefined;
          return 'code' in outcome
            ? { ok: false, error: outcome }
            : { ok: true, fields: selectFleet(outcome, asked.op, asked.filters) };
        });
        return;
      case 'gateway.query-explained':
        this.answerConsultation(message.requestId, () =>
          consultOutcome('explanation', message.outcome),
        );
        return;
      case 'gateway.subject-explained': {
        const { requestId, explanation } = message;
        this.answerConsultation(requestId, () => consultOutcome('explanation', explanation));
        return;
      }
      case 'gateway.event-recorded':
        return;
      case 'gateway.query-quoted':
        this.answerConsultation(message.requestId, () => consultOutcome('quote', message.outcome));
        return;
      case 'gateway.queries-lost':
        this.refuseAll('the dispatcher of this gateway was restarted; try again');
        return;
      default:
        assertNever(message);
    }
  }

  private take(queryId: QueryId): PendingQuery<O> | undefined {
    const pending = this.queries.get(queryId);
    if (pending === undefined) return undefined;
    this.queries.delete(queryId);
    this.bytes -= pending.bytes;
    return pending;
  }

  private answer(pending: PendingQuery<O>, answer: QueryAnswer): void {
    try {
      this.listener.answered(pending, answer);
    } catch (error) {
      this.absorb(pending.queryId, error);
    }
  }

  private answerConsultation(
    requestId: string,
    outcomeFor: (pending: PendingConsultation<O>) => ConsultOutcome | undefined,
  ): void {
    const pending = this.consultations.get(requestId);
    this.consultations.delete(requestId);
    const outcome = pending === undefined ? undefined : outcomeFor(pending);
    if (pending !== undefined && outcome !== undefined) this.tellConsulted(pending, outcome);
    this.settle();
  }

  private tellConsulted(pending: PendingConsultation<O>, outcome: ConsultOutcome): void {
    try {
      this.listener.consulted(pending, outcome);
    } catch (error) {
      this.absorb(pending.asked.op, error);
    }
  }

  private absorb(what: string, error: unknown): void {
    const fields = { gateway: this.name, what, error: messageOf(error) };
    this.options.log.error('an answer could not be given to its client', fields);
  }

  private settle(): void {
    if (this.size === 0) this.drained?.();
  }

  private refuseAll(why: string): void {
    this.expire(Infinity, why);
  }

  /** Runs only while something is pending, so that it keeps no process alive. */
  private keepSweeping(): void {
    this.sweep ??= this.options.clock.schedule(sweepMs, () => {
      this.sweep = undefined;
      this.expire(this.options.clock.nowMs(), 'the dispatcher did not answer in time');
      if (this.size > 0) this.keepSweeping();
    });
  }

  private expire(nowMs: number, why: string): void {
    const error = queryError('unavailable', why);
    for (const pending of this.queries.values()) {
      if (pending.receivedMs + pending.timeoutMs + graceMs > nowMs) continue;
      this.take(pending.queryId);
      this.options.host.tell(this.options.dispatcher, {
        type: 'dispatcher.cancel-query',
        queryId: pending.queryId,
      });
      this.answer(pending, { ok: false, queryId: pending.queryId, error });
    }
    for (const [requestId, pending] of this.consultations) {
      if (pending.expiresMs > nowMs) continue;
      this.consultations.delete(requestId);
      this.tellConsulted(pending, { ok: false, error });
    }
    this.settle();
  }
}

function consultOutcome(field: string, outcome: object | QueryError): ConsultOutcome {
  return 'code' in outcome
    ? { ok: false, error: outcome }
    : { ok: true, fields: { [field]: outcome } };
}
