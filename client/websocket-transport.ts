/**
 * Requests over one WebSocket, in msgpack: a browser's own, or in Node that of the package `ws`.
 *
 * When the connection is lost, whatever was in flight is answered `unavailable` (the gateway may
 * have died with it), and the transport dials again, with back-off, until it is closed.
 */

import { decode, encode } from '../runtime/wire/codec.ts';
import { queryError } from '../actors/domain/outcome.ts';
import { ClientError } from './client-error.ts';
import {
  failure,
  type Operation,
  type Transport,
  WaitingAnswers,
  type WireAnswer,
  within,
} from './transport.ts';

export interface WebSocketOptions {
  readonly token?: string | undefined;
  readonly connectTimeoutMs: number;
}

/** What browsers' sockets and those of `ws` have in common. */
interface Socket {
  binaryType: string;
  readonly readyState: number;
  send(data: Uint8Array): void;
  close(code?: number, reason?: string): void;
  onopen: (() => void) | null;
  onmessage: ((event: { readonly data: unknown }) => void) | null;
  onclose: ((event: { readonly code: number; readonly reason: string }) => void) | null;
  onerror: ((event: { readonly message?: string }) => void) | null;
}

type OpenSocket = (url: string, token: string | undefined) => Socket;

const openState = 1;
const tooBig = 1009;
const backoffFirstMs = 100;
const backoffMaxMs = 5_000;
const closeGraceMs = 2_000;
/** A gateway is trusted further than a client is. */
const answerLimits = { depthMax: 64, valuesMax: 10_000_000 };

/** Resolves when the connection is open; throws ClientError when it cannot be made. */
export async function openWebSocket(url: string, options: WebSocketOptions): Promise<Transport> {
  const transport = new WebSocketTransport(url, options, await socketOpener());
  await transport.connected();
  return transport;
}

async function socketOpener(): Promise<OpenSocket> {
  const own = (globalThis as { readonly WebSocket?: new (url: string) => unknown }).WebSocket;
  const inBrowser = 'document' in globalThis || 'importScripts' in globalThis;
  if (own !== undefined && inBrowser)
    return (url, token) => new own(withToken(url, token)) as Socket;
  const { WebSocket } = await import('ws');
  return (url, token) =>
    new WebSocket(url, {
      perMessageDeflate: false,
      maxPayload: 0,
      ...(token === undefined ? {} : { headers: { Authorization: `Bearer ${token}` } }),
    }) as unknown as Socket;
}

/** A browser sets no headers on a WebSocket. */
function withToken(url: string, token: string | undefined): string {
  if (token === undefined) return url;
  return `${url}${url.includes('?') ? '&' : '?'}token=${encodeURIComponent(token)}`;
}

class WebSocketTransport implements Transport {
  private readonly url: string;
  private readonly options: WebSocketOptions;
  private readonly open: OpenSocket;
  private readonly waiting = new WaitingAnswers();
  private socket: Socket | undefined;
  private ready: Promise<void>;
  private late: ReturnType<typeof setTimeout> | undefined;
  private redial: ReturnType<typeof setTimeout> | undefined;
  private failures = 0;
  private lastFailure: ClientError | undefined;
  private closed = false;

  constructor(url: string, options: WebSocketOptions, open: OpenSocket) {
    this.url = url;
    this.options = options;
    this.open = open;
    this.ready = this.dial();
  }

  /** The first dial; only here is a failure thrown. */
  async connected(): Promise<void> {
    try {
      await this.ready;
    } catch (error) {
      await this.close();
      throw error;
    }
  }

  async request(
    operation: Operation,
    id: string,
    body: Readonly<Record<string, unknown>>,
    timeoutMs: number,
    onPartial?: (answer: WireAnswer) => void,
  ): Promise<WireAnswer> {
    const startedMs = performance.now();
    if (this.socket?.readyState !== openState) {
      const waitMs = Math.min(timeoutMs, this.options.connectTimeoutMs);
      if (!(await this.reconnected(waitMs))) return this.unreachable();
    }
    const leftMs = Math.max(1, timeoutMs - (performance.now() - startedMs));
    const frame = encode(operation === 'query' ? body : { ...body, id, op: operation });
    const answer = this.waiting.add(id, leftMs, frame.length, onPartial);
    this.socket?.send(frame);
    return answer;
  }

  cancel(id: string): void {
    if (this.waiting.has(id) && this.socket?.readyState === openState) {
      this.socket.send(encode({ op: 'cancel', id }));
    }
  }

  async close(): Promise<void> {
    this.closed = true;
    clearTimeout(this.redial);
    clearTimeout(this.late);
    this.waiting.settleAll(failure('unavailable', 'this client was closed'));
    const { socket } = this;
    if (socket === undefined) return;
    const ended = new Promise<void>((resolve) => {
      socket.onclose = () => resolve();
    });
    this.socket = undefined;
    socket.close(1000, 'done');
    await within(ended, closeGraceMs);
  }

  /** True when open again within `ms`; a dial that fails is followed by the next. */
  private async reconnected(ms: number): Promise<boolean> {
    const until = performance.now() + ms;
    while (!this.closed && performance.now() < until) {
      await within(this.ready, until - performance.now());
      if (this.socket?.readyState === openState) return true;
      await within(new Promise(() => undefined), Math.min(50, until - performance.now()));
    }
    return false;
  }

  private unreachable(): WireAnswer {
    if (this.closed) return failure('unavailable', 'this client was closed');
    const code = this.lastFailure?.code ?? 'unavailable';
    const why = this.lastFailure?.message ?? 'no connection';
    return failure(code, `${withoutQuery(this.url)} cannot be reached: ${why}`);
  }

  /** One attempt; afterwards the socket's own events keep things going. */
  private dial(): Promise<void> {
    return new Promise((resolve, reject) => {
      let message = '';
      const socket = this.open(this.url, this.options.token);
      this.socket = socket;
      socket.binaryType = 'arraybuffer';
      this.late = setTimeout(() => {
        message = 'no answer';
        socket.close();
      }, this.options.connectTimeoutMs);
      socket.onopen = () => {
        clearTimeout(this.late);
        this.failures = 0;
        this.lastFailure = undefined;
        resolve();
      };
      socket.onmessage = ({ data }) => this.receive(socket, data);
      socket.onerror = (event) => {
        message = event.message ?? message;
      };
      socket.onclose = ({ code, reason }) => {
        clearTimeout(this.late);
        const why = reason || message || `closed with ${code}`;
        this.lastFailure = dialFailure(this.url, why);
        reject(this.lastFailure);
        this.lost(socket, code, why);
      };
    });
  }

  private receive(socket: Socket, data: unknown): void {
    if (!(data instanceof ArrayBuffer)) return;
    try {
      const answer = decode(new Uint8Array(data), answerLimits) as WireAnswer;
      const { id, op } = answer;
      if (op === 'cancel') return;
      const key = typeof id === 'string' || typeof id === 'number' ? String(id) : undefined;
      // Without an id: something too broken for the gateway to read its id.
      const meant = key ?? (answer.ok ? undefined : this.waiting.only());
      if (meant !== undefined) this.waiting.settle(meant, answer);
    } catch {
      socket.close(1002, 'malformed answer');
    }
  }

  private lost(socket: Socket, code: number, why: string): void {
    if (this.socket !== socket) return;
    this.socket = undefined;
    const largest = code === tooBig ? this.waiting.largest() : undefined;
    if (largest !== undefined) {
      this.waiting.settle(
        largest,
        failure('too_large', 'the gateway takes no frame as large as this'),
      );
    }
    const message = `the connection to ${withoutQuery(this.url)} was lost: ${why}`;
    this.waiting.settleAll(failure('unavailable', message));
    if (this.closed) return;
    // Half of the delay at random, so that the clients of one gateway do not return as one.
    const delayMs = Math.min(backoffMaxMs, backoffFirstMs * 2 ** this.failures);
    this.failures += 1;
    this.redial = setTimeout(
      () => {
        this.ready = this.dial();
        this.ready.catch(() => undefined);
      },
      delayMs * (0.5 + Math.random() / 2),
    );
  }
}

function dialFailure(url: string, why: string): ClientError {
  const status = /Unexpected server response: (\d+)/.exec(why)?.[1];
  const refused = status === '401' || status === '403';
  const hint = refused ? 'the gateway refused these credentials' : why;
  return new ClientError(
    queryError(refused ? 'unauthorized' : 'unavailable', `${withoutQuery(url)}: ${hint}`),
  );
}

/** A token in the URL must not get into messages. */
function withoutQuery(url: string): string {
  return url.split('?', 1)[0] ?? url;
}
