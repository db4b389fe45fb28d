/**
 * The root of `infaas up` and `infaas demo`: a whole system on this machine. With one worker
 * everything is this process and its engine hosts; with more, each worker is a process of its own.
 */

import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { env } from 'node:process';

import type { FleetConfig } from '../actors/fleet-autoscaler/behaviour.ts';
import { oneMachinePolicy } from '../actors/policy/policies.ts';
import { ConfigInvalid } from '../runtime/errors.ts';
import type { SupervisionPolicy } from '../runtime/supervision.ts';
import { createLogger } from './adapters/logger.ts';
import { keepNatsServer } from './adapters/kept-nats-server.ts';
import { findNatsServer, type NatsServer } from './adapters/nats-server.ts';
import { type KeptWorker, keepWorker } from './adapters/kept-worker.ts';
import type { OnnxEngine } from './adapters/onnx-engine.ts';
import { type Agent, startAgent } from './adapters/provisioners/agent.ts';
import { createSystemClock } from './adapters/system-clock.ts';
import { spawnWorker } from './adapters/worker-process.ts';
import { controllerNode, findNameFree, fleetRef, openMembership } from './membership.ts';
import { loadManifest, zooManifests } from './load-manifests.ts';
import { createNode, type Node } from './node.ts';
import { addController, type ControllerPart, registerModels } from './parts/controller-part.ts';
import { addDispatcher, heardOf, openGateways } from './parts/gateway-part.ts';
import { addFleet } from './parts/fleet-part.ts';
import { addOffline, type Closable } from './parts/offline-part.ts';
import { openOrClose } from './parts/opened.ts';
import { configOf, defaultLogLevel, type ListenSettings } from './parts/root.ts';
import { addWorker, parseCores, sliceOf, type WorkerSlice } from './parts/worker-part.ts';

export interface SystemSettings extends ListenSettings, WorkerSlice {
  readonly zoo: boolean;
  readonly models: readonly string[];
  /** `auto`, `embedded`, or a NATS URL. */
  readonly nats: string;
  readonly workers: number;
  /** More workers are started when load asks for them, up to so many in all. */
  readonly workersMax?: number | undefined;
  readonly dataDir?: string | undefined;
}

export interface RunningSystem {
  /** `ws://127.0.0.1:PORT`. */
  readonly url: string;
  readonly httpUrl: string;
  readonly natsUrl: string | undefined;
  readonly busDescription: string;
  readonly variants: number;
  readonly failed: Promise<Error>;
  close(): Promise<void>;
}

interface ChosenBus {
  readonly url: string | undefined;
  readonly description: string;
  readonly server: NatsServer | undefined;
}

export async function startSystem(settings: SystemSettings): Promise<RunningSystem> {
  const most = mostWorkers(settings);
  const config = configOf(settings, most === 1 ? oneMachinePolicy : undefined);
  const variants = [...(settings.zoo ? zooManifests() : []), ...settings.models].map(loadManifest);
  const slice = sliceOf(settings, most * config.worker.baseMemoryBytes);
  const coresByWorker = splitCores(settings);
  const logLevel = settings.logLevel ?? defaultLogLevel;
  const bus = await chooseBus(settings, config, logLevel);
  return openOrClose(async (opened) => {
    if (bus.server !== undefined) opened.push(() => bus.server?.stop() ?? Promise.resolve());
    const node = await createNode({
      ...{ name: controllerNode, kind: 'controller' as const, logLevel },
      config,
      natsUrl: bus.url,
    });
    const parts: { controller?: ControllerPart; engine?: OnnxEngine; offline?: Closable } = {};
    opened.push(async () => {
      await node.close();
      // The actors have said their last by now.
      await parts.engine?.shutdown();
      await parts.offline?.close();
      await parts.controller?.close();
    });
    const membership = openMembership(node);
    // On a server of our own there is nobody else.
    if (bus.server === undefined) await findNameFree(node);
    const controller = await addController(node, settings.dataDir ?? join('.infaas', 'store'));
    parts.controller = controller;
    const memoryBytes = Math.floor(slice.memoryBytes / most);
    if (settings.workers === 1) {
      const cores = parseCores(coresByWorker[0]) ?? slice.cores;
      parts.engine = addWorker(node, membership, { cores, memoryBytes }).engine;
    }
    const planner = addFleet(node, bus.url, limitsOf(settings));
    opened.push(() => planner?.close() ?? Promise.resolve());
    const dispatcher = addDispatcher(node, membership);
    parts.offline = await addOffline(node, controller, dispatcher);
    const count = await registerModels(node, controller, variants);
    await heardOf(node, dispatcher, count);
    const first = settings.workers === 1 ? [] : coresByWorker.slice(0, settings.workers);
    const workers = keepWorkers(node, bus.url ?? '', first, {
      ...settings,
      memory: String(memoryBytes),
    });
    opened.push(() => Promise.all(workers.map((worker) => worker.stop())));
    await Promise.all(workers.map((worker) => worker.ready));
    const spare = coresByWorker.slice(settings.workers);
    const agent = addAgent(node, settings, bus.url, spare, memoryBytes);
    opened.push(() => agent?.close() ?? Promise.resolve());
    // Last, and so the first to close: what is in flight is answered while the workers live.
    const gateway = await openGateways(node, dispatcher, settings);
    opened.push(() => gateway.close());
    return {
      url: gateway.url,
      httpUrl: gateway.httpUrl,
      natsUrl: bus.url,
      busDescription: bus.description,
      variants: count,
      failed: Promise.race([node.failed, ...workers.map((worker) => worker.failed)]),
      close: opened.close,
    };
  });
}

/** A worker process that dies is replaced, under its name and on its cores. */
function keepWorkers(
  node: Node,
  natsUrl: string,
  coresByWorker: readonly string[],
  settings: SystemSettings,
): readonly KeptWorker[] {
  const { clock, log, config, remoting } = node;
  const { memory, configFile, recordTo, logLevel = defaultLogLevel } = settings;
  return coresByWorker.map((cores, index) => {
    const name = `worker-${String(index + 1)}`;
    return keepWorker({
      ...{ name, clock, log },
      policy: keptBy(config),
      spawn: () => spawnWorker({ natsUrl, name, cores, memory, configFile, recordTo, logLevel }),
      ended: () => {
        // We saw it exit, so that nobody need miss its beats first.
        const life = remoting?.nodes().find((view) => view.node === name);
        if (life !== undefined) remoting?.declareDown(name, life.epoch);
      },
    });
  });
}

function mostWorkers({ workers, workersMax = workers }: SystemSettings): number {
  return Math.max(workers, workersMax);
}

/** Without `--workers-max` those of the configuration hold. */
function limitsOf({ workers, workersMax }: SystemSettings): FleetConfig['limits'] {
  return workersMax === undefined ? {} : { cpu: { min: workers, max: workersMax } };
}

/** The built-in agent, with what the first workers leave: cores and memory of so many more. */
function addAgent(
  node: Node,
  { configFile, recordTo, logLevel = defaultLogLevel }: SystemSettings,
  natsUrl: string | undefined,
  spare: readonly string[],
  workerMemoryBytes: number,
): Agent | undefined {
  if (natsUrl === undefined || spare.length === 0) return undefined;
  return startAgent({
    ...{ node, fleet: fleetRef, workers: { natsUrl, configFile, recordTo, logLevel } },
    cores: spare.flatMap((cores) => parseCores(cores) ?? []),
    memoryBytes: spare.length * workerMemoryBytes,
  });
}

/** Workers on one machine split its cores and memory; they do not each advertise them all. */
function splitCores(settings: SystemSettings): readonly string[] {
  const workers = mostWorkers(settings);
  if (workers === 1) return [];
  const cores = parseCores(settings.cores ?? allCores()) ?? [];
  if (workers > cores.length) {
    throw new ConfigInvalid(
      `--workers ${String(workers)}: there are ${String(cores.length)} cores to split among them`,
      '--workers',
    );
  }
  return Array.from({ length: workers }, (_, index) =>
    cores.filter((_core, at) => at % workers === index).join(','),
  );
}

function allCores(): string {
  return `0-${String(availableParallelism() - 1)}`;
}

/** How often what we started, and ended by itself, is started again. */
function keptBy({ processes }: Pick<Node['config'], 'processes'>): SupervisionPolicy {
  const { restartsMax, withinMs, ...backoff } = processes;
  return { onFailure: 'restart', restartsMax, withinMs, backoff };
}

async function chooseBus(
  settings: SystemSettings,
  config: Pick<Node['config'], 'processes'>,
  logLevel: Parameters<typeof createLogger>[1],
): Promise<ChosenBus> {
  const asked = settings.nats;
  const needsNats = mostWorkers(settings) > 1;
  if (asked === 'embedded') {
    if (needsNats) throw needsNatsError(settings.workers);
    return { url: undefined, description: 'in-process', server: undefined };
  }
  const given = asked === 'auto' ? env['NATS_URL'] : asked;
  if (given !== undefined)
    return { url: given, description: `NATS at ${given}`, server: undefined };
  if (findNatsServer() === undefined) {
    if (needsNats) throw needsNatsError(settings.workers);
    return {
      url: undefined,
      description: 'in-process (no NATS_URL, no nats-server on the PATH)',
      server: undefined,
    };
  }
  const log = createLogger('nats-server', logLevel);
  const server = await keepNatsServer({ policy: keptBy(config), clock: createSystemClock(), log });
  return { url: server.url, description: `nats-server started at ${server.url}`, server };
}

function needsNatsError(workers: number): ConfigInvalid {
  return new ConfigInvalid(
    `--workers ${String(workers)} means processes, which need NATS: ` +
      'install nats-server or give --nats URL',
    '--workers',
  );
}
