/**
 * One HTTP server for the HTTP and the WebSocket gateway, and for probes and metrics: it listens,
 * authenticates, and routes.
 */

import { readFileSync } from 'node:fs';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import type { Duplex } from 'node:stream';

import { type QueryError, queryError } from '../../actors/domain/outcome.ts';
import { ConfigInvalid, messageOf } from '../../runtime/errors.ts';
import { type Authenticate, createAuthenticator, isOriginAllowed } from './authenticate.ts';
import { HttpGateway, respondError } from './http.ts';
import { consultOperations, isConsultOperation, operationRefused } from './operations.ts';
import { httpStatusOf, printError } from './print-answer.ts';
import type { GatewayOptions } from './query-desk.ts';
import { WebSocketGateway } from './websocket.ts';

export interface HttpServerOptions extends GatewayOptions {
  /** Undefined when queries can be served, else why not: what `/readyz` says. */
  readonly notReady?: () => string | undefined;
  /** What `/metrics` answers. */
  readonly metricsPage?: () => Promise<{ readonly contentType: string; readonly body: string }>;
}

export interface GatewayHttpServer {
  /** `http://127.0.0.1:8080`, with the port that was taken. */
  readonly url: string;
  readonly port: number;
  /** Connections are taken no more, what is in flight is answered (bounded), the rest is cut. */
  close(): Promise<void>;
}

/** Connections besides the WebSockets: probes, metrics, HTTP clients. */
const spareConnections = 256;
const headersTimeoutMs = 10_000;
/** How long what is left may take once everything is answered. */
const cutAfterMs = 500;
const keepAliveTimeoutMs = 30_000;
const preflightHeaders = {
  'Access-Control-Allow-Methods': 'GET, POST',
  'Access-Control-Allow-Headers': 'Content-Type, Authorization, Accept',
  'Access-Control-Max-Age': '600',
};

/** Throws ConfigInvalid: a token is missing, the port is taken, a certificate cannot be read. */
export async function startHttpServer(options: HttpServerOptions): Promise<GatewayHttpServer> {
  const authenticate = createAuthenticator(options.config);
  const server = createListener(options);
  await listen(server, options.config.host, options.config.port);
  return new RunningHttpServer(server, authenticate, options);
}

function createListener({ config }: HttpServerOptions): Server {
  const settings = {
    requestTimeout: config.requestBodyMs,
    headersTimeout: Math.min(headersTimeoutMs, config.requestBodyMs),
    keepAliveTimeout: keepAliveTimeoutMs,
    noDelay: true,
  };
  const server =
    config.tls === undefined ? createServer(settings) : createTls(config.tls, settings);
  server.maxConnections = config.connectionsMax + spareConnections;
  return server;
}

function createTls(
  tls: { readonly certFile: string; readonly keyFile: string },
  settings: object,
): Server {
  try {
    const [cert, key] = [readFileSync(tls.certFile), readFileSync(tls.keyFile)];
    return createTlsServer({ ...settings, cert, key });
  } catch (error) {
    const message = `the TLS certificate cannot be used: ${messageOf(error)}`;
    throw new ConfigInvalid(message, tls.certFile, error);
  }
}

function listen(server: Server, host: string, port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', (error) => {
      const where = `${host}:${port}`;
      const what = `cannot listen on ${where}: ${error.message}; choose another port or host`;
      reject(new ConfigInvalid(what, where, error));
    });
    server.listen(port, host, () => {
      server.removeAllListeners('error');
      resolve();
    });
  });
}

class RunningHttpServer implements GatewayHttpServer {
  readonly url: string;
  readonly port: number;
  private readonly server: Server;
  private readonly authenticate: Authenticate;
  private readonly options: HttpServerOptions;
  private readonly http: HttpGateway;
  private readonly webSocket: WebSocketGateway;
  private closed: Promise<void> | undefined;

  constructor(server: Server, authenticate: Authenticate, options: HttpServerOptions) {
    this.server = server;
    this.authenticate = authenticate;
    this.options = options;
    this.port = (server.address() as AddressInfo).port;
    const { host, tls } = options.config;
    const name = host.includes(':') ? `[${host}]` : host;
    this.url = `${tls === undefined ? 'http' : 'https'}://${name}:${this.port}`;
    this.http = new HttpGateway(options);
    this.webSocket = new WebSocketGateway(options);
    server.on('request', (request, response) => {
      this.handle(request, response);
    });
    server.on('upgrade', (request, socket, head) => {
      this.upgrade(request, socket, head);
    });
    server.on('error', (error) => {
      options.log.error('the HTTP server failed', { error: error.message });
    });
  }

  close(): Promise<void> {
    this.closed ??= this.drain();
    return this.closed;
  }

  private async drain(): Promise<void> {
    const ended = new Promise<void>((resolve) => {
      this.server.close(() => {
        resolve();
      });
    });
    await Promise.all([this.http.close(), this.webSocket.close()]);
    this.server.closeIdleConnections();
    // What is left is uploads and slow readers.
    const cut = this.options.clock.schedule(cutAfterMs, () => {
      this.server.closeAllConnections();
    });
    await ended;
    cut();
  }

  private handle(request: IncomingMessage, response: ServerResponse): void {
    const json = { response, encoding: 'json' } as const;
    // From its end on an answer is only in the socket's buffer, past every other bound.
    response.once('prefinish', () => {
      response.setTimeout(this.options.config.unreadAnswerMs, () => response.destroy());
    });
    this.route(request, response).catch((error: unknown) => {
      this.options.log.error('an HTTP request failed', { error: messageOf(error) });
      respondError(json, queryError('internal', 'this request could not be handled'));
    });
  }

  private async route(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const exchange = { response, encoding: 'json' } as const;
    const method = request.method ?? 'GET';
    const target = request.url ?? '/';
    const mark = target.indexOf('?');
    const path = mark < 0 ? target : target.slice(0, mark);
    if (path === '/healthz') {
      respondText(response, 200, 'ok\n');
      return;
    }
    if (path === '/readyz') {
      const why = this.options.notReady?.();
      respondText(response, why === undefined ? 200 : 503, `${why ?? 'ready'}\n`);
      return;
    }
    if (this.answerCors(request, response, method)) return;
    const authenticated = this.authenticate(request);
    if (!authenticated.ok) {
      respondError(exchange, authenticated.error, authenticated.status);
      return;
    }
    const { principal } = authenticated;
    const allowed = path === '/v1/query' || path === '/v1/quote' ? 'POST' : 'GET';
    const op = path.startsWith('/v1/') ? path.slice('/v1/'.length) : '';
    if (path === '/v1/ws') {
      const message = '/v1/ws takes WebSocket connections';
      respondError(exchange, queryError('bad_input', message, { field: 'Upgrade' }), 426);
    } else if (path !== '/v1/query' && path !== '/metrics' && !isConsultOperation(op)) {
      respondError(exchange, unknownPath(path, op), 404);
    } else if (method !== allowed) {
      response.setHeader('Allow', allowed);
      const message = `${path} takes ${allowed}, not ${method}`;
      respondError(exchange, queryError('bad_input', message, { field: 'method' }), 405);
    } else if (op === 'quote') {
      await this.http.quote(request, response, principal);
    } else if (isConsultOperation(op)) {
      const parameters = new URLSearchParams(mark < 0 ? '' : target.slice(mark + 1));
      this.http.consult(request, response, principal, op, parameters);
    } else if (path === '/metrics') {
      await this.respondMetrics(response);
    } else {
      await this.http.query(request, response, principal);
    }
  }

  /** Lets pages of allowed origins read answers. True when that was all they asked. */
  private answerCors(request: IncomingMessage, response: ServerResponse, method: string): boolean {
    const { origin } = request.headers;
    if (origin !== undefined && isOriginAllowed(this.options.config, origin)) {
      response.setHeader('Access-Control-Allow-Origin', origin);
      response.setHeader('Vary', 'Origin');
      if (method === 'OPTIONS') {
        response.writeHead(204, preflightHeaders).end();
        return true;
      }
    }
    return false;
  }

  private async respondMetrics(response: ServerResponse): Promise<void> {
    const page = await this.options.metricsPage?.();
    if (page === undefined) respondText(response, 404, 'no metrics are kept\n');
    else respondText(response, 200, page.body, page.contentType);
  }

  private upgrade(request: IncomingMessage, socket: Duplex, head: Buffer): void {
    socket.on('error', () => socket.destroy());
    const path = (request.url ?? '/').split('?', 1)[0] ?? '/';
    if (path !== '/v1/ws') {
      refuseUpgrade(socket, 404, unknownPath(path, ''));
      return;
    }
    const authenticated = this.authenticate(request);
    const refusal = this.webSocket.refusal();
    if (!authenticated.ok) refuseUpgrade(socket, authenticated.status, authenticated.error);
    else if (refusal !== undefined) refuseUpgrade(socket, httpStatusOf[refusal.code], refusal);
    else this.webSocket.accept(request, socket, head, authenticated.principal);
  }
}

function unknownPath(path: string, op: string): QueryError {
  const shown = path.slice(0, 64);
  if (op === 'subscribe') return operationRefused(op);
  const known = ['query', 'ws', ...consultOperations].map((name) => `/v1/${name}`).join(', ');
  return queryError('bad_input', `there is no ${shown}; known: ${known}`, { field: 'path' });
}

function respondText(
  response: ServerResponse,
  status: number,
  body: string,
  contentType = 'text/plain; charset=utf-8',
): void {
  response.writeHead(status, { 'Content-Type': contentType, 'X-Content-Type-Options': 'nosniff' });
  response.end(body);
}

/** Before the handshake there is no WebSocket to speak on: a plain HTTP answer, and the end. */
function refuseUpgrade(socket: Duplex, status: number, error: QueryError): void {
  const body = String(printError(error, undefined, 'json'));
  socket.once('finish', () => socket.destroy());
  socket.end(
    [
      `HTTP/1.1 ${status} Refused`,
      'Connection: close',
      'Content-Type: application/json',
      `Content-Length: ${String(Buffer.byteLength(body))}`,
      ...(status === 401 ? ['WWW-Authenticate: Bearer'] : []),
      '',
      body,
    ].join('\r\n'),
  );
}
