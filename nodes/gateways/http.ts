/**
 * The HTTP gateway: `POST /v1/query`, `GET /v1/{tasks,…}`, in JSON or msgpack. One request, one
 * answer; a client that hangs up cancels its query.
 */

import type { IncomingMessage, ServerResponse } from 'node:http';

import { type QueryError, queryError } from '../../actors/domain/outcome.ts';
import type { Principal } from '../../actors/domain/principal.ts';
import type { QueryAnswer } from '../../actors/domain/query.ts';
import { show } from '../../runtime/wire/tensor-elements.ts';
import {
  decodeRequest,
  type Encoding,
  type JsonObject,
  payloadTooLarge,
} from './decode-request.ts';
import { type ConsultOperation, operationRefused, parseConsultation } from './operations.ts';
import { clientIdOf, parseQuery } from './parse-query.ts';
import { httpStatusOf, printAnswer, printError, printObject } from './print-answer.ts';
import {
  type ConsultOutcome,
  type DeskListener,
  type GatewayOptions,
  type PendingConsultation,
  type PendingQuery,
  QueryDesk,
} from './query-desk.ts';
import { declaredBytes, readBody, UploadBudget } from './read-body.ts';

/** The response to a request, and who asked. `encoding` is the answer's kind. */
export interface Exchange {
  readonly response: ServerResponse;
  readonly encoding: Encoding;
  readonly principal: Principal;
}

const contentTypes: Readonly<Record<Encoding, string>> = {
  msgpack: 'application/msgpack',
  json: 'application/json',
};

interface Posted {
  readonly exchange: Exchange;
  readonly kind: Encoding;
  readonly body: Uint8Array;
}

const filterEnvelope: ReadonlySet<string> = new Set(['token']);
const quoteEnvelope: ReadonlySet<string> = new Set(['id', 'op']);
const retryAfterSeconds = '1';

export class HttpGateway implements DeskListener<Exchange> {
  private readonly options: GatewayOptions;
  private readonly desk: QueryDesk<Exchange>;
  private readonly uploads: UploadBudget;

  constructor(options: GatewayOptions) {
    this.options = options;
    this.desk = new QueryDesk('http', options, this);
    this.uploads = new UploadBudget(options.config.uploadBytesMax);
  }

  /** `POST /v1/query`. */
  async query(
    request: IncomingMessage,
    response: ServerResponse,
    principal: Principal,
  ): Promise<void> {
    const receivedMs = this.options.clock.nowMs();
    const posted = await this.post(request, response, principal);
    if (posted === undefined) return;
    const { exchange, kind, body } = posted;
    const refusal = this.submit(exchange, kind, body, receivedMs);
    if (refusal !== undefined) respondError(exchange, refusal.error, undefined, refusal.clientId);
  }

  /** `POST /v1/quote`: a query without its inputs. */
  async quote(
    request: IncomingMessage,
    response: ServerResponse,
    principal: Principal,
  ): Promise<void> {
    const posted = await this.post(request, response, principal);
    if (posted === undefined) return;
    const { exchange, kind, body } = posted;
    const decoded = decodeRequest(body, kind, this.options.config);
    if (decoded.ok) this.ask(exchange, 'quote', decoded.value, quoteEnvelope);
    else respondError(exchange, decoded.error);
  }

  /** The body of a request, or undefined when that was already answered. */
  private async post(
    request: IncomingMessage,
    response: ServerResponse,
    principal: Principal,
  ): Promise<Posted | undefined> {
    const { config } = this.options;
    const kind = encodingOf(request.headers['content-type']);
    const exchange: Exchange = {
      response,
      principal,
      encoding: answerEncoding(request, kind ?? 'json'),
    };
    if (kind === undefined) {
      const given = show(request.headers['content-type']);
      const known = Object.values(contentTypes).join(' or ');
      const message = `Content-Type: expected ${known}, got ${given}`;
      respondError(exchange, queryError('bad_input', message, { field: 'Content-Type' }), 415);
      return undefined;
    }
    // Before its body is read: what cannot be admitted now costs no memory.
    const declared = declaredBytes(request);
    const full = this.desk.refusal(declared);
    if (full !== undefined) {
      respondError(exchange, full);
      return undefined;
    }
    const body = await readBody(request, config.payloadBytesMax, this.uploads);
    if (body === 'aborted') return undefined;
    if (body === 'too-large') {
      const bytes = declared > 0 ? declared : config.payloadBytesMax + 1;
      const message = payloadTooLarge(bytes, config.payloadBytesMax);
      respondError(exchange, queryError('too_large', message));
      return undefined;
    }
    if (body === 'overloaded') {
      const most = String(config.uploadBytesMax);
      const message = `the bodies being uploaded reach ${most} bytes, their limit (uploadBytesMax)`;
      respondError(exchange, queryError('overloaded', message));
      return undefined;
    }
    return { exchange, kind, body };
  }

  private submit(
    exchange: Exchange,
    kind: Encoding,
    body: Uint8Array,
    receivedMs: number,
  ): { readonly error: QueryError; readonly clientId?: string | number | undefined } | undefined {
    const { config, newQueryId } = this.options;
    const decoded = decodeRequest(body, kind, config);
    if (!decoded.ok) return decoded;
    const { value } = decoded;
    const clientId = clientIdOf(value);
    const { op } = value;
    if (op !== undefined && op !== null && op !== 'query') {
      return { error: operationRefused(op, ['query']), clientId };
    }
    const queryId = newQueryId();
    const parsed = parseQuery(value, config, queryId);
    if (!parsed.ok) return { error: parsed.error, clientId };
    const refusal = this.desk.refusal(body.length);
    if (refusal !== undefined) return { error: refusal, clientId };
    const { encoding, principal, response } = exchange;
    const { request } = parsed;
    const { timeoutMs } = request;
    const bytes = body.length;
    this.desk.submit(
      { queryId, origin: exchange, clientId, encoding, bytes, receivedMs, timeoutMs },
      request,
      principal,
    );
    response.once('close', () => {
      if (!response.writableFinished) this.desk.abandon(queryId);
    });
    return undefined;
  }

  /** `GET /v1/tasks?task=…`, `GET /v1/explain?queryId=…` and the like. */
  consult(
    request: IncomingMessage,
    response: ServerResponse,
    principal: Principal,
    op: ConsultOperation,
    parameters: URLSearchParams,
  ): void {
    const exchange: Exchange = {
      response,
      principal,
      encoding: answerEncoding(request, 'json'),
    };
    this.ask(exchange, op, Object.fromEntries(parameters), filterEnvelope);
  }

  private ask(
    exchange: Exchange,
    op: ConsultOperation,
    value: JsonObject,
    envelope: ReadonlySet<string>,
  ): void {
    const parsed = parseConsultation(op, value, envelope, this.options.config);
    if (!parsed.ok) {
      respondError(exchange, parsed.error);
      return;
    }
    const refusal = this.desk.refusal(0);
    if (refusal !== undefined) {
      respondError(exchange, refusal);
      return;
    }
    const { encoding, principal } = exchange;
    const pending = { origin: exchange, clientId: undefined, encoding, asked: parsed.asked };
    this.desk.consult(pending, this.options.newQueryId(), principal);
  }

  answered(pending: PendingQuery<Exchange>, answer: QueryAnswer): void {
    const { origin, clientId, encoding } = pending;
    const body = printAnswer(answer, clientId, encoding, this.options.config);
    respond(origin, answer.ok ? 200 : httpStatusOf[answer.error.code], body);
  }

  consulted(pending: PendingConsultation<Exchange>, outcome: ConsultOutcome): void {
    const { origin, encoding } = pending;
    if (!outcome.ok) respondError(origin, outcome.error);
    else respond(origin, 200, printObject({ ok: true, ...outcome.fields }, encoding));
  }

  close(): Promise<void> {
    return this.desk.drain();
  }
}

/** undefined for a kind that is not spoken here. Without a header it is taken for JSON. */
function encodingOf(contentType: string | undefined): Encoding | undefined {
  const type = contentType?.split(';', 1)[0]?.trim().toLowerCase();
  switch (type) {
    case undefined:
    case '':
    case 'application/json':
      return 'json';
    case 'application/msgpack':
    case 'application/x-msgpack':
    case 'application/vnd.msgpack':
      return 'msgpack';
    default:
      return undefined;
  }
}

/** The request's kind, unless `Accept` names one. */
function answerEncoding(request: IncomingMessage, kind: Encoding): Encoding {
  const accept = request.headers.accept ?? '';
  if (accept.includes('msgpack')) return 'msgpack';
  return accept.includes('application/json') ? 'json' : kind;
}

/** A typed refusal; the status follows from its code unless one is given. */
export function respondError(
  exchange: Pick<Exchange, 'response' | 'encoding'>,
  error: QueryError,
  status: number = httpStatusOf[error.code],
  clientId?: string | number,
): void {
  respond(exchange, status, printError(error, clientId, exchange.encoding));
}

function respond(
  { response, encoding }: Pick<Exchange, 'response' | 'encoding'>,
  status: number,
  body: Uint8Array | string,
): void {
  if (response.headersSent || response.destroyed) return;
  response.writeHead(status, {
    'Content-Type': contentTypes[encoding],
    'Content-Length': Buffer.byteLength(body),
    'X-Content-Type-Options': 'nosniff',
    'Cache-Control': 'no-store',
    ...(status === 503 ? { 'Retry-After': retryAfterSeconds } : {}),
    ...(status === 401 ? { 'WWW-Authenticate': 'Bearer' } : {}),
  });
  response.end(body);
}
