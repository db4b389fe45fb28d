/**
 * The HTTP gateway: `POST /v1/query`, `GET /v1/{tasks,…}`, in JSON or msgpack. One request, one
 * answer; a client that hangs up cancels its query.
 */

import type { IncomingMessage, ServerResponse } from 'node:http';

import type { FleetDescription } from '../../actors/domain/fleet-description.ts';
import { type QueryError, queryError } from '../../actors/domain/outcome.ts';
import type { Principal } from '../../actors/domain/principal.ts';
import type { QueryAnswer } from '../../actors/domain/query.ts';
import { show } from '../../runtime/wire/tensor-elements.ts';
import { decodeRequest, type Encoding, payloadTooLarge } from './decode-request.ts';
import { type FleetOperation, operationRefused, parseFilters, selectFleet } from './operations.ts';
import { clientIdOf, parseQuery } from './parse-query.ts';
import { httpStatusOf, printAnswer, printError, printObject } from './print-answer.ts';
import {
  type DeskListener,
  type GatewayOptions,
  type PendingDescription,
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

const filterEnvelope: ReadonlySet<string> = new Set(['token']);
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
      return;
    }
    // Before its body is read: what cannot be admitted now costs no memory.
    const declared = declaredBytes(request);
    const full = this.desk.refusal(declared);
    if (full !== undefined) {
      respondError(exchange, full);
      return;
    }
    const body = await readBody(request, config.payloadBytesMax, this.uploads);
    if (body === 'aborted') return;
    if (body === 'too-large') {
      const bytes = declared > 0 ? declared : config.payloadBytesMax + 1;
      const message = payloadTooLarge(bytes, config.payloadBytesMax);
      respondError(exchange, queryError('too_large', message));
      return;
    }
    if (body === 'overloaded') {
      const most = String(config.uploadBytesMax);
      const message = `the bodies being uploaded reach their limit of ${most} bytes (uploadBytesMax)`;
      respondError(exchange, queryError('overloaded', message));
      return;
    }
    const refusal = this.submit(exchange, kind, body, receivedMs);
    if (refusal !== undefined) respondError(exchange, refusal.error, undefined, refusal.clientId);
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

  /** `GET /v1/tasks?task=…` and the like. */
  describe(
    request: IncomingMessage,
    response: ServerResponse,
    principal: Principal,
    op: FleetOperation,
    parameters: URLSearchParams,
  ): void {
    const exchange: Exchange = {
      response,
      principal,
      encoding: answerEncoding(request, 'json'),
    };
    const parsed = parseFilters(Object.fromEntries(parameters), filterEnvelope);
    if (!parsed.ok) {
      respondError(exchange, parsed.error);
      return;
    }
    const refusal = this.desk.refusal(0);
    if (refusal !== undefined) {
      respondError(exchange, refusal);
      return;
    }
    this.desk.describe(
      {
        origin: exchange,
        clientId: undefined,
        encoding: exchange.encoding,
        op,
        filters: parsed.filters,
      },
      this.options.newQueryId(),
      principal,
    );
  }

  answered(pending: PendingQuery<Exchange>, answer: QueryAnswer): void {
    const { origin, clientId, encoding } = pending;
    const body = printAnswer(answer, clientId, encoding, this.options.config);
    respond(origin, answer.ok ? 200 : httpStatusOf[answer.error.code], body);
  }

  described(pending: PendingDescription<Exchange>, fleet: FleetDescription | QueryError): void {
    const { origin, encoding, op, filters } = pending;
    if ('code' in fleet) respondError(origin, fleet);
    else
      respond(origin, 200, printObject({ ok: true, ...selectFleet(fleet, op, filters) }, encoding));
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
