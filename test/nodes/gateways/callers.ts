/**
 * One way to ask all three gateways, for tests that hold for each: raw bytes in, the decoded answer
 * out. A caller keeps its connection, so that what one request did to it shows in the next.
 */

import { connect as connectNats, headers } from 'nats';
import WebSocket from 'ws';

import { decode, encode } from '../../../runtime/wire/codec.ts';
import type { StartedGateways } from './start-gateways.ts';

export type Encoding = 'msgpack' | 'json';

/** An answer as it travels, its fields unlooked at. */
export interface RawAnswer {
  readonly id?: unknown;
  readonly queryId?: string;
  readonly op?: string;
  readonly ok: boolean;
  readonly outputs: Readonly<
    Record<string, { readonly datatype: string; readonly shape: number[]; readonly data: unknown }>
  >;
  readonly error: {
    readonly code: string;
    readonly message: string;
    readonly retryable: boolean;
    readonly details: Readonly<Record<string, unknown>>;
  };
  readonly [field: string]: unknown;
}

export interface Caller {
  readonly gateway: 'websocket' | 'http' | 'nats';
  /** One request, one answer. */
  send(payload: Uint8Array | string, encoding: Encoding): Promise<RawAnswer>;
  close(): Promise<void>;
}

/** A query that is served, in msgpack; spread over it to spoil it. */
export function goodQuery(id = 'good'): Record<string, unknown> {
  return {
    id,
    task: 'digit-classification',
    dataset: 'mnist',
    inputs: { image: goodImage() },
  };
}

export function goodImage(): { datatype: string; shape: unknown; data: unknown } {
  return { datatype: 'FP32', shape: [1, 1, 28, 28], data: new Float32Array(784) };
}

/** The same in JSON. */
export function goodJsonQuery(id = 'good'): Record<string, unknown> {
  const image = { ...goodImage(), data: new Array<number>(784).fill(0) };
  return { ...goodQuery(id), inputs: { image } };
}

export function decodeAnswer(bytes: Uint8Array, isBinary: boolean): RawAnswer {
  const value: unknown = isBinary ? decode(bytes) : JSON.parse(Buffer.from(bytes).toString());
  return value as RawAnswer;
}

export async function openWebSocket(
  gateways: Pick<StartedGateways, 'wsUrl'>,
  options: WebSocket.ClientOptions = {},
): Promise<WebSocket> {
  const socket = new WebSocket(`${gateways.wsUrl}/v1/ws`, options);
  await new Promise((resolve, reject) => {
    socket.once('open', resolve);
    socket.once('error', reject);
  });
  return socket;
}

/** The next frame. */
export function nextAnswer(socket: WebSocket): Promise<RawAnswer> {
  return new Promise((resolve, reject) => {
    const closed = (code: number): void => reject(new Error(`closed with ${code}`));
    socket.once('close', closed);
    socket.once('message', (data: Buffer, isBinary) => {
      socket.off('close', closed);
      resolve(decodeAnswer(data, isBinary));
    });
  });
}

export async function webSocketCaller(gateways: StartedGateways): Promise<Caller> {
  const socket = await openWebSocket(gateways);
  return {
    gateway: 'websocket',
    send: (payload) => {
      const answer = nextAnswer(socket);
      socket.send(payload);
      return answer;
    },
    close: async () => {
      const closed = new Promise((resolve) => socket.once('close', resolve));
      socket.close();
      await closed;
    },
  };
}

export function httpCaller(gateways: Pick<StartedGateways, 'httpUrl'>): Caller {
  return {
    gateway: 'http',
    send: async (payload, encoding) => {
      const response = await fetch(`${gateways.httpUrl}/v1/query`, {
        method: 'POST',
        headers: { 'Content-Type': `application/${encoding}` },
        body: payload,
      });
      const isBinary = response.headers.get('content-type') === 'application/msgpack';
      return decodeAnswer(new Uint8Array(await response.arrayBuffer()), isBinary);
    },
    close: () => Promise.resolve(),
  };
}

export async function natsCaller(url: string): Promise<Caller> {
  const connection = await connectNats({ servers: url });
  return {
    gateway: 'nats',
    send: async (payload, encoding) => {
      const sent = headers();
      sent.set('Content-Type', `application/${encoding}`);
      const options = { timeout: 5_000, headers: sent };
      const answer = await connection.request('infaas.v1.query', payload, options);
      return decodeAnswer(answer.data, answer.headers?.get('Content-Type') !== 'application/json');
    },
    close: () => connection.close(),
  };
}

/** `value` in its kind's bytes. */
export function encodeAs(encoding: Encoding, value: unknown): Uint8Array | string {
  return encoding === 'msgpack' ? encode(value) : JSON.stringify(value);
}
