/**
 * A controller with 10,000 variants in its store: how soon it is up, what it takes, and how soon it
 * lists one architecture. The store is written through its own adapter; then a real process of ours
 * starts over it, and is asked over HTTP as a client would.
 */

import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import type { LatencyPoint } from '../actors/domain/profile.ts';
import type { Variant } from '../actors/domain/variant.ts';
import { startNatsServer } from '../nodes/adapters/nats-server.ts';
import { storeConfigSchema } from '../nodes/stores/config.ts';
import { openMetadataStore } from '../nodes/stores/open-metadata-store.ts';
import { silentLogger } from '../runtime/log.ts';
import { root, startNode } from './processes.ts';
import { median, percentile } from './statistics.ts';

export interface RegistryFigures {
  /** From the start of the process to its line that it serves; the median of the rounds. */
  readonly startMs: number;
  /** Processor time of that, user and system, the median: what a busy machine does not distort. */
  readonly startCpuMs: number;
  /** Opening the store and reading every record, in this process. */
  readonly readMs: number;
  /** Resident memory once everything was listed; the most of the rounds. */
  readonly rssBytes: number;
  readonly listP50Ms: number;
  readonly listP99Ms: number;
}

const variantsPerArchitecture = 8;
const lists = 200;

export async function measureRegistry(count: number, rounds: number): Promise<RegistryFigures> {
  const dataDir = mkdtempSync(join(tmpdir(), 'infaas-bench-registry-'));
  const nats = await startNatsServer({ log: silentLogger });
  try {
    await writeVariants(dataDir, count);
    const readMs = await timeReading(dataDir, count);
    const starts: number[] = [];
    const startsCpu: number[] = [];
    const listMs: number[] = [];
    let rssBytes = 0;
    for (let round = 0; round < rounds; round += 1) {
      const beganMs = performance.now();
      const controller = await startNode([
        ...[join(root, 'bin', 'infaas.js'), 'controller', '--nats', nats.url, '--port', '0'],
        ...['--data', dataDir, '--json'],
      ]);
      starts.push(performance.now() - beganMs);
      startsCpu.push(cpuMs(controller.pid));
      try {
        const url = String(controller.ready['httpUrl']);
        await checkAll(url, count);
        for (let at = 0; at < lists; at += 1) {
          listMs.push(await timeListing(url, architectureOf(at * 37, count)));
        }
        rssBytes = Math.max(rssBytes, residentBytes(controller.pid));
      } finally {
        await controller.stop();
      }
    }
    const sorted = listMs.sort((a, b) => a - b);
    return {
      ...{ startMs: median(starts), startCpuMs: median(startsCpu), readMs, rssBytes },
      ...{ listP50Ms: percentile(sorted, 0.5), listP99Ms: percentile(sorted, 0.99) },
    };
  } finally {
    await nats.stop();
    rmSync(dataDir, { recursive: true, force: true });
  }
}

function openStore(dataDir: string) {
  return openMetadataStore({
    ...{ dataDir, config: storeConfigSchema.parse({}), connection: undefined, log: silentLogger },
  });
}

async function writeVariants(dataDir: string, count: number): Promise<void> {
  const store = await openStore(dataDir);
  await Promise.all(
    Array.from({ length: count }, (_, at) => {
      const variant = drawVariant(at, count);
      return store.put(`variant/${variant.id}`, variant, 'absent');
    }),
  );
  await store.close();
}

async function timeReading(dataDir: string, count: number): Promise<number> {
  const beganMs = performance.now();
  const store = await openStore(dataDir);
  const records = await store.list('variant/');
  const tookMs = performance.now() - beganMs;
  await store.close();
  if (records.length !== count) throw new Error(`the store holds ${String(records.length)}`);
  return tookMs;
}

interface Listed {
  /** Absent in a refusal. */
  readonly variants?: readonly unknown[];
}

/** The registry reaches the gateway a moment after it listens. */
async function checkAll(url: string, count: number): Promise<void> {
  const giveUpAt = performance.now() + 20_000;
  for (;;) {
    const { variants } = (await (await fetch(`${url}/v1/variants`)).json()) as Listed;
    if (variants?.length === count) return;
    if (performance.now() > giveUpAt) throw new Error(`it lists ${String(variants?.length)}`);
  }
}

async function timeListing(url: string, architecture: string): Promise<number> {
  const beganMs = performance.now();
  const response = await fetch(`${url}/v1/variants?architecture=${architecture}`);
  const { variants } = (await response.json()) as Listed;
  const tookMs = performance.now() - beganMs;
  if (variants?.length !== variantsPerArchitecture) throw new Error(`no variants ${architecture}`);
  return tookMs;
}

function residentBytes(pid: number): number {
  const status = readFileSync(`/proc/${String(pid)}/status`, 'utf8');
  return Number(/^VmRSS:\s+(\d+) kB/m.exec(status)?.[1] ?? 0) * 1024;
}

/** Linux counts it in ticks of 10 ms. */
function cpuMs(pid: number): number {
  const stat = readFileSync(`/proc/${String(pid)}/stat`, 'utf8');
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return (Number(fields[11]) + Number(fields[12])) * 10;
}

function architectureOf(at: number, count: number): string {
  return `architecture-${String(Math.floor((at % count) / variantsPerArchitecture))}`;
}

/** As large as what the profiler writes: seven points with their spread, a fit, a provenance. */
function drawVariant(at: number, count: number): Variant {
  const ms = 1 + (at % 97) / 10;
  const latency: LatencyPoint[] = [1, 2, 4, 8, 16, 32, 64].map((batch) => ({
    ...{ batch, ms: ms * batch, p95Ms: ms * batch * 1.1, p99Ms: ms * batch * 1.3 },
    ...{ samples: 100, spread: 0.01 },
  }));
  const precision = ['fp32', 'fp16', 'int8', 'int8-static'][at % 4] ?? 'fp32';
  return {
    id: `variant-${String(at)}`,
    architecture: architectureOf(at, count),
    task: `task-${String(Math.floor(at / 1_000))}`,
    dataset: 'dataset',
    precision,
    file: {
      ...{ path: `/models/variant-${String(at)}.onnx`, bytes: 10_000_000 + at },
      sha256: at.toString(16).padStart(64, '0'),
    },
    ...{ accuracy: 60 + (at % 40), accuracyKind: 'top1' },
    signature: {
      inputs: { image: { datatype: 'FP32', shape: ['batch', 3, 224, 224] } },
      outputs: { logits: { datatype: 'FP32', shape: ['batch', 1_000] } },
    },
    adapter: {},
    ...{ batchMax: 64, hardware: 'cpu' },
    profile: {
      ...{ loadMs: 200, memoryBytes: 100_000_000, latency, measuredOn: 'drawn' },
      fit: { kind: 'line', interceptMs: 0.1, slopeMs: ms },
      ...{ loadColdMs: 400, fileBytes: 10_000_000 + at, threads: 1 },
      provenance: {
        ...{ cpu: 'a processor of some length in its name', cores: 8, runtime: '1.30.0' },
        ...{ date: '2026-01-01', samples: 700, spread: 0.01 },
      },
    },
  };
}
