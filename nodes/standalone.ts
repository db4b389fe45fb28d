/**
 * The root of `infaas up` and `infaas demo`: a whole system on this machine. With one worker
 * everything is this process and its engine hosts; with more, each worker is a process of its own.
 */

import { availableParallelism, totalmem } from 'node:os';
import { join } from 'node:path';
import { env } from 'node:process';

import type { FleetConfig } from '../actors/fleet-autoscaler/behaviour.ts';
import { ConfigInvalid } from '../runtime/errors.ts';
import { createLogger } from './adapters/logger.ts';
import { findNatsServer, type NatsServer, startNatsServer } from './adapters/nats-server.ts';
import { spawnWorker, type SpawnedWorker } from './adapters/worker-process.ts';
import { type Agent, startAgent } from './adapters/provisioners/agent.ts';
import { controllerNode, fleetRef, openMembership } from './membership.ts';
import { loadManifest, zooManifests } from './load-manifests.ts';
import { createNode, type Node } from './node.ts';
import { addController, registerModels } from './parts/controller-part.ts';
import { addDispatcher, openGateways } from './parts/gateway-part.ts';
import { addFleet } from './parts/fleet-part.ts';
import { configOf, defaultLogLevel, type ListenSettings } from './parts/root.ts';
import { addWorker, parseBytes, parseCores, type WorkerSlice } from './parts/worker-part.ts';

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
  const config = configOf(settings);
  const variants = [...(settings.zoo ? zooManifests() : []), ...settings.models].map(loadManifest);
  const coresByWorker = splitCores(settings);
  const logLevel = settings.logLevel ?? defaultLogLevel;
  const bus = await chooseBus(settings, logLevel);
  const opened: (() => Promise<unknown>)[] = [];
  const close = async (): Promise<void> => {
    for (const end of opened.splice(0).reverse()) await end();
  };
  if (bus.server !== undefined) opened.push(() => bus.server?.stop() ?? Promise.resolve());
  try {
    const node = await createNode({
      ...{ name: controllerNode, kind: 'controller' as const, config, logLevel },
      natsUrl: bus.url,
    });
    const membership = openMembership(node);
    const controller = addController(node, settings.dataDir ?? join('.infaas', 'store'));
    opened.push(() => controller.close());
    const [ownCores] = coresByWorker;
    if (settings.workers === 1) {
      const slice = { memory: settings.memory, cores: ownCores ?? settings.cores };
      const { engine } = addWorker(node, membership, slice);
      opened.push(() => engine.shutdown());
    }
    opened.push(() => node.close());
    addFleet(node, bus.url, limitsOf(settings));
    const dispatcher = addDispatcher(node, membership);
    const count = await registerModels(node, controller, variants);
    const { workers } = settings;
    const coresOfSpawned = workers === 1 ? [] : coresByWorker.slice(0, workers);
    const spawned = coresOfSpawned.map((cores, index) =>
      spawnWorker({
        ...{ natsUrl: bus.url ?? '', name: `worker-${String(index + 1)}`, cores, logLevel },
        memory: settings.memory,
        configFile: settings.configFile,
      }),
    );
    opened.push(() => Promise.all(spawned.map((worker) => worker.stop())));
    await Promise.all(spawned.map((worker) => worker.ready));
    const agent = addAgent(node, settings, bus.url, coresByWorker.slice(workers));
    if (agent !== undefined) opened.push(() => agent.close());
    // Last, and so the first to close: what is in flight is answered while the workers live.
    const gateway = await openGateways(node, dispatcher, settings);
    opened.push(() => gateway.close());
    return {
      url: gateway.url,
      httpUrl: gateway.httpUrl,
      natsUrl: bus.url,
      busDescription: bus.description,
      variants: count,
      failed: Promise.race([node.failed, ...spawned.map(ended)]),
      close,
    };
  } catch (error) {
    await close();
    throw error;
  }
}

async function ended(worker: SpawnedWorker): Promise<Error> {
  return new Error(`${worker.name} ended: ${await worker.exited}`);
}

/** Without `--workers-max` those of the configuration hold. */
function limitsOf({ workers, workersMax }: SystemSettings): FleetConfig['limits'] {
  return workersMax === undefined ? {} : { cpu: { min: workers, max: workersMax } };
}

/** The built-in agent, with the cores that the first workers leave. */
function addAgent(
  node: Node,
  settings: SystemSettings,
  natsUrl: string | undefined,
  spare: readonly string[],
): Agent | undefined {
  if (natsUrl === undefined || spare.length === 0) return undefined;
  const { workers, workersMax = workers, configFile } = settings;
  const cores = spare.flatMap((each) => parseCores(each) ?? []);
  const memoryBytes = parseBytes(settings.memory) ?? Math.floor(totalmem() * 0.8);
  return startAgent({
    ...{ node, cores, fleet: fleetRef },
    // As much for each as the first workers have.
    memoryBytes: Math.floor((memoryBytes * (workersMax - workers)) / workersMax),
    workers: { natsUrl, configFile, logLevel: settings.logLevel ?? defaultLogLevel },
  });
}

/** Workers on one machine split its cores; they do not each advertise them all. */
function splitCores(settings: SystemSettings): readonly string[] {
  const workers = Math.max(settings.workers, settings.workersMax ?? 0);
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

async function chooseBus(
  settings: SystemSettings,
  logLevel: Parameters<typeof createLogger>[1],
): Promise<ChosenBus> {
  const asked = settings.nats;
  const needsNats = Math.max(settings.workers, settings.workersMax ?? 0) > 1;
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
  const server = await startNatsServer({ log: createLogger('nats-server', logLevel) });
  return { url: server.url, description: `nats-server started at ${server.url}`, server };
}

function needsNatsError(workers: number): ConfigInvalid {
  return new ConfigInvalid(
    `--workers ${String(workers)} means processes, which need NATS: ` +
      'install nats-server or give --nats URL',
    '--workers',
  );
}
