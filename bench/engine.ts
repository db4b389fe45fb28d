/**
 * What a process apart costs a batch: round trips through the engine adapter against bare
 * `session.run()` in this process, alternately, one batch in flight; and queries a second at larger
 * batches, with every lane kept busy.
 */

import { join } from 'node:path';

import { InferenceSession, Tensor } from 'onnxruntime-node';

import type { EngineEvent, EngineQuery } from '../actors/instance/engine-port.ts';
import type { Variant } from '../actors/domain/variant.ts';
import { createOnnxEngine, type OnnxEngine } from '../nodes/adapters/onnx-engine.ts';
import { createSystemClock } from '../nodes/adapters/system-clock.ts';
import { engineConfigSchema } from '../nodes/engine/config.ts';
import { loadManifest } from '../nodes/load-manifests.ts';
import { packageRoot } from '../nodes/package-root.ts';
import type { ActorHost, Ref } from '../runtime/actor.ts';
import { silentLogger } from '../runtime/log.ts';
import { silentMetrics } from '../runtime/metrics.ts';
import { createNactHost } from '../runtime/nact-host.ts';
import { elementCount, type NamedTensors, tensorOf } from '../runtime/wire/tensors.ts';
import { median } from './statistics.ts';

export interface EngineLatency {
  readonly variant: string;
  /** Median round trips at batch 1, microseconds. */
  readonly bareUs: number;
  readonly engineUs: number;
  readonly addedUs: number;
}

export interface EngineThroughput {
  readonly variant: string;
  readonly batch: number;
  readonly lanes: number;
  readonly queriesPerSecond: number;
}

const manifests = [
  'digit-classification/mlp-fp32.yaml',
  'digit-classification/cnn-small-fp32.yaml',
  'voice-activity-detection/silero-v6-op18-ifless.yaml',
];

/** Both processes compile what is hot within the first thousand or so. */
const warmUpRoundTrips = 2_000;

/** Rounds alternate between the two, so that both see the same machine. */
const rounds = 10;

export async function benchEngine(roundTrips = 300): Promise<{
  readonly latency: readonly EngineLatency[];
  readonly throughput: readonly EngineThroughput[];
}> {
  const lanes = 2;
  const bench = openBench(lanes);
  const latency: EngineLatency[] = [];
  const throughput: EngineThroughput[] = [];
  try {
    for (const manifest of manifests) {
      const variant = loadManifest(join(packageRoot(), 'zoo', manifest));
      latency.push(await compareLatency(bench, variant, roundTrips));
      for (const batch of [8, 16]) {
        throughput.push(await measureThroughput(bench, variant, batch, lanes));
      }
    }
  } finally {
    await bench.close();
  }
  return { latency, throughput };
}

interface Bench {
  readonly host: ActorHost;
  readonly engine: OnnxEngine;
  /** A loaded instance of the variant, which answers one batch after the other. */
  open(variant: Variant): Promise<BenchInstance>;
  close(): Promise<void>;
}

interface BenchInstance {
  run(queries: readonly EngineQuery[]): Promise<void>;
  unload(): Promise<void>;
}

function openBench(lanes: number): Bench {
  const host = createNactHost({
    node: 'bench',
    clock: createSystemClock(),
    seed: 1,
    log: silentLogger,
    metrics: silentMetrics,
  });
  const engine = createOnnxEngine({
    host,
    cores: lanes,
    config: engineConfigSchema.parse({}),
    log: silentLogger,
    metrics: silentMetrics,
  });
  let opened = 0;
  return {
    host,
    engine,
    open: (variant) => {
      opened += 1;
      return openInstance(host, engine, variant, `instance-${String(opened)}`);
    },
    close: async () => {
      await engine.shutdown();
      await host.shutdown();
    },
  };
}

async function openInstance(
  host: ActorHost,
  engine: OnnxEngine,
  variant: Variant,
  instanceId: string,
): Promise<BenchInstance> {
  let settle: ((event: EngineEvent) => void) | undefined;
  const replyTo: Ref<EngineEvent> = host.port(instanceId, (event: EngineEvent) => settle?.(event));
  const expect = (type: EngineEvent['type'], send: () => void): Promise<void> =>
    new Promise((resolve, reject) => {
      settle = (event) => {
        if (event.type === type) resolve();
        else reject(new Error('message' in event ? event.message : event.type));
      };
      send();
    });
  await expect('instance.variant-loaded', () => {
    host.tell(engine.port, { type: 'engine.load-variant', instanceId, variant, replyTo });
  });
  let batchId = 0;
  return {
    run: (queries) =>
      expect('instance.batch-ran', () => {
        batchId += 1;
        const command = {
          instanceId,
          batchId,
          queries,
          priority: 0,
          dueMs: 0,
          late: false,
          hangMs: 10_000,
        };
        host.tell(engine.port, { type: 'engine.run-batch', ...command });
      }),
    unload: () =>
      expect('instance.variant-unloaded', () => {
        host.tell(engine.port, { type: 'engine.unload-variant', instanceId });
      }),
  };
}

async function compareLatency(
  bench: Bench,
  variant: Variant,
  roundTrips: number,
): Promise<EngineLatency> {
  const query = queryOf(variant);
  const instance = await bench.open(variant);
  const bare = await openBare(variant, query.inputs);
  await timesUs(warmUpRoundTrips, () => instance.run([query]));
  await timesUs(warmUpRoundTrips / 10, () => bare.run());
  const bareUs: number[] = [];
  const engineUs: number[] = [];
  for (let round = 0; round < rounds; round += 1) {
    bareUs.push(...(await timesUs(roundTrips, () => bare.run())));
    engineUs.push(...(await timesUs(roundTrips, () => instance.run([query]))));
  }
  await instance.unload();
  await bare.release();
  const medians = { bareUs: median(bareUs), engineUs: median(engineUs) };
  return { variant: variant.id, ...medians, addedUs: medians.engineUs - medians.bareUs };
}

async function timesUs(count: number, once: () => Promise<void>): Promise<number[]> {
  const times: number[] = [];
  for (let index = 0; index < count; index += 1) {
    const startedMs = performance.now();
    await once();
    times.push((performance.now() - startedMs) * 1000);
  }
  return times;
}

/** Bare ONNX Runtime, set as the lanes set it. */
async function openBare(
  variant: Variant,
  inputs: NamedTensors,
): Promise<{ run(): Promise<void>; release(): Promise<void> }> {
  const session = await InferenceSession.create(variant.file.path, {
    intraOpNumThreads: 1,
    interOpNumThreads: 1,
    executionMode: 'sequential',
    graphOptimizationLevel: 'all',
  });
  const feeds = Object.fromEntries(
    Object.entries(inputs).map(([name, { datatype, shape, data }]) => [
      variant.adapter.inputs?.[name] ?? name,
      datatype === 'INT64'
        ? new Tensor('int64', new BigInt64Array(data.buffer, 0, elementCount(shape)), shape)
        : new Tensor('float32', new Float32Array(data.buffer, 0, elementCount(shape)), shape),
    ]),
  );
  return {
    run: async () => {
      await session.run(feeds);
    },
    release: () => session.release(),
  };
}

async function measureThroughput(
  bench: Bench,
  variant: Variant,
  batch: number,
  lanes: number,
): Promise<EngineThroughput> {
  const queries = Array.from({ length: batch }, () => queryOf(variant));
  const instances = await Promise.all(Array.from({ length: lanes }, () => bench.open(variant)));
  const forMs = 500;
  const startedMs = performance.now();
  let answered = 0;
  await Promise.all(
    instances.map(async (instance) => {
      while (performance.now() - startedMs < forMs) {
        await instance.run(queries);
        answered += batch;
      }
    }),
  );
  const seconds = (performance.now() - startedMs) / 1000;
  for (const instance of instances) await instance.unload();
  return { variant: variant.id, batch, lanes, queriesPerSecond: answered / seconds };
}

/** One query of the variant's signature: floats of 0.5, a sampling rate of 16,000. */
function queryOf(variant: Variant): EngineQuery {
  const inputs = Object.entries(variant.signature.inputs).map(([name, { datatype, shape }]) => {
    const concrete = shape.map((size) => (typeof size === 'number' ? size : 1));
    const count = elementCount(concrete);
    const elements =
      datatype === 'INT64' ? BigInt64Array.of(16_000n) : new Float32Array(count).fill(0.5);
    return [name, tensorOf(datatype, concrete, elements)] as const;
  });
  return { inputs: Object.fromEntries(inputs), batch: 1, outputs: undefined };
}
