/**
 * A NATS service's subscriptions and what it says of itself: `$SRV.{PING,INFO,STATS}` after ADR-32
 * (nats-io/nats-architecture-and-design, ADR-32).
 */

import type { Msg, NatsConnection, Subscription } from 'nats';

import type { Clock } from '../../runtime/clock.ts';
import { messageOf } from '../../runtime/errors.ts';
import type { Logger } from '../../runtime/log.ts';

export interface ServiceIdentity {
  readonly name: string;
  readonly id: string;
  /** SemVer. */
  readonly version: string;
  readonly description: string;
}

export interface DiscoveryOptions {
  readonly connection: NatsConnection;
  readonly clock: Clock;
  readonly log: Logger;
  readonly identity: ServiceIdentity;
}

/** The convention's default queue group: one gateway takes each request. */
const queueGroup = 'q';

/** What STATS says of an endpoint. Time counts from the request's arrival to its answer. */
export class EndpointStats {
  readonly name: string;
  readonly subject: string;
  private requests = 0;
  private errors = 0;
  private lastError = '';
  private processingMs = 0;

  constructor(name: string, subject: string) {
    this.name = name;
    this.subject = subject;
  }

  done(ms: number, error: string | undefined): void {
    this.requests += 1;
    this.processingMs += ms;
    if (error === undefined) return;
    this.errors += 1;
    this.lastError = error;
  }

  describe(): object {
    const nanoseconds = Math.round(this.processingMs * 1e6);
    return {
      name: this.name,
      subject: this.subject,
      queue_group: queueGroup,
      num_requests: this.requests,
      num_errors: this.errors,
      last_error: this.lastError,
      processing_time: nanoseconds,
      average_processing_time: this.requests === 0 ? 0 : Math.round(nanoseconds / this.requests),
    };
  }
}

export class ServiceDiscovery {
  private readonly options: DiscoveryOptions;
  private readonly started: string;
  private readonly endpoints: EndpointStats[] = [];
  private readonly subscriptions: Subscription[] = [];

  constructor(options: DiscoveryOptions) {
    this.options = options;
    this.started = new Date(options.clock.wallMs()).toISOString();
    this.control('PING', () => this.about('ping', {}));
    this.control('INFO', () =>
      this.about('info', {
        description: options.identity.description,
        endpoints: this.endpoints.map(({ name, subject }) => ({
          name,
          subject,
          queue_group: queueGroup,
          metadata: {},
        })),
      }),
    );
    this.control('STATS', () =>
      this.about('stats', {
        started: this.started,
        endpoints: this.endpoints.map((endpoint) => endpoint.describe()),
      }),
    );
  }

  /** Requests on `subject` go to one of the service's members. */
  endpoint(
    name: string,
    subject: string,
    handler: (message: Msg, stats: EndpointStats) => void,
  ): void {
    const stats = new EndpointStats(name, subject);
    this.endpoints.push(stats);
    this.subscriptions.push(
      this.subscribe(subject, (message) => handler(message, stats), queueGroup),
    );
  }

  /** Every member hears it, unless a queue group is given. */
  subscribe(subject: string, handler: (message: Msg) => void, queue?: string): Subscription {
    const { connection, log } = this.options;
    return connection.subscribe(subject, {
      ...(queue === undefined ? {} : { queue }),
      callback: (error, message) => {
        if (error !== null) {
          log.error('NATS refused a subscription', { subject, error: error.message });
          return;
        }
        try {
          handler(message);
        } catch (failure) {
          // The client's reader ends for good when a callback throws.
          log.error('a NATS request failed', { subject, error: messageOf(failure) });
        }
      },
    });
  }

  /** No new requests, and no longer to be found; resolves when what arrived already was handled. */
  async leave(): Promise<void> {
    // A drain fails only where the connection is gone, and the subscriptions with it.
    const left = this.subscriptions.map((subscription) =>
      subscription.drain().catch(() => undefined),
    );
    await Promise.all(left);
  }

  private control(verb: 'PING' | 'INFO' | 'STATS', answer: () => object): void {
    const { name, id } = this.options.identity;
    for (const subject of [`$SRV.${verb}`, `$SRV.${verb}.${name}`, `$SRV.${verb}.${name}.${id}`]) {
      this.subscriptions.push(
        this.subscribe(subject, (message) => {
          message.respond(new TextEncoder().encode(JSON.stringify(answer())));
        }),
      );
    }
  }

  private about(type: 'ping' | 'info' | 'stats', more: object): object {
    const { name, id, version } = this.options.identity;
    const full = `io.nats.micro.v1.${type}_response`;
    return { type: full, name, id, version, metadata: {}, ...more };
  }
}
