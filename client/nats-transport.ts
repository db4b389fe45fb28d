/**
 * Requests to the NATS service `infaas`, in msgpack. Node only: the package `nats` is loaded late.
 *
 * NATS says at once when there is no gateway, but not when the gateway that took a query dies. So
 * what waits longer is asked after now and then (`infaas.v1.held`, heard by every gateway); what no
 * gateway holds twice in a row is answered `unavailable`.
 */

import type { Msg, NatsConnection } from 'nats';

import { queryError } from '../actors/domain/outcome.ts';
import { decode, encode } from '../runtime/wire/codec.ts';
import { serviceSubject } from '../runtime/wire/subjects.ts';
import { ClientError } from './client-error.ts';
import {
  failure,
  type Operation,
  type Transport,
  WaitingAnswers,
  type WireAnswer,
} from './transport.ts';

export interface NatsOptions {
  readonly token?: string | undefined;
  readonly connectTimeoutMs: number;
  /** How often what waits is asked after. */
  readonly probeMs?: number;
}

const defaultProbeMs = 1_000;
/** Unanswered probes in a row after which a query is lost. */
const probesMax = 2;
const reconnectPollMs = 50;
const answerLimits = { depthMax: 64, valuesMax: 10_000_000 };

/** Throws ClientError when no server can be reached, or it refuses the credentials. */
export async function openNats(url: string, options: NatsOptions): Promise<Transport> {
  const { connect, createInbox } = await import('nats');
  try {
    const connection = await connect({
      servers: url.split(',').map((server) => server.trim()),
      timeout: options.connectTimeoutMs,
      maxReconnectAttempts: -1,
      reconnectTimeWait: 200,
      noAsyncTraces: true,
      ...(options.token === undefined ? {} : { token: options.token }),
    });
    return new NatsTransport(connection, `${createInbox()}.`, options);
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    const refused = /authorization|authentication/i.test(why);
    const code = refused ? 'unauthorized' : 'unavailable';
    throw new ClientError(queryError(code, `${url} cannot be reached: ${why}`), error);
  }
}

class NatsTransport implements Transport {
  private readonly connection: NatsConnection;
  /** Prefix of the reply subjects; a request's key is its own. */
  private readonly inbox: string;
  private readonly options: NatsOptions;
  private readonly probeMs: number;
  private readonly waiting = new WaitingAnswers();
  /** Reply subjects by the ids that the program knows. */
  private readonly replies = new Map<string, string>();
  private readonly missed = new Map<string, number>();
  private probing: ReturnType<typeof setTimeout> | undefined;
  private requests = 0;
  private probes = 0;
  private connected = true;
  private closed = false;

  constructor(connection: NatsConnection, inbox: string, options: NatsOptions) {
    this.connection = connection;
    this.inbox = inbox;
    this.options = options;
    this.probeMs = options.probeMs ?? defaultProbeMs;
    connection.subscribe(`${inbox}*`, {
      callback: (error, message) => {
        if (error === null) this.receive(message);
      },
    });
    void this.followStatus();
  }

  async request(
    operation: Operation,
    id: string,
    body: Readonly<Record<string, unknown>>,
    timeoutMs: number,
    onPartial?: (answer: WireAnswer) => void,
  ): Promise<WireAnswer> {
    const startedMs = performance.now();
    if (
      !this.connected &&
      !(await this.reconnected(Math.min(timeoutMs, this.options.connectTimeoutMs)))
    ) {
      return failure('unavailable', 'the NATS server cannot be reached');
    }
    if (this.closed) return failure('unavailable', 'this client was closed');
    const frame = encode({ ...body, id });
    const most = this.connection.info?.max_payload ?? Infinity;
    if (frame.length > most) {
      const message =
        `the query has ${frame.length} bytes; ` + `the NATS server takes ${most} (max_payload)`;
      return failure('too_large', message);
    }
    const reply = this.inbox + String((this.requests += 1));
    const leftMs = Math.max(1, timeoutMs - (performance.now() - startedMs));
    const answer = this.waiting.add(reply, leftMs, frame.length, onPartial);
    this.replies.set(id, reply);
    this.publish(serviceSubject(operation), frame, reply);
    this.keepProbing();
    return answer.finally(() => {
      this.replies.delete(id);
      this.missed.delete(reply);
    });
  }

  cancel(id: string): void {
    const reply = this.replies.get(id);
    if (reply === undefined || !this.connected) return;
    this.connection.publish(serviceSubject('cancel'), encode({ replies: [reply] }));
  }

  async close(): Promise<void> {
    if (this.closed) return;
    this.closed = true;
    clearTimeout(this.probing);
    this.waiting.settleAll(failure('unavailable', 'this client was closed'));
    await this.connection.close();
  }

  private publish(subject: string, frame: Uint8Array, reply: string): void {
    try {
      this.connection.publish(subject, frame, { reply });
    } catch (error) {
      const why = error instanceof Error ? error.message : String(error);
      this.waiting.settle(reply, failure('unavailable', `NATS did not take the query: ${why}`));
    }
  }

  private receive(message: Msg): void {
    const key = message.subject;
    if (key.startsWith(`${this.inbox}held`)) {
      this.hearHeld(message);
      return;
    }
    if (message.data.length === 0) {
      const none = message.headers?.code === 503;
      const why = none ? 'no gateway listens' : 'an empty answer came';
      this.waiting.settle(key, failure('unavailable', `${why} on this NATS server`));
      return;
    }
    const answer = decodeAnswer(message.data);
    this.waiting.settle(key, answer ?? failure('internal', 'the gateway sent a malformed answer'));
  }

  /** Asks all gateways after what waits; those that hold none of it stay silent. */
  private keepProbing(): void {
    this.probing ??= setTimeout(() => {
      this.probing = undefined;
      if (this.connected) this.probe();
      if (this.waiting.size > 0) this.keepProbing();
    }, this.probeMs);
  }

  private probe(): void {
    const replies = this.waiting.olderThan(this.probeMs);
    for (const reply of replies) {
      const missed = this.missed.get(reply) ?? 0;
      if (missed >= probesMax) {
        this.waiting.settle(
          reply,
          failure('unavailable', 'the gateway that took the query is gone'),
        );
      } else {
        this.missed.set(reply, missed + 1);
      }
    }
    if (replies.length === 0) return;
    const reply = `${this.inbox}held${String((this.probes += 1))}`;
    this.connection.publish(serviceSubject('held'), encode({ replies }), { reply });
  }

  private hearHeld(message: Msg): void {
    const held = message.data.length === 0 ? undefined : decodeAnswer(message.data)?.['held'];
    if (!Array.isArray(held)) return;
    for (const reply of held as readonly unknown[]) {
      if (typeof reply === 'string' && this.missed.has(reply)) this.missed.set(reply, 0);
    }
  }

  /** Answers published while we were away are lost: NATS keeps nothing. */
  private async followStatus(): Promise<void> {
    for await (const status of this.connection.status()) {
      const type: string = status.type;
      if (type === 'disconnect') {
        this.connected = false;
        this.waiting.settleAll(failure('unavailable', 'the connection to NATS was lost'));
      } else if (type === 'reconnect') {
        this.connected = true;
      }
    }
  }

  private async reconnected(ms: number): Promise<boolean> {
    const until = performance.now() + ms;
    while (!this.connected && !this.closed && performance.now() < until) {
      await new Promise((resolve) => setTimeout(resolve, reconnectPollMs));
    }
    return this.connected;
  }
}

function decodeAnswer(data: Uint8Array): WireAnswer | undefined {
  try {
    return decode(data, answerLimits) as WireAnswer;
  } catch {
    return undefined;
  }
}
