/**
 * What the controller's node is asked over HTTP. Models: `PUT /v1/uploads/UPLOAD/FILE` brings a
 * file, `POST /v1/register` makes a family of what was brought, `DELETE
 * /v1/architectures/NAME[/VARIANT]` removes one. A registration is answered with one JSON object a
 * line: its progress, and last what came of it. Offline jobs: `POST /v1/offline`, `GET
 * /v1/offline[/JOB]`, `DELETE /v1/offline/JOB`.
 */

import type { IncomingMessage, ServerResponse } from 'node:http';

import { type QueryError, queryError } from '../../actors/domain/outcome.ts';
import type { Principal } from '../../actors/domain/principal.ts';
import type { GatewayConfig } from './config.ts';
import { type DecodedRequest, decodeRequest, type JsonObject } from './decode-request.ts';
import { respondError } from './http.ts';
import type { RegistrationOperation } from './parse-registration.ts';
import { httpStatusOf } from './print-answer.ts';
import type { GatewayOptions } from './query-desk.ts';
import { readBody, UploadBudget } from './read-body.ts';
import { type RegistrationAnswer, RegistrationDesk } from './registration-desk.ts';

export interface RegistrationExchange {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly principal: Principal;
  readonly method: string;
  readonly path: string;
  readonly parameters: URLSearchParams;
}

const uploadPath = /^\/v1\/uploads\/([^/]+)\/(.+)$/;
const architecturePath = /^\/v1\/architectures\/([^/]+)(?:\/([^/]+))?$/;
const registerPath = '/v1/register';
const offlineRoot = '/v1/offline';
const offlinePath = /^\/v1\/offline(?:\/([^/]+))?$/;
/** Passed on at once: a body is never held whole. */
const chunkBytes = 512 * 1024;

export class HttpRegistration {
  private readonly options: GatewayOptions;
  private readonly desk: RegistrationDesk;
  private readonly bodies: UploadBudget;

  constructor(options: GatewayOptions) {
    this.options = options;
    this.desk = new RegistrationDesk('http', options);
    this.bodies = new UploadBudget(options.config.uploadBytesMax);
  }

  takes(path: string): boolean {
    return (
      path === registerPath ||
      [uploadPath, architecturePath, offlinePath].some((pattern) => pattern.test(path))
    );
  }

  async handle(exchange: RegistrationExchange): Promise<void> {
    const { method, path, response } = exchange;
    const allowed = methodsOf(path);
    if (!allowed.includes(method)) {
      response.setHeader('Allow', allowed.join(', '));
      const message = `${path} takes ${allowed.join(' or ')}, not ${method}`;
      const error = queryError('bad_input', message, { field: 'method' });
      respondError({ response, encoding: 'json' }, error, 405);
      return;
    }
    const upload = uploadPath.exec(path);
    const offline = offlinePath.exec(path);
    if (offline !== null) await this.offline(exchange, partsOf(offline)[0]);
    else if (upload !== null) await this.upload(exchange, partsOf(upload));
    else if (path === registerPath) await this.register(exchange);
    else await this.unregister(exchange, partsOf(architecturePath.exec(path)));
  }

  close(): void {
    this.desk.close();
  }

  /** The body is the file, from `?offset=` on. */
  private async upload(
    { request, response, principal, parameters }: RegistrationExchange,
    [upload, file]: readonly (string | undefined)[],
  ): Promise<void> {
    let offset = Number(parameters.get('offset') ?? 0);
    const send = async (data: Uint8Array): Promise<RegistrationAnswer> => {
      const answer = await this.ask('upload', { upload, file, offset, data }, principal);
      offset += data.length;
      return answer;
    };
    // An empty file comes too, and a wrong name is said before a byte of it is read.
    let answer = await send(new Uint8Array(0));
    let held: Buffer[] = [];
    let bytes = 0;
    for await (const piece of request) {
      if (!answer.ok) break;
      held.push(piece as Buffer);
      bytes += (piece as Buffer).length;
      if (bytes < chunkBytes) continue;
      answer = await send(Buffer.concat(held));
      [held, bytes] = [[], 0];
    }
    if (answer.ok && bytes > 0) answer = await send(Buffer.concat(held));
    respondWith(response, answer);
  }

  private async offline(exchange: RegistrationExchange, job: string | undefined): Promise<void> {
    const { method, principal, response } = exchange;
    if (method === 'POST') {
      const decoded = await this.bodyOf(exchange);
      if (decoded === undefined) return;
      const answer = decoded.ok
        ? await this.ask('offline-submit', decoded.value, principal)
        : decoded;
      respondWith(response, answer);
      return;
    }
    const op = method === 'DELETE' ? 'offline-cancel' : 'offline-status';
    const answer =
      job === undefined
        ? await this.ask('offline-list', {}, principal)
        : await this.ask(op, { job }, principal);
    respondWith(response, answer);
  }

  /** Undefined when whoever sent it is gone. */
  private async bodyOf({ request }: RegistrationExchange): Promise<DecodedRequest | undefined> {
    const { config } = this.options;
    const body = await readBody(request, config.jsonBytesMax, this.bodies);
    if (body === 'aborted') return undefined;
    return body === 'too-large' || body === 'overloaded'
      ? { ok: false, error: unread(body, config) }
      : decodeRequest(body, 'json', config);
  }

  private async register(exchange: RegistrationExchange): Promise<void> {
    const { response, principal } = exchange;
    const decoded = await this.bodyOf(exchange);
    if (decoded === undefined) return;
    if (!decoded.ok) {
      respondWith(response, decoded);
      return;
    }
    await new Promise<void>((resolve) => {
      this.desk.request('register', decoded.value, principal, (answer) => {
        if (answer.partial === true) {
          if (!response.headersSent) {
            response.writeHead(200, { ...headers, 'Content-Type': 'application/x-ndjson' });
          }
          response.write(`${JSON.stringify(answer)}\n`);
          return;
        }
        // The status has gone out with the progress: what came of it is in the last line.
        if (response.headersSent) response.end(`${JSON.stringify(answer)}\n`);
        else respondWith(response, answer);
        resolve();
      });
    });
  }

  private async unregister(
    { response, principal }: RegistrationExchange,
    [architecture, variant]: readonly (string | undefined)[],
  ): Promise<void> {
    const named = variant === undefined ? { architecture } : { architecture, variant };
    respondWith(response, await this.ask('unregister', named, principal));
  }

  private ask(
    op: RegistrationOperation,
    value: JsonObject,
    principal: Principal,
  ): Promise<RegistrationAnswer> {
    return new Promise((resolve) => {
      this.desk.request(op, value, principal, (answer) => {
        if (answer.partial !== true) resolve(answer);
      });
    });
  }
}

function methodsOf(path: string): readonly string[] {
  if (path === registerPath) return ['POST'];
  if (path === offlineRoot) return ['GET', 'POST'];
  if (offlinePath.test(path)) return ['GET', 'DELETE'];
  return uploadPath.test(path) ? ['PUT'] : ['DELETE'];
}

/** Percent-encoded names as they are meant; what is badly encoded is taken as it stands. */
function partsOf(match: RegExpExecArray | null): readonly (string | undefined)[] {
  return (match?.slice(1) ?? []).map((part: string | undefined) => {
    try {
      return part === undefined ? undefined : decodeURIComponent(part);
    } catch {
      return part;
    }
  });
}

function unread(
  why: 'too-large' | 'overloaded',
  { jsonBytesMax, uploadBytesMax }: GatewayConfig,
): QueryError {
  return why === 'too-large'
    ? queryError('too_large', `a request has at most ${jsonBytesMax} bytes (jsonBytesMax)`)
    : queryError('overloaded', `bodies reach ${uploadBytesMax} bytes, the limit (uploadBytesMax)`);
}

const headers = { 'X-Content-Type-Options': 'nosniff', 'Cache-Control': 'no-store' };

function respondWith(response: ServerResponse, answer: RegistrationAnswer): void {
  if (response.headersSent || response.destroyed) return;
  const status = answer.error === undefined ? 200 : httpStatusOf[answer.error.code];
  const body = JSON.stringify(answer);
  response.writeHead(status, {
    ...headers,
    'Content-Type': 'application/json',
    'Content-Length': Buffer.byteLength(body),
  });
  response.end(body);
}
