/**
 * All three gateways before one dispatcher, for tests: HTTP and WebSocket on a free port, and NATS
 * where a server's URL is given. `backend` is what answers: the stand-in, or a whole system.
 */

import { connect as connectNats, type NatsConnection } from 'nats';

import type { DispatcherMessage } from '../../../actors/dispatcher/protocol.ts';
import type { RecordsMessage } from '../../../actors/records/protocol.ts';
import { createSystemClock } from '../../../nodes/adapters/system-clock.ts';
import { gatewayConfigSchema, type GatewayConfig } from '../../../nodes/gateways/config.ts';
import { startHttpServer } from '../../../nodes/gateways/http-server.ts';
import { startNatsService } from '../../../nodes/gateways/nats-service.ts';
import type { GatewayOptions } from '../../../nodes/gateways/query-desk.ts';
import type { ActorHost, Ref } from '../../../runtime/actor.ts';
import { silentLogger } from '../../../runtime/log.ts';
import { silentMetrics } from '../../../runtime/metrics.ts';
import { createNactHost } from '../../../runtime/nact-host.ts';
import { type StandIn, standInDispatcher } from './stand-in-dispatcher.ts';

/** Where queries are answered, and the host that its gateways live in. */
export interface Backend {
  readonly host: ActorHost;
  readonly dispatcher: Ref<DispatcherMessage>;
  readonly records?: Ref<RecordsMessage>;
}

export interface StartOptions {
  readonly config?: Partial<GatewayConfig>;
  /** Of a NATS server; without it there is no NATS gateway. */
  readonly natsUrl?: string | undefined;
  readonly backend?: Backend;
  /** What `/readyz` asks. */
  readonly notReady?: () => string | undefined;
}

export interface StartedGateways {
  /** `http://127.0.0.1:PORT` */
  readonly httpUrl: string;
  /** `ws://127.0.0.1:PORT` */
  readonly wsUrl: string;
  /** What the stand-in holds and saw; empty with another backend. */
  readonly seen: StandIn;
  readonly host: ActorHost;
  readonly dispatcher: Ref<DispatcherMessage>;
  close(): Promise<void>;
}

export function emptyStandIn(): StandIn {
  return { held: new Map(), cancelled: 0 };
}

export async function startGateways(options: StartOptions = {}): Promise<StartedGateways> {
  const clock = createSystemClock();
  const seen = emptyStandIn();
  const backend = options.backend ?? standInBackend(seen);
  let queries = 0;
  const common: GatewayOptions = {
    ...backend,
    clock,
    log: silentLogger,
    metrics: silentMetrics,
    desks: new Set(),
    newQueryId: () => `query-${String((queries += 1))}`,
    config: gatewayConfigSchema.parse({ port: 0, drainMs: 200, ...options.config }),
  };
  const http = await startHttpServer({
    ...common,
    notReady: options.notReady ?? (() => undefined),
    metricsPage: () => Promise.resolve({ contentType: 'text/plain', body: 'infaas_up 1\n' }),
  });
  const nats = await connectService(options.natsUrl, common);
  let closed: Promise<void> | undefined;
  const close = async (): Promise<void> => {
    await http.close();
    await nats?.close();
    await backend.host.shutdown();
  };
  return {
    httpUrl: http.url,
    wsUrl: http.url.replace('http', 'ws'),
    seen,
    ...backend,
    close: () => (closed ??= close()),
  };
}

function standInBackend(seen: StandIn): Backend {
  const clock = createSystemClock();
  const node = 'gateway-1';
  const host = createNactHost({ node, clock, seed: 1, log: silentLogger, metrics: silentMetrics });
  return { host, dispatcher: host.spawn(standInDispatcher(seen), 'dispatcher') };
}

async function connectService(
  url: string | undefined,
  options: GatewayOptions,
): Promise<{ close(): Promise<void> } | undefined> {
  if (url === undefined) return undefined;
  const connection: NatsConnection = await connectNats({ servers: url });
  const service = await startNatsService({
    ...options,
    connection,
    id: 'gateway-1',
    version: '0.1.0',
  });
  return {
    close: async () => {
      await service.close();
      await connection.close();
    },
  };
}
