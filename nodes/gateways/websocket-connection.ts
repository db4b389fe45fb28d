/**
 * One client of the WebSocket gateway: its frames, what it has in flight, and how it ends.
 *
 * Its bad frames, flood, silence or death cost nobody else anything: each is bounded here.
 */

import type { Duplex } from 'node:stream';

import type { RawData, WebSocket } from 'ws';

import { type QueryError, queryError } from '../../actors/domain/outcome.ts';
import type { Principal } from '../../actors/domain/principal.ts';
import type { QueryAnswer } from '../../actors/domain/query.ts';
import { decodeRequest, type Encoding, type JsonObject } from './decode-request.ts';
import {
  type ConsultOperation,
  isConsultOperation,
  operationRefused,
  parseConsultation,
} from './operations.ts';
import { isRegistrationOperation, type RegistrationOperation } from './parse-registration.ts';
import { type ClientId, clientIdOf, clientIdProblem, parseQuery } from './parse-query.ts';
import { printAnswer, printError, printObject } from './print-answer.ts';
import type {
  ConsultOutcome,
  GatewayOptions,
  PendingConsultation,
  PendingQuery,
  QueryDesk,
} from './query-desk.ts';
import type { RegistrationDesk } from './registration-desk.ts';
import { parseSubscription, type Subscriptions } from './subscriptions.ts';

/** What a connection needs of its gateway. */
export interface ConnectionOwner {
  readonly options: GatewayOptions;
  readonly desk: QueryDesk<Connection>;
  readonly registrations: RegistrationDesk;
  readonly subscriptions: Subscriptions;
  forget(connection: Connection): void;
}

/** Close code of RFC 6455's registry: the condition is temporary. */
const tryAgainLater = 1013;
/** How long a client may take to answer our closing handshake before its socket is cut. */
const closeGraceMs = 2_000;
/** News wait for a client with more unread than this, bytes; answers have the larger bound. */
const newsBufferedMax = 1024 * 1024;

const binaryFrame = { binary: true, compress: false } as const;
const textFrame = { binary: false, compress: false } as const;
const operationEnvelope: ReadonlySet<string> = new Set(['id', 'op']);

/** One client. */
export class Connection {
  private readonly gateway: ConnectionOwner;
  private readonly socket: WebSocket;
  /** What is below the WebSocket. */
  private readonly stream: Duplex;
  private corked = false;
  private readonly principal: Principal;
  /** Client ids (as strings) of what is in flight, to our own. */
  private readonly inFlight = new Map<string, string>();
  /** What ends each of its subscriptions, by the client's id. */
  private readonly subscribed = new Map<string, () => void>();
  private consulting = 0;
  private registering = 0;
  private heardOf = true;
  private gone = false;

  constructor(gateway: ConnectionOwner, socket: WebSocket, stream: Duplex, principal: Principal) {
    this.gateway = gateway;
    this.socket = socket;
    this.stream = stream;
    this.principal = principal;
    socket.on('message', (data, isBinary) => {
      this.receive(data, isBinary);
    });
    socket.on('pong', () => {
      this.heardOf = true;
    });
    socket.on('close', () => {
      this.vanish();
    });
    // A frame over the hard limit, or one that breaks the protocol: ws closes with its code.
    socket.on('error', (error) => {
      this.gateway.options.log.debug('a WebSocket failed', { error: error.message });
    });
  }

  /** Called each beat: ends what no longer answers, or does not read. */
  check(): void {
    if (!this.heardOf) this.socket.terminate();
    else if (!this.overflows()) {
      this.heardOf = false;
      this.socket.ping();
    }
  }

  end(code: number, reason: string): Promise<void> {
    return new Promise((resolve) => {
      if (this.socket.readyState === this.socket.CLOSED) {
        resolve();
        return;
      }
      const cut = this.gateway.options.clock.schedule(closeGraceMs, () => {
        this.socket.terminate();
      });
      this.socket.once('close', () => {
        cut();
        resolve();
      });
      this.socket.close(code, reason);
    });
  }

  answered(pending: PendingQuery<Connection>, answer: QueryAnswer): void {
    this.inFlight.delete(String(pending.clientId));
    const { config } = this.gateway.options;
    this.send(printAnswer(answer, pending.clientId, pending.encoding, config));
  }

  consulted(pending: PendingConsultation<Connection>, outcome: ConsultOutcome): void {
    this.consulting -= 1;
    const { clientId, encoding, asked } = pending;
    const { op } = asked;
    if (!outcome.ok) {
      this.send(printError(outcome.error, clientId, encoding, op));
      return;
    }
    const id = clientId === undefined ? {} : { id: clientId };
    this.send(printObject({ ...id, op, ok: true, ...outcome.fields }, encoding));
  }

  private receive(data: RawData, isBinary: boolean): void {
    if (this.gone) return;
    this.heardOf = true;
    const { clock, config } = this.gateway.options;
    const receivedMs = clock.nowMs();
    const bytes = data as Buffer;
    const encoding = isBinary ? 'msgpack' : 'json';
    const decoded = decodeRequest(bytes, encoding, config);
    if (!decoded.ok) {
      this.refuse(decoded.error, this.idOfTooLarge(decoded.error, bytes, encoding), encoding);
      return;
    }
    const { op } = decoded.value;
    if (op === undefined || op === null || op === 'query') {
      this.query(decoded.value, encoding, receivedMs, bytes.length);
    } else {
      this.operate(op, decoded.value, encoding);
    }
  }

  /** So that its client knows which query it was. Cheap, since tensors are jumped over. */
  private idOfTooLarge(
    error: QueryError,
    bytes: Uint8Array,
    encoding: Encoding,
  ): ClientId | undefined {
    if (error.code !== 'too_large' || encoding !== 'msgpack') return undefined;
    const { config } = this.gateway.options;
    const decoded = decodeRequest(bytes, encoding, { ...config, payloadBytesMax: bytes.length });
    return decoded.ok ? clientIdOf(decoded.value) : undefined;
  }

  private query(value: JsonObject, encoding: Encoding, receivedMs: number, bytes: number): void {
    const { options, desk } = this.gateway;
    const parsed = parseQuery(value, options.config);
    const clientId = clientIdOf(value);
    if (!parsed.ok) {
      this.refuse(parsed.error, clientId, encoding);
      return;
    }
    const { request } = parsed;
    const refusal = this.duplicate(request.id) ?? this.bounds() ?? desk.refusal(bytes);
    if (refusal !== undefined) {
      this.refuse(refusal, clientId, encoding);
      return;
    }
    const queryId = options.newQueryId();
    this.inFlight.set(request.id, queryId);
    const { timeoutMs } = request;
    desk.submit(
      { queryId, origin: this, clientId, encoding, bytes, receivedMs, timeoutMs },
      request,
      this.principal,
    );
  }

  private duplicate(id: string): QueryError | undefined {
    if (!this.inFlight.has(id) && !this.subscribed.has(id)) return undefined;
    const message = `id: ${JSON.stringify(id)} is the id of a query in flight on this connection`;
    return queryError('bad_input', message, { field: 'id' });
  }

  private bounds(): QueryError | undefined {
    const most = this.gateway.options.config.inFlightPerConnectionMax;
    const { inFlight, subscribed, consulting, registering } = this;
    return inFlight.size + subscribed.size + consulting + registering >= most
      ? queryError('overloaded', `this connection has ${most} requests in flight, its limit`)
      : undefined;
  }

  private operate(op: unknown, value: JsonObject, encoding: Encoding): void {
    const clientId = clientIdOf(value);
    const told = typeof op === 'string' ? op.slice(0, 64) : undefined;
    const idProblem = clientIdProblem(value, op === 'cancel' || op === 'subscribe');
    if (idProblem !== undefined) {
      this.refuse(idProblem, undefined, encoding, told);
    } else if (op === 'ping') {
      const id = clientId === undefined ? {} : { id: clientId };
      this.send(printObject({ ...id, op: 'pong', ok: true }, encoding));
    } else if (op === 'cancel') {
      this.cancel(String(clientId), clientId, encoding);
    } else if (op === 'subscribe') {
      this.subscribe(String(clientId), value, clientId, encoding);
    } else if (isConsultOperation(op)) {
      this.consult(op, value, clientId, encoding);
    } else if (isRegistrationOperation(op)) {
      this.register(op, value, clientId, encoding);
    } else {
      this.refuse(operationRefused(op), clientId, encoding, told);
    }
  }

  /** Has no answer of its own: the query's is it, `cancelled` or already on its way. */
  private cancel(id: string, clientId: ClientId | undefined, encoding: Encoding): void {
    const queryId = this.inFlight.get(id);
    if (queryId !== undefined) {
      this.gateway.desk.cancel(queryId);
      return;
    }
    const end = this.subscribed.get(id);
    if (end !== undefined) {
      this.subscribed.delete(id);
      end();
      const told = clientId === undefined ? {} : { id: clientId };
      this.send(printObject({ ...told, op: 'subscribe', ok: true, ended: true }, encoding));
      return;
    }
    const message = `id: no query ${JSON.stringify(id)} is in flight on this connection`;
    this.refuse(queryError('bad_input', message, { field: 'id' }), clientId, encoding, 'cancel');
  }

  /** News come until it is cancelled, or the connection ends; a slow reader loses some. */
  private subscribe(
    id: string,
    value: JsonObject,
    clientId: ClientId | undefined,
    encoding: Encoding,
  ): void {
    const { subscriptions } = this.gateway;
    const parsed = parseSubscription(value);
    const refusal = parsed.ok
      ? (this.duplicate(id) ?? this.bounds() ?? subscriptions.refusal())
      : parsed.error;
    if (!parsed.ok || refusal !== undefined) {
      if (refusal !== undefined) this.refuse(refusal, clientId, encoding, 'subscribe');
      return;
    }
    const end = subscriptions.add(parsed.filter, this.principal, (news) => {
      if (this.socket.bufferedAmount > newsBufferedMax) return false;
      const about = { id: clientId, op: 'subscribe', ok: true, partial: true };
      this.send(printObject({ ...about, ...news }, encoding));
      return true;
    });
    this.subscribed.set(id, end);
  }

  private consult(
    op: ConsultOperation,
    value: JsonObject,
    clientId: ClientId | undefined,
    encoding: Encoding,
  ): void {
    const { options, desk } = this.gateway;
    const parsed = parseConsultation(op, value, operationEnvelope, options.config);
    const refusal = parsed.ok ? (this.bounds() ?? desk.refusal(0)) : parsed.error;
    if (!parsed.ok || refusal !== undefined) {
      if (refusal !== undefined) this.refuse(refusal, clientId, encoding, op);
      return;
    }
    this.consulting += 1;
    const pending = { origin: this, clientId, encoding, asked: parsed.asked };
    desk.consult(pending, options.newQueryId(), this.principal);
  }

  /** Progress comes before the answer, each in a frame of its own. */
  private register(
    op: RegistrationOperation,
    value: JsonObject,
    clientId: ClientId | undefined,
    encoding: Encoding,
  ): void {
    const refusal = this.bounds();
    if (refusal !== undefined) {
      this.refuse(refusal, clientId, encoding, op);
      return;
    }
    this.registering += 1;
    const id = clientId === undefined ? {} : { id: clientId };
    this.gateway.registrations.request(op, value, this.principal, (answer) => {
      if (answer.partial !== true) this.registering -= 1;
      this.send(printObject({ ...id, op, ...answer }, encoding));
    });
  }

  private refuse(
    error: QueryError,
    clientId: ClientId | undefined,
    encoding: Encoding,
    op?: string,
  ): void {
    const labels = { gateway: 'websocket', code: error.code };
    this.gateway.options.metrics.count('infaas_gateway_refusals_total', 1, labels);
    this.send(printError(error, clientId, encoding, op));
  }

  /** The answers of one turn, a batch's say, leave in one write. */
  private cork(): void {
    if (this.corked) return;
    this.corked = true;
    this.stream.cork();
    process.nextTick(this.uncork);
  }

  private readonly uncork = (): void => {
    this.corked = false;
    this.stream.uncork();
  };

  private send(frame: Uint8Array | string): void {
    if (this.gone || this.overflows()) return;
    this.cork();
    this.socket.send(frame, typeof frame === 'string' ? textFrame : binaryFrame);
  }

  /** A client that does not read: told so, and what it still waits for is cancelled. */
  private overflows(): boolean {
    const { config, log } = this.gateway.options;
    if (this.socket.bufferedAmount <= config.bufferedBytesMax) return false;
    log.warn('a client does not read its answers', { bufferedBytes: this.socket.bufferedAmount });
    const reason = 'answers are not read (bufferedBytesMax)';
    this.vanish();
    void this.end(tryAgainLater, reason);
    return true;
  }

  private vanish(): void {
    if (this.gone) return;
    this.gone = true;
    for (const queryId of this.inFlight.values()) this.gateway.desk.abandon(queryId);
    this.inFlight.clear();
    for (const end of this.subscribed.values()) end();
    this.subscribed.clear();
    this.gateway.forget(this);
  }
}
