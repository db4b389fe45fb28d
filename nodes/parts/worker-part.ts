/** The worker part of a node: the engine and the worker actor above it. */

import { availableParallelism, totalmem } from 'node:os';

import { parseMemorySize } from '../../actors/domain/memory-size.ts';
import { cpuCoreUsdPerHour, type Hardware } from '../../actors/domain/hardware.ts';
import type { Root } from '../../actors/recording/entries.ts';
import { type WorkerOptions, workerSpec } from '../../actors/worker/behaviour.ts';
import type { WorkerMessage } from '../../actors/worker/protocol.ts';
import { type Ref, refOf } from '../../runtime/actor.ts';
import { ConfigInvalid } from '../../runtime/errors.ts';
import { restartPolicy } from '../../runtime/supervision.ts';
import { createOnnxEngine, type OnnxEngine } from '../adapters/onnx-engine.ts';
import { pinTo } from '../engine/pin.ts';
import { machineType } from '../generator/machine-type.ts';
import { createModelLab } from '../lab/lab.ts';
import {
  controllerRef,
  fleetRef,
  type Membership,
  recordsPath,
  registrarRef,
} from '../membership.ts';
import type { Node } from '../node.ts';
import { openProfiler, type Profiler } from '../registrar/profiler.ts';
import type { ModelFiles } from '../stores/model-files.ts';
import { openWorkerFiles } from './model-files-part.ts';

export interface WorkerSlice {
  /** Cores to own: a list like `0-1,4`, pinned, or undefined for all, unpinned. */
  readonly cores?: string | undefined;
  /** Memory to own, `4GiB`; by default four fifths of the machine's. */
  readonly memory?: string | undefined;
}

/** What of a machine a worker owns, checked. */
export interface OwnedSlice {
  readonly cores: readonly number[] | undefined;
  readonly memoryBytes: number;
}

/**
 * Throws ConfigInvalid on a slice that this machine does not have, or that is too small for
 * anything: `leastBytes` is what its workers need before they load. Starts nothing.
 */
export function sliceOf({ cores, memory }: WorkerSlice, leastBytes = 0): OwnedSlice {
  return {
    cores: parseCores(cores),
    memoryBytes: parseMemory(memory, leastBytes) ?? Math.floor(totalmem() * 0.8),
  };
}

export interface WorkerPart {
  readonly worker: Ref<WorkerMessage>;
  readonly engine: OnnxEngine;
  readonly hardware: readonly Hardware[];
  /** Gives back what waits, finishes what runs; resolves when it is done or takes too long. */
  readonly drain: () => Promise<void>;
}

export function addWorker(node: Node, membership: Membership, slice: OwnedSlice): WorkerPart {
  const { host, config, log, metrics } = node;
  const { cores, memoryBytes } = slice;
  const units = cores?.length ?? availableParallelism();
  const hardware: readonly Hardware[] = [
    {
      ...{ kind: 'cpu', units, memoryBytes, costUsdPerUnitHour: cpuCoreUsdPerHour },
      machine: machineType(),
    },
  ];
  const { files, close } = openWorkerFiles(node);
  const onnx = createOnnxEngine({
    host,
    cores: cores ?? units,
    config: config.engine,
    log,
    metrics,
    files,
  });
  // In a system of one process the controller's own lab is on this machine.
  const profiler = node.kind === 'worker' ? openWorkerProfiler(node, files, cores) : undefined;
  const engine: OnnxEngine = {
    ...onnx,
    shutdown: async () => {
      await profiler?.close();
      await onnx.shutdown().finally(close);
    },
  };
  engine.warm();
  const { reload, drainMs, ...limits } = config.worker;
  const options: WorkerOptions = {
    // In a system of one process the node is called after its controller.
    id: node.kind === 'worker' ? node.name : 'local',
    node: node.name,
    epoch: () => host.epoch,
    hardware,
    engine: engine.port,
    controller: controllerRef,
    recordsPath,
    registrar: registrarRef,
    // Of any epoch, as the others are: a recording holds the options of the start.
    profiler: profiler && refOf(node.name, 0, profiler.port.path),
    fleet: node.remoting === undefined ? undefined : fleetRef,
    config: {
      ...limits,
      reload: { ...restartPolicy, ...reload },
      instance: config.instance,
      monitor: config.monitor,
    },
  };
  const root: Root = { path: '/worker', kind: 'worker', options };
  const worker = host.spawn(node.recorded(workerSpec(options), root), 'worker');
  node.failWith(worker);
  membership.attachments.push({ type: 'controller.attach-worker', worker });
  return { worker, engine, hardware, drain: () => drainWorker(node, worker, drainMs) };
}

/** On one core of the worker's, as an instance runs. */
function openWorkerProfiler(
  node: Node,
  files: ModelFiles,
  cores: readonly number[] | undefined,
): Profiler {
  const { host, log, config, name } = node;
  const lab = createModelLab(config.lab, log, { pin: pinTo(cores?.slice(0, 1) ?? []) });
  return openProfiler({ host, log, lab, files, workerId: name });
}

function drainWorker(node: Node, worker: Ref<WorkerMessage>, withinMs: number): Promise<void> {
  const { host, clock } = node;
  return new Promise((resolve) => {
    const giveUp = clock.schedule(withinMs, resolve);
    host.watch(worker, () => {
      giveUp();
      resolve();
    });
    host.tell(worker, { type: 'worker.drain' });
  });
}

/** `0-1,4` -> [0, 1, 4]. Throws ConfigInvalid on anything else, and on cores the machine lacks. */
export function parseCores(text: string | undefined): readonly number[] | undefined {
  if (text === undefined) return undefined;
  const cores = new Set<number>();
  for (const part of text.split(',')) {
    const match = /^(\d+)(?:-(\d+))?$/.exec(part.trim());
    const first = Number(match?.[1]);
    const last = Number(match?.[2] ?? match?.[1]);
    if (match === null || last < first || last >= availableParallelism()) {
      throw new ConfigInvalid(
        `--cores "${text}": give core numbers from 0 to ${String(availableParallelism() - 1)}, ` +
          'like 0-1 or 0,2',
        '--cores',
      );
    }
    for (let core = first; core <= last; core += 1) cores.add(core);
  }
  return [...cores];
}

/** `4GiB`, `512MiB`, `2GB` or plain bytes, within what the machine has. */
function parseMemory(text: string | undefined, leastBytes: number): number | undefined {
  if (text === undefined) return undefined;
  const bytes = parseMemorySize(text);
  if (bytes === undefined) {
    throw new ConfigInvalid(`--memory "${text}": give a size like 4GiB or 512MiB`, '--memory');
  }
  if (bytes > leastBytes && bytes <= totalmem()) return bytes;
  const least = `${(leastBytes / 2 ** 20).toFixed(0)}MiB, which is used before anything is loaded`;
  const most = `${(totalmem() / 2 ** 30).toFixed(1)}GiB, which this machine has`;
  throw new ConfigInvalid(
    `--memory "${text}": give more than ${least}, and at most ${most}`,
    '--memory',
  );
}
