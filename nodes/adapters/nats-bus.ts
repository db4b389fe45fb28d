/**
 * The bus over NATS, by the `nats` client 2.29.
 *
 * What the client leaves to us: while it is disconnected it buffers what is published and throws
 * the buffer away at the next dial, so we refuse instead; it gives up after ten tries, so we
 * reconnect for ever; and it learns that nobody subscribes to a subject only through a reply
 * subject, so every publish that wants to know carries one under a single inbox subscription, whose
 * 503 comes back to it.
 */

import {
  connect,
  type ConnectionOptions,
  createInbox,
  credsAuthenticator,
  Events,
  type Msg,
  type NatsConnection,
  type NatsError,
  type TlsOptions,
} from 'nats';

import type {
  Bus,
  BusMessage,
  BusStatus,
  BusSubscription,
  PublishRefusal,
} from '../../runtime/bus.ts';
import { BusPayloadTooLarge, BusUnreachable, messageOf } from '../../runtime/errors.ts';
import type { Logger } from '../../runtime/log.ts';

export interface NatsBusOptions {
  /** `nats://host:port`, or several separated by commas. */
  readonly url: string;
  /** How the connection is called in the server's own monitoring. */
  readonly name: string;
  readonly token?: string;
  /** The content of a NATS `.creds` file. */
  readonly credentials?: Uint8Array;
  readonly tls?: TlsOptions;
  readonly log: Logger;
}

export type NatsBus = Bus & { readonly connection: NatsConnection };

const reconnectWaitMs = 200;
const reconnectJitterMs = 100;
const connectTimeoutMs = 5_000;
/** A server that hangs is noticed after two unanswered pings. */
const pingIntervalMs = 2_000;
/** A close does not wait longer than this for a server that no longer answers. */
const flushTimeoutMs = 1_000;
/** Before the server said its own; NATS's default. */
const payloadMaxUnknown = 1024 * 1024;

/**
 * Connects, or fails with BusUnreachable naming the URL and what to do. Once connected it stays: a
 * lost connection is dialled again for ever, with its subscriptions.
 */
export async function connectNatsBus(options: NatsBusOptions): Promise<NatsBus> {
  try {
    return new ConnectedNatsBus(await connect(connectionOptions(options)), options);
  } catch (error) {
    throw new BusUnreachable(
      `cannot reach NATS at ${options.url}: ${messageOf(error)}; start nats-server there, ` +
        'or check the URL and the credentials',
      options.url,
      error,
    );
  }
}

function connectionOptions(options: NatsBusOptions): ConnectionOptions {
  return {
    servers: options.url.split(',').map((url) => url.trim()),
    name: options.name,
    reconnect: true,
    maxReconnectAttempts: -1,
    reconnectTimeWait: reconnectWaitMs,
    reconnectJitter: reconnectJitterMs,
    reconnectJitterTLS: reconnectJitterMs,
    // Credentials may be put right on the server; giving up would need a restart of ours.
    ignoreAuthErrorAbort: true,
    timeout: connectTimeoutMs,
    pingInterval: pingIntervalMs,
    maxPingOut: 2,
    noAsyncTraces: true,
    ...(options.token === undefined ? {} : { token: options.token }),
    ...(options.credentials === undefined
      ? {}
      : { authenticator: credsAuthenticator(options.credentials) }),
    ...(options.tls === undefined ? {} : { tls: options.tls }),
  };
}

class ConnectedNatsBus implements Bus {
  status: BusStatus = 'connected';
  readonly connection: NatsConnection;
  private readonly log: Logger;
  private readonly link: { readonly connected?: boolean } | undefined;
  private readonly listeners: ((status: BusStatus) => void)[] = [];
  private readonly waiting: NoResponders;
  private payloadMaxKnown = payloadMaxUnknown;

  constructor(connection: NatsConnection, options: NatsBusOptions) {
    this.connection = connection;
    this.log = options.log;
    // Not part of the client's interface: its own flag falls a few microtasks before the status
    // event. Without it a publish in between would be lost, which at-most-once allows.
    this.link = (connection as { protocol?: { connected?: boolean } }).protocol;
    this.waiting = new NoResponders(createInbox());
    connection.subscribe(`${this.waiting.inbox}*`, {
      callback: (error, message) => {
        if (error === null) this.guarded(message.subject, () => this.waiting.answered(message));
      },
    });
    void this.followStatus();
    void connection.closed().then((error) => {
      if (error instanceof Error) this.log.warn('NATS connection closed', { error: error.message });
      this.become('closed');
    });
  }

  get payloadMax(): number {
    const told = this.connection.info?.max_payload;
    if (told !== undefined) this.payloadMaxKnown = told;
    return this.payloadMaxKnown;
  }

  publish(
    subject: string,
    payload: Uint8Array,
    onNoResponders?: () => void,
  ): PublishRefusal | undefined {
    if (this.status !== 'connected' || this.link?.connected === false) return 'bus-refused';
    if (payload.length > this.payloadMax) {
      throw new BusPayloadTooLarge(
        `${String(payload.length)} bytes; the server takes ${String(this.payloadMax)}`,
        subject,
      );
    }
    try {
      if (onNoResponders === undefined) this.connection.publish(subject, payload);
      else this.connection.publish(subject, payload, { reply: this.waiting.ask(onNoResponders) });
      return undefined;
    } catch (error) {
      this.log.debug('NATS refused a publish', { subject, error: messageOf(error) });
      return 'bus-refused';
    }
  }

  subscribe(subject: string, handler: (message: BusMessage) => void): BusSubscription {
    const subscription = this.connection.subscribe(subject, {
      callback: (error: NatsError | null, message: Msg) => {
        if (error === null) {
          // The client's reader ends for good when a callback throws.
          this.guarded(subject, () => {
            handler({ subject: message.subject, payload: message.data });
          });
        } else {
          this.log.error('NATS refused a subscription', { subject, error: error.message });
        }
      },
    });
    return {
      unsubscribe: () => {
        if (!subscription.isClosed()) subscription.unsubscribe();
      },
    };
  }

  onStatus(listener: (status: BusStatus) => void): void {
    this.listeners.push(listener);
  }

  async close(): Promise<void> {
    if (this.status === 'closed') return;
    if (this.status === 'connected') await this.flushed();
    await this.connection.close();
    this.become('closed');
  }

  private async flushed(): Promise<void> {
    let timer: NodeJS.Timeout | undefined;
    const expired = new Promise<void>((resolve) => {
      timer = setTimeout(resolve, flushTimeoutMs);
    });
    await Promise.race([this.connection.flush().catch(() => undefined), expired]);
    clearTimeout(timer);
  }

  /** The client repeats its events for each failed dial; only changes are passed on. */
  private async followStatus(): Promise<void> {
    for await (const { type, data } of this.connection.status()) {
      if (type === Events.Disconnect) this.become('disconnected');
      else if (type === Events.Reconnect) this.become('connected');
      else if (type === Events.Error) this.log.warn('NATS reports an error', { error: data });
    }
  }

  private become(status: BusStatus): void {
    if (this.status === status || this.status === 'closed') return;
    this.status = status;
    const server = this.connection.getServer();
    // On standard error unless told otherwise: nothing else tells of a broker that is gone.
    if (status === 'disconnected') {
      this.log.warn('NATS is lost: it is dialled until it is back', { server });
    } else if (status === 'connected') {
      this.log.warn('NATS is back', { server });
    } else {
      this.log.info('bus closed', { server });
    }
    for (const listener of this.listeners) {
      this.guarded('status', () => {
        listener(status);
      });
    }
  }

  private guarded(subject: string, call: () => void): void {
    try {
      call();
    } catch (error) {
      this.log.error('a bus handler threw', { subject, error: messageOf(error) });
    }
  }
}

/** How many publishes may lie between one and its 503; a later 503 is forgotten. A power of two. */
const slots = 16_384;

/**
 * Who to tell when the server answers 503. An answer never comes for a publish that had
 * subscribers, so the callbacks lie in a ring and are simply overwritten: nothing is allocated but
 * the subject.
 */
class NoResponders {
  /** Prefix of the reply subjects, with its dot. */
  readonly inbox: string;
  private readonly callbacks = new Array<(() => void) | undefined>(slots).fill(undefined);
  private count = 0;

  constructor(inbox: string) {
    this.inbox = `${inbox}.`;
  }

  /** The reply subject for the next publish. */
  ask(callback: () => void): string {
    const token = this.count;
    this.count += 1;
    this.callbacks[token & (slots - 1)] = callback;
    return this.inbox + String(token);
  }

  answered(message: Msg): void {
    if (message.headers?.code !== 503) return;
    const token = Number(message.subject.slice(this.inbox.length));
    if (!(token < this.count && token >= this.count - slots)) return;
    const slot = token & (slots - 1);
    const callback = this.callbacks[slot];
    this.callbacks[slot] = undefined;
    callback?.();
  }
}
