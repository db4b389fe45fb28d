/**
 * What every one of our processes is made of: a clock, a host for actors, logs, metrics, and, where
 * there is a bus, remoting and membership. Roots add the parts (controller, gateway, worker) to it.
 */

import { randomInt, randomUUID } from 'node:crypto';

import type { Root } from '../actors/recording/entries.ts';
import type { ActorHost, ActorSpec, Address } from '../runtime/actor.ts';
import type { Clock } from '../runtime/clock.ts';
import { NodeRefused } from '../runtime/errors.ts';
import type { Logger } from '../runtime/log.ts';
import { createNactHost } from '../runtime/nact-host.ts';
import { createRemoting, type Remoting } from '../runtime/remote.ts';
import type { NodeKind } from '../actors/controller/protocol.ts';
import { createLogger, type LogLevel } from './adapters/logger.ts';
import { connectNatsBus, type NatsBus } from './adapters/nats-bus.ts';
import { createPrometheusMetrics, type PrometheusMetrics } from './adapters/prometheus.ts';
import { createSystemClock } from './adapters/system-clock.ts';
import type { Config } from './config.ts';
import { openRecording } from './recording/recording-file.ts';
import { refuseTooLarge } from './refuse-too-large.ts';
import { bodyDecoders } from './wire-schemas.ts';

export interface NodeOptions {
  readonly name: string;
  readonly kind: NodeKind;
  readonly config: Config;
  readonly logLevel: LogLevel;
  /** Undefined: a system of one process, without a bus. */
  readonly natsUrl: string | undefined;
}

export interface Node {
  readonly name: string;
  readonly kind: NodeKind;
  readonly incarnation: string;
  readonly host: ActorHost;
  readonly clock: Clock;
  readonly log: Logger;
  readonly metrics: PrometheusMetrics;
  readonly config: Config;
  /** Without the credentials that it may hold. */
  readonly natsUrl: string | undefined;
  readonly bus: NatsBus | undefined;
  readonly remoting: Remoting | undefined;
  /** Rejects never, resolves when this node must end: why, for people. */
  readonly failed: Promise<Error>;
  fail(error: Error): void;
  /** Without this root actor the node is of no use: when it ends, the node does. */
  failWith(actor: Address): void;
  /** What keeps this node from being ready, by part: `/readyz` says it. */
  readonly troubles: Map<string, string>;
  /** The spec of an actor that decides, recorded where recording is on. */
  recorded<S, M>(spec: ActorSpec<S, M>, root: Root): ActorSpec<S, M>;
  /** Called when this process stood still so long that it has to join again. */
  onStalled: (() => void) | undefined;
  /** True from `close` on: whoever asks again and again stops asking. */
  closing: boolean;
  close(): Promise<void>;
}

export async function createNode(options: NodeOptions): Promise<Node> {
  const { name, kind, config } = options;
  const log = createLogger(name, options.logLevel);
  const metrics = createPrometheusMetrics(name);
  const clock = createSystemClock();
  const bus =
    options.natsUrl === undefined
      ? undefined
      : await connectNatsBus({ url: options.natsUrl, name: `infaas ${name}`, log });
  const host = createNactHost({ node: name, clock, seed: randomInt(2 ** 31), log, metrics });
  const incarnation = randomUUID();
  const recording = openRecording({
    node: name,
    incarnation,
    config: config.recording,
    clock,
    log,
  });
  let fail: (error: Error) => void = () => undefined;
  const failed = new Promise<Error>((resolve) => {
    fail = resolve;
  });
  const node: Node = {
    ...{ name, kind, incarnation, host, clock, log, metrics, config, bus, failed, fail },
    natsUrl: options.natsUrl?.replace(/\/\/[^@/,]*@/g, '//'),
    failWith: (actor) => {
      host.watch(actor, ({ address, detail }) => {
        if (!node.closing) fail(new Error(`${address.path} of ${name} ended: ${detail}`));
      });
    },
    remoting: undefined,
    troubles: new Map(),
    recorded: (spec, root) => recording?.record(spec, root) ?? spec,
    onStalled: undefined,
    closing: false,
    close: async () => {
      node.closing = true;
      await host.shutdown();
      await recording?.close();
      node.remoting?.stop();
      await bus?.close();
    },
  };
  if (bus === undefined) {
    host.epoch = 1;
    return node;
  }
  const remoting = createRemoting({
    ...{ host, bus, clock, log, metrics, node: name, kind, incarnation, decoders: bodyDecoders },
    beatMs: config.bus.beatMs,
    missedMax: config.bus.missedMax,
    messageBytesMax: config.bus.messageBytesMax,
    refuseTooLarge,
    onSuperseded: (epoch) => {
      fail(new NodeRefused(namesakeText(options, epoch, host.epoch), name));
    },
    onStalled: () => node.onStalled?.(),
  });
  return Object.assign(node, { remoting });
}

/** The controller has no other name, so there it is the system that exists already. */
function namesakeText({ name, kind }: NodeOptions, epoch: number, ours: number): string {
  const who = `a node named "${name}" (epoch ${String(epoch)})`;
  if (ours > 0) return `${who} took over from this one; give one of them another --name`;
  return kind === 'controller'
    ? 'a controller is running already on this NATS server; stop it first, or use another server'
    : `${who} is running already; choose another --name, or stop it`;
}
