/**
 * The WebSocket gateway, `/v1/ws`: binary frames are msgpack, text frames JSON; many queries at
 * once on one connection, each answered in the kind of its request when it is done.
 *
 * A binary query costs one decode and one encode; its tensors are views into the frame.
 */

import type { IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';

import { WebSocketServer } from 'ws';

import { type QueryError, queryError } from '../../actors/domain/outcome.ts';
import type { Principal } from '../../actors/domain/principal.ts';
import type { QueryAnswer } from '../../actors/domain/query.ts';
import type { Cancel } from '../../runtime/clock.ts';
import {
  type ConsultOutcome,
  type DeskListener,
  type GatewayOptions,
  type PendingConsultation,
  type PendingQuery,
  QueryDesk,
} from './query-desk.ts';
import { RegistrationDesk } from './registration-desk.ts';
import { Subscriptions } from './subscriptions.ts';
import { Connection, type ConnectionOwner } from './websocket-connection.ts';

/** Close code of RFC 6455 §7.4.1. */
const goingAway = 1001;

export class WebSocketGateway implements ConnectionOwner, DeskListener<Connection> {
  readonly options: GatewayOptions;
  readonly desk: QueryDesk<Connection>;
  readonly registrations: RegistrationDesk;
  readonly subscriptions: Subscriptions;
  private readonly server: WebSocketServer;
  private readonly connections = new Set<Connection>();
  private heartbeat: Cancel | undefined;
  private closing = false;

  constructor(options: GatewayOptions) {
    this.options = options;
    this.desk = new QueryDesk('websocket', options, this);
    this.registrations = new RegistrationDesk('websocket', options);
    this.subscriptions = new Subscriptions('websocket', options);
    this.server = new WebSocketServer({
      noServer: true,
      clientTracking: false,
      perMessageDeflate: false,
      // Up to twice the limit a frame gets a typed answer; above it the connection ends with 1009.
      maxPayload: 2 * options.config.payloadBytesMax,
    });
    this.beat();
  }

  /** Why no connection is taken at present. */
  refusal(): QueryError | undefined {
    if (this.closing) return queryError('unavailable', 'this gateway is closing');
    const most = this.options.config.connectionsMax;
    return this.connections.size >= most
      ? queryError('overloaded', `this gateway has ${most} connections, its limit`)
      : undefined;
  }

  /** An authenticated upgrade request becomes a connection. */
  accept(request: IncomingMessage, socket: Duplex, head: Buffer, principal: Principal): void {
    this.server.handleUpgrade(request, socket, head, (webSocket) => {
      const connection = new Connection(this, webSocket, socket, principal);
      this.connections.add(connection);
      this.gauge();
    });
  }

  forget(connection: Connection): void {
    this.connections.delete(connection);
    this.gauge();
  }

  answered(pending: PendingQuery<Connection>, answer: QueryAnswer): void {
    pending.origin.answered(pending, answer);
  }

  consulted(pending: PendingConsultation<Connection>, outcome: ConsultOutcome): void {
    pending.origin.consulted(pending, outcome);
  }

  /** Takes no more; what is in flight is answered first, then everybody is told 1001. */
  async close(): Promise<void> {
    this.closing = true;
    this.registrations.close();
    this.subscriptions.close();
    await this.desk.drain();
    this.heartbeat?.();
    await Promise.all(
      [...this.connections].map((connection) => connection.end(goingAway, 'the gateway closed')),
    );
    this.server.close();
  }

  private beat(): void {
    const { clock, config } = this.options;
    this.heartbeat = clock.schedule(config.idlePingMs, () => {
      for (const connection of this.connections) connection.check();
      this.beat();
    });
  }

  private gauge(): void {
    this.options.metrics.gauge('infaas_gateway_connections', this.connections.size, {
      gateway: 'websocket',
    });
  }
}
