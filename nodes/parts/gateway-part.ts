/** The gateway parts of a node: one dispatcher, and the gateways in front of it. */

import { dispatcherSpec } from '../../actors/dispatcher/behaviour.ts';
import type { DispatcherMessage, GatewayMessage } from '../../actors/dispatcher/protocol.ts';
import { localPrincipal } from '../../actors/domain/principal.ts';
import type { Ref } from '../../runtime/actor.ts';
import { startHttpServer } from '../gateways/http-server.ts';
import { startNatsService } from '../gateways/nats-service.ts';
import type { GatewayOptions } from '../gateways/query-desk.ts';
import { controllerRef, type Membership } from '../membership.ts';
import type { Node } from '../node.ts';
import { packageVersion } from '../package-root.ts';
import { registrarRef, uploadsRef } from './registrar-part.ts';
import { defaultHost, type ListenSettings } from './root.ts';

export interface GatewayPart {
  /** `ws://127.0.0.1:8080`. */
  readonly url: string;
  readonly httpUrl: string;
  /** Drains: takes no more, answers what is in flight. */
  close(): Promise<void>;
}

export interface DispatcherPart {
  readonly dispatcher: Ref<DispatcherMessage>;
  readonly desks: Set<Ref<GatewayMessage>>;
}

export function addDispatcher(node: Node, membership: Membership): DispatcherPart {
  const { host, config } = node;
  const desks = new Set<Ref<GatewayMessage>>();
  const spec = dispatcherSpec({
    config: config.dispatcher,
    controller: controllerRef,
    epoch: () => host.epoch,
    gateways: () => [...desks],
  });
  const dispatcher = host.spawn(spec, 'dispatcher');
  node.failWith(dispatcher);
  membership.attachments.push({ type: 'controller.attach-dispatcher', dispatcher });
  passBusEvents(node, dispatcher);
  return { dispatcher, desks };
}

/** Opened when the dispatcher can have something to say: the node has joined, models are known. */
export async function openGateways(
  node: Node,
  { dispatcher, desks }: DispatcherPart,
  settings: ListenSettings,
): Promise<GatewayPart> {
  const { host, config, clock, log, metrics } = node;
  await hasStarted(node, dispatcher);
  const options: GatewayOptions = {
    ...{ host, clock, log, metrics, dispatcher, desks },
    newQueryId: createQueryIds(node),
    registration: { registrar: registrarRef, uploads: uploadsRef },
    config: {
      ...config.gateway,
      host: settings.host ?? defaultHost,
      port: settings.port,
      ...(settings.token === undefined ? {} : { token: settings.token }),
    },
  };
  const http = await startHttpServer({
    ...options,
    notReady: watchReadiness(node, dispatcher),
    metricsPage: async () => ({ contentType: metrics.contentType, body: await metrics.text() }),
  });
  const service =
    node.bus === undefined
      ? undefined
      : await startNatsService({
          ...options,
          connection: node.bus.connection,
          id: node.name,
          version: packageVersion(),
        });
  return {
    url: http.url.replace(/^http/, 'ws'),
    httpUrl: http.url,
    close: async () => {
      await Promise.all([http.close(), service?.close()]);
    },
  };
}

/** Else its start would tell gateways that it lost what they have only just handed in. */
function hasStarted({ host }: Node, dispatcher: Ref<DispatcherMessage>): Promise<void> {
  return new Promise((resolve) => {
    const replyTo = host.port<GatewayMessage>('dispatcher-started', () => {
      host.closePort(replyTo);
      resolve();
    });
    host.tell(dispatcher, {
      ...{ type: 'dispatcher.describe-fleet', requestId: 'started' },
      ...{ principal: localPrincipal, replyTo },
    });
  });
}

/** Unique in the system: the node's name and life, and a counter. */
function createQueryIds(node: Node): () => string {
  const life = node.incarnation.slice(0, 8);
  let counter = 0;
  return () => {
    counter += 1;
    return `${node.name}-${life}-${counter.toString(36)}`;
  };
}

function passBusEvents(node: Node, dispatcher: Ref<DispatcherMessage>): void {
  const { host, bus, remoting } = node;
  bus?.onStatus((status) => {
    host.tell(dispatcher, {
      type: 'dispatcher.bus-changed',
      connected: status === 'connected',
    });
  });
  remoting?.onLoss((lost) => {
    host.tell(dispatcher, { type: 'dispatcher.messages-lost', node: lost });
  });
}

const readinessEveryMs = 250;

/** Why queries cannot be served yet; asks the dispatcher until a worker and a variant are there. */
function watchReadiness(node: Node, dispatcher: Ref<DispatcherMessage>): () => string | undefined {
  const { host, clock } = node;
  let why: string | undefined = 'starting';
  const ask = (): void => {
    if (node.closing) return;
    host.tell(dispatcher, {
      type: 'dispatcher.describe-fleet',
      requestId: 'readiness',
      principal: localPrincipal,
      replyTo,
    });
  };
  const replyTo = host.port<GatewayMessage>('readiness', (message) => {
    if (message.type !== 'gateway.fleet-described') return;
    const { workers, variants } = message.description;
    if (workers.length > 0 && variants.length > 0) {
      why = undefined;
      host.closePort(replyTo);
      return;
    }
    why = workers.length === 0 ? 'no worker has joined' : 'no variant is registered';
    clock.schedule(readinessEveryMs, ask);
  });
  ask();
  return () => why;
}
