/**
 * The NATS gateway: a service `infaas` after ADR-32, with an endpoint an operation. Payload
 * msgpack, or JSON with the header `Content-Type: application/json`; NATS balances over gateways.
 *
 * By hand rather than by the client's services API, which counts no answered error as one, keeps
 * time in whole milliseconds, and takes a query as done when its handler returned.
 *
 * Two subjects beside the endpoints reach all gateways at once, since nobody knows which one holds
 * a query; they name queries by their reply subjects, which only their client knows:
 * `infaas.v1.cancel`, and `infaas.v1.held`, by which a client learns that its gateway died.
 */

import { headers as createHeaders, type Msg, type MsgHdrs, type NatsConnection } from 'nats';

import { type QueryError, queryError } from '../../actors/domain/outcome.ts';
import { localPrincipal, type Principal } from '../../actors/domain/principal.ts';
import type { QueryAnswer, QueryId } from '../../actors/domain/query.ts';
import { messageOf } from '../../runtime/errors.ts';
import { encode } from '../../runtime/wire/codec.ts';
import { serviceSubject } from '../../runtime/wire/subjects.ts';
import { decodeRequest, type Encoding } from './decode-request.ts';
import type { EndpointStats } from './nats-discovery.ts';
import { ServiceDiscovery } from './nats-discovery.ts';
import {
  type ConsultOperation,
  consultOperations,
  operationRefused,
  parseConsultation,
} from './operations.ts';
import { type RegistrationOperation, registrationOperations } from './parse-registration.ts';
import { clientIdOf, clientIdProblem, type ClientId, parseQuery } from './parse-query.ts';
import { httpStatusOf, printAnswer, printError, printObject } from './print-answer.ts';
import {
  type ConsultOutcome,
  type DeskListener,
  type GatewayOptions,
  type PendingConsultation,
  type PendingQuery,
  QueryDesk,
} from './query-desk.ts';
import { RegistrationDesk } from './registration-desk.ts';
import { parseSubscription, sendInParts, Subscriptions } from './subscriptions.ts';

export interface NatsServiceOptions extends GatewayOptions {
  readonly connection: NatsConnection;
  /** Whoever may publish here has the server's credentials. Default: the local principal. */
  readonly principal?: Principal;
  /** This gateway among those of its kind; also its id in the service's discovery. */
  readonly id: string;
  /** SemVer, for discovery. */
  readonly version: string;
}

export interface NatsService {
  /** Leaves the subjects, answers what is in flight (bounded). The connection stays open. */
  close(): Promise<void>;
}

/** A request on its way through. */
interface NatsRequest {
  readonly message: Msg;
  readonly stats: EndpointStats;
  readonly startedMs: number;
}

interface Subscribed {
  heardMs: number;
  readonly end: () => void;
}

const endpointEnvelope: ReadonlySet<string> = new Set(['id', 'op']);
/** Room left beside an answer for its headers, within the server's `max_payload`. */
const headerBytes = 4_096;
const heldMax = 65_536;
/** A subscription whose client did not ask after it for so long has ended. */
const unheardMs = 30_000;
const openingBrace = 0x7b;

/** Subscribes; the service is discoverable when it resolves. */
export async function startNatsService(options: NatsServiceOptions): Promise<NatsService> {
  const service = new RunningNatsService(options);
  await options.connection.flush();
  return service;
}

class RunningNatsService implements NatsService, DeskListener<NatsRequest> {
  private readonly options: NatsServiceOptions;
  private readonly desk: QueryDesk<NatsRequest>;
  private readonly discovery: ServiceDiscovery;
  private readonly principal: Principal;
  /** Reply subjects of what is in flight. */
  private readonly byReply = new Map<string, QueryId>();
  private readonly registrations: RegistrationDesk;
  /** Reply subjects of registrations, removals and uploads under way. */
  private readonly registering = new Set<string>();
  private readonly subscriptions: Subscriptions;
  /** By reply subject. */
  private readonly subscribed = new Map<string, Subscribed>();
  private readonly broadcasts;
  private closed: Promise<void> | undefined;

  constructor(options: NatsServiceOptions) {
    this.options = options;
    this.principal = options.principal ?? localPrincipal;
    this.desk = new QueryDesk('nats', options, this);
    this.registrations = new RegistrationDesk('nats', options);
    this.subscriptions = new Subscriptions('nats', options);
    const { connection, id, version, clock } = options;
    this.discovery = new ServiceDiscovery({
      connection,
      clock,
      log: options.log,
      identity: { name: 'infaas', id, version, description: 'Model-less inference serving' },
    });
    this.discovery.endpoint('query', serviceSubject('query'), (message, stats) => {
      this.query({ message, stats, startedMs: clock.nowMs() });
    });
    for (const op of consultOperations) {
      this.discovery.endpoint(op, serviceSubject(op), (message, stats) => {
        this.consult({ message, stats, startedMs: clock.nowMs() }, op);
      });
    }
    for (const op of registrationOperations) {
      this.discovery.endpoint(op, serviceSubject(op), (message, stats) => {
        this.register({ message, stats, startedMs: clock.nowMs() }, op);
      });
    }
    this.discovery.endpoint('subscribe', serviceSubject('subscribe'), (message, stats) => {
      this.subscribe({ message, stats, startedMs: clock.nowMs() });
    });
    this.broadcasts = [
      this.discovery.subscribe(serviceSubject('cancel'), (message) => {
        for (const reply of this.repliesIn(message)) {
          const queryId = this.byReply.get(reply);
          if (queryId !== undefined) this.desk.cancel(queryId);
          this.subscribed.get(reply)?.end();
        }
      }),
      this.discovery.subscribe(serviceSubject('held'), (message) => {
        const holds = (reply: string): boolean =>
          this.byReply.has(reply) || this.registering.has(reply) || this.isHeard(reply);
        const held = this.repliesIn(message).filter(holds);
        if (held.length > 0) message.respond(encode({ held }));
      }),
    ];
  }

  close(): Promise<void> {
    this.closed ??= this.drain();
    return this.closed;
  }

  answered(pending: PendingQuery<NatsRequest>, answer: QueryAnswer): void {
    const { origin, clientId, encoding } = pending;
    this.byReply.delete(origin.message.reply ?? '');
    const error = answer.ok ? undefined : answer.error;
    const body = printAnswer(answer, clientId, encoding, this.options.config);
    this.respond(origin, body, encoding, error, clientId);
  }

  consulted(pending: PendingConsultation<NatsRequest>, outcome: ConsultOutcome): void {
    const { origin, clientId, encoding } = pending;
    if (!outcome.ok) {
      this.refuse(origin, outcome.error, clientId, encoding);
      return;
    }
    const id = clientId === undefined ? {} : { id: clientId };
    const body = printObject({ ...id, ok: true, ...outcome.fields }, encoding);
    this.respond(origin, body, encoding, undefined, clientId);
  }

  private async drain(): Promise<void> {
    await this.discovery.leave();
    this.registrations.close();
    for (const { end } of [...this.subscribed.values()]) end();
    this.subscriptions.close();
    await this.desk.drain();
    for (const subscription of this.broadcasts) subscription.unsubscribe();
    if (!this.options.connection.isClosed()) {
      await this.options.connection.flush().catch(() => undefined);
    }
  }

  private query(request: NatsRequest): void {
    const { message, startedMs } = request;
    const { config, newQueryId } = this.options;
    const encoding = encodingOf(message);
    const { reply } = message;
    // Nobody would hear the answer.
    if (reply === undefined || reply === '') return;
    const decoded = decodeRequest(message.data, encoding, config);
    if (!decoded.ok) {
      this.refuse(request, decoded.error, undefined, encoding);
      return;
    }
    const { value } = decoded;
    const clientId = clientIdOf(value);
    const { op } = value;
    if (op !== undefined && op !== null && op !== 'query') {
      this.refuse(request, operationRefused(op, ['query']), clientId, encoding);
      return;
    }
    const queryId = newQueryId();
    const parsed = parseQuery(value, config, queryId);
    const refusal = parsed.ok ? this.desk.refusal(message.data.length) : parsed.error;
    if (!parsed.ok || refusal !== undefined) {
      if (refusal !== undefined) this.refuse(request, refusal, clientId, encoding);
      return;
    }
    this.byReply.set(reply, queryId);
    const { timeoutMs } = parsed.request;
    const bytes = message.data.length;
    this.desk.submit(
      { queryId, origin: request, clientId, encoding, bytes, receivedMs: startedMs, timeoutMs },
      parsed.request,
      this.principal,
    );
  }

  private consult(request: NatsRequest, op: ConsultOperation): void {
    const { message } = request;
    const encoding = encodingOf(message);
    const decoded =
      message.data.length === 0
        ? ({ ok: true, value: {} } as const)
        : decodeRequest(message.data, encoding, this.options.config);
    if (!decoded.ok) {
      this.refuse(request, decoded.error, undefined, encoding);
      return;
    }
    const { value } = decoded;
    const clientId = clientIdOf(value);
    const parsed = parseConsultation(op, value, endpointEnvelope, this.options.config);
    const refusal =
      clientIdProblem(value, false) ?? (parsed.ok ? this.desk.refusal(0) : parsed.error);
    if (!parsed.ok || refusal !== undefined) {
      if (refusal !== undefined) this.refuse(request, refusal, clientId, encoding);
      return;
    }
    const pending = { origin: request, clientId, encoding, asked: parsed.asked };
    this.desk.consult(pending, this.options.newQueryId(), this.principal);
  }

  /** Progress goes to the same reply subject, before the answer. */
  private register(request: NatsRequest, op: RegistrationOperation): void {
    const { message, stats, startedMs } = request;
    const encoding = encodingOf(message);
    const { reply } = message;
    if (reply === undefined || reply === '') return;
    const decoded = decodeRequest(message.data, encoding, this.options.config);
    if (!decoded.ok) {
      this.refuse(request, decoded.error, undefined, encoding);
      return;
    }
    const clientId = clientIdOf(decoded.value);
    const id = clientId === undefined ? {} : { id: clientId };
    this.registering.add(reply);
    this.registrations.request(op, decoded.value, this.principal, (answer) => {
      const body = printObject({ ...id, ...answer }, encoding);
      if (answer.partial === true) {
        this.sendWithin(message, body, encoding);
        return;
      }
      this.registering.delete(reply);
      let { error } = answer;
      if (error !== undefined) this.send(message, body, encoding, error);
      else if (!this.sendWithin(message, body, encoding)) {
        error = this.tooLarge(`what became of \`${op}\`, which is done,`, 'ask for what there is');
        this.send(message, printError(error, clientId, encoding), encoding, error);
      }
      stats.done(this.options.clock.nowMs() - startedMs, error?.message);
    });
  }

  /**
   * News go to the reply subject until the subscription is cancelled there, or its client asks
   * after it no more: nobody says on NATS that a listener has gone.
   */
  private subscribe(request: NatsRequest): void {
    const { message, stats, startedMs } = request;
    const { clock, config } = this.options;
    const encoding = encodingOf(message);
    const { reply } = message;
    if (reply === undefined || reply === '') return;
    const decoded =
      message.data.length === 0
        ? ({ ok: true, value: {} } as const)
        : decodeRequest(message.data, encoding, config);
    const clientId = decoded.ok ? clientIdOf(decoded.value) : undefined;
    const parsed = decoded.ok ? parseSubscription(decoded.value) : decoded;
    const refusal = parsed.ok ? this.subscriptions.refusal() : parsed.error;
    if (!parsed.ok || refusal !== undefined) {
      if (refusal !== undefined) this.refuse(request, refusal, clientId, encoding);
      return;
    }
    const id = clientId === undefined ? {} : { id: clientId };
    const stop = this.subscriptions.add(parsed.filter, this.principal, (news) => {
      if (clock.nowMs() - subscribed.heardMs > unheardMs) {
        subscribed.end();
        return false;
      }
      sendInParts(news, (part) => {
        const body = printObject({ ...id, ok: true, partial: true, ...part }, encoding);
        return this.sendWithin(message, body, encoding);
      });
      return true;
    });
    const end = (): void => {
      if (!this.subscribed.delete(reply)) return;
      stop();
      stats.done(clock.nowMs() - startedMs, undefined);
      this.send(
        message,
        printObject({ ...id, ok: true, ended: true }, encoding),
        encoding,
        undefined,
      );
    };
    const subscribed: Subscribed = { heardMs: clock.nowMs(), end };
    this.subscribed.set(reply, subscribed);
  }

  /** Its client asks after it, and so lives. */
  private isHeard(reply: string): boolean {
    const subscribed = this.subscribed.get(reply);
    if (subscribed === undefined) return false;
    subscribed.heardMs = this.options.clock.nowMs();
    return true;
  }

  private refuse(
    request: NatsRequest,
    error: QueryError,
    clientId: ClientId | undefined,
    encoding: Encoding,
  ): void {
    const labels = { gateway: 'nats', code: error.code };
    this.options.metrics.count('infaas_gateway_refusals_total', 1, labels);
    this.respond(request, printError(error, clientId, encoding), encoding, error, clientId);
  }

  private respond(
    request: NatsRequest,
    body: Uint8Array | string,
    encoding: Encoding,
    error: QueryError | undefined,
    clientId: ClientId | undefined,
  ): void {
    const payload = bytesOf(body);
    if (error === undefined && payload.length > this.bytesMax) {
      const what = `the answer of ${payload.length} bytes`;
      const refusal = this.tooLarge(what, 'ask for fewer outputs, or over WebSocket');
      this.refuse(request, refusal, clientId, encoding);
      return;
    }
    request.stats.done(this.options.clock.nowMs() - request.startedMs, error?.message);
    this.send(request.message, payload, encoding, error);
  }

  /** Of an answer: more the server would not carry, and end the connection. */
  private get bytesMax(): number {
    return (this.options.connection.info?.max_payload ?? Infinity) - headerBytes;
  }

  private tooLarge(what: string, instead: string): QueryError {
    const message = `${what} is over the NATS server's limit (max_payload); ${instead}`;
    return queryError('too_large', message);
  }

  /** False, and nothing is sent, where it is too large for one message. */
  private sendWithin(message: Msg, body: Uint8Array | string, encoding: Encoding): boolean {
    const payload = bytesOf(body);
    if (payload.length > this.bytesMax) return false;
    this.send(message, payload, encoding, undefined);
    return true;
  }

  private send(
    message: Msg,
    body: Uint8Array | string,
    encoding: Encoding,
    error: QueryError | undefined,
  ): void {
    const headers = answerHeaders(encoding, error);
    try {
      message.respond(body, headers === undefined ? {} : { headers });
    } catch (failure) {
      // The connection is gone, and with it whoever waits.
      this.options.log.warn('a NATS answer was not sent', { error: messageOf(failure) });
    }
  }

  private repliesIn(message: Msg): readonly string[] {
    const decoded = decodeRequest(message.data, 'msgpack', this.options.config);
    const replies = decoded.ok ? decoded.value['replies'] : undefined;
    if (!Array.isArray(replies) || replies.length > heldMax) return [];
    return (replies as readonly unknown[]).filter((reply) => typeof reply === 'string');
  }
}

function bytesOf(body: Uint8Array | string): Uint8Array {
  return typeof body === 'string' ? new TextEncoder().encode(body) : body;
}

/** Without a header it is what it looks like: no map begins with a brace in msgpack. */
function encodingOf({ headers, data }: Msg): Encoding {
  const type = headers?.get('Content-Type') ?? '';
  if (type === '') return data[0] === openingBrace ? 'json' : 'msgpack';
  return type.toLowerCase().startsWith('application/json') ? 'json' : 'msgpack';
}

/** Nothing for the ordinary msgpack answer: headers cost on both sides. */
function answerHeaders(encoding: Encoding, error: QueryError | undefined): MsgHdrs | undefined {
  if (encoding === 'msgpack' && error === undefined) return undefined;
  const headers = createHeaders();
  if (encoding === 'json') headers.set('Content-Type', 'application/json');
  if (error !== undefined) {
    headers.set('Nats-Service-Error-Code', String(httpStatusOf[error.code]));
    // One printable line: a header ends at a line break.
    headers.set('Nats-Service-Error', error.message.replace(/[^\x20-\x7e]/g, ' ').slice(0, 1_024));
  }
  return headers;
}
