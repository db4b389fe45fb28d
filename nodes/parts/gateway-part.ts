/** The gateway parts of a node: one dispatcher, and the gateways in front of it. */

import { type DispatcherOptions, dispatcherSpec } from '../../actors/dispatcher/behaviour.ts';
import type {
  DispatcherMessage,
  GatewayMessage,
  Readiness,
} from '../../actors/dispatcher/protocol.ts';
import type { Root } from '../../actors/recording/entries.ts';
import { recordsSpec } from '../../actors/records/behaviour.ts';
import type { RecordsMessage } from '../../actors/records/protocol.ts';
import { type Ref, refOf } from '../../runtime/actor.ts';
import type { Cancel } from '../../runtime/clock.ts';
import { startHttpServer } from '../gateways/http-server.ts';
import { startNatsService } from '../gateways/nats-service.ts';
import type { GatewayOptions } from '../gateways/query-desk.ts';
import {
  controllerNode,
  controllerRef,
  type Membership,
  offlineRef,
  recordsPath,
  registrarRef,
} from '../membership.ts';
import type { Node } from '../node.ts';
import { packageVersion } from '../package-root.ts';
import { uploadsRef } from './registrar-part.ts';
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
  readonly records: Ref<RecordsMessage>;
}

export function addDispatcher(node: Node, membership: Membership): DispatcherPart {
  const { host, config } = node;
  const desks = new Set<Ref<GatewayMessage>>();
  const options: DispatcherOptions = {
    config: config.dispatcher,
    controller: controllerRef,
    busName: busNameOf(node),
    epoch: () => host.epoch,
    gateways: () => [...desks],
    records: refOf<RecordsMessage>(node.name, 0, recordsPath),
  };
  const root: Root = { path: '/dispatcher', kind: 'dispatcher', options };
  const dispatcher = host.spawn(node.recorded(dispatcherSpec(options), root), 'dispatcher');
  node.failWith(dispatcher);
  const records = addRecords(node, dispatcher);
  membership.attachments.push({ type: 'controller.attach-dispatcher', dispatcher });
  passBusEvents(node, dispatcher);
  return { dispatcher, desks, records };
}

/** What is decided beside the controller is relayed from there, to whoever asked for it. */
function addRecords(node: Node, dispatcher: Ref<DispatcherMessage>): Ref<RecordsMessage> {
  const { host, config, remoting } = node;
  const records = host.spawn(recordsSpec({ dispatcher, config: config.records }), 'records');
  node.failWith(records);
  const attach = (): void => {
    const there = refOf<RecordsMessage>(controllerNode, 0, recordsPath);
    host.tell(there, { type: 'records.attach-peer', peer: { ...records, epoch: host.epoch } });
  };
  remoting?.onNode((event) => {
    if (event.type === 'up' && event.kind === 'controller') attach();
  });
  return records;
}

const heardEveryMs = 5;

/** Resolves when the dispatcher has heard of so many variants: then no name is unknown to it. */
export function heardOf(
  node: Node,
  { dispatcher }: DispatcherPart,
  variants: number,
): Promise<void> {
  const { host, clock } = node;
  return new Promise((resolve) => {
    const replyTo = host.port<Readiness>('registry-heard', (readiness) => {
      if (readiness.variants >= variants || node.closing) {
        host.closePort(replyTo);
        resolve();
      } else {
        clock.schedule(heardEveryMs, ask);
      }
    });
    const ask = (): void => {
      host.tell(dispatcher, { type: 'dispatcher.report-readiness', replyTo });
    };
    ask();
  });
}

/** Opened when the dispatcher can have something to say: the node has joined, models are known. */
export async function openGateways(
  node: Node,
  part: DispatcherPart,
  settings: ListenSettings,
): Promise<GatewayPart> {
  const { dispatcher, desks, records } = part;
  const { host, config, clock, log, metrics } = node;
  // Else its start would tell gateways that it lost what they have only just handed in.
  await heardOf(node, part, 0);
  const options: GatewayOptions = {
    ...{ host, clock, log, metrics, dispatcher, desks, records },
    newQueryId: createQueryIds(node),
    registration: { registrar: registrarRef, uploads: uploadsRef, offline: offlineRef },
    config: {
      ...config.gateway,
      host: settings.host ?? defaultHost,
      port: settings.port,
      ...(settings.token === undefined ? {} : { token: settings.token }),
    },
  };
  const readiness = watchReadiness(node, dispatcher);
  const http = await startHttpServer({
    ...options,
    notReady: () => node.troubles.values().next().value ?? readiness.notReady(),
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
      readiness.stop();
      await Promise.all([http.close(), service?.close()]);
    },
  };
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

interface ReadinessWatch {
  /** Why queries cannot be served now, for people; undefined when they can. */
  readonly notReady: () => string | undefined;
  readonly stop: () => void;
}

/** Asks the dispatcher again and again: what was ready may not stay so. */
function watchReadiness(node: Node, dispatcher: Ref<DispatcherMessage>): ReadinessWatch {
  const { host, clock } = node;
  let why: string | undefined = 'starting';
  let cancel: Cancel = () => undefined;
  const replyTo = host.port<Readiness>('readiness', (readiness) => {
    why = unreadiness(readiness, busNameOf(node));
  });
  const ask = (): void => {
    host.tell(dispatcher, { type: 'dispatcher.report-readiness', replyTo });
    cancel = clock.schedule(readinessEveryMs, ask);
  };
  ask();
  return {
    notReady: () => why,
    stop: () => {
      why = 'closing';
      cancel();
      host.closePort(replyTo);
    },
  };
}

function unreadiness(readiness: Readiness, busName: string | undefined): string | undefined {
  const { workers, variants, busConnected } = readiness;
  if (workers > 0 && variants > 0) return undefined;
  if (!busConnected) return `${busName ?? 'the bus'} cannot be reached, and so no worker`;
  return workers === 0 ? 'no worker has joined' : 'no variant is registered';
}

function busNameOf({ natsUrl }: Node): string | undefined {
  return natsUrl === undefined ? undefined : `NATS at ${natsUrl}`;
}
