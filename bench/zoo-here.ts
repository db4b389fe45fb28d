/**
 * The zoo's digit classifiers with profiles measured on this machine. Those that come with the zoo
 * were measured on another, and a system that believes them takes a slower core for a disturbed
 * one.
 */

import {
  copyFileSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { InferenceSession, Tensor } from 'onnxruntime-node';
import { parse, stringify } from 'yaml';

import { root } from './processes.ts';
import { median } from './statistics.ts';

export interface ZooHere {
  /** Manifests, one a variant. */
  readonly files: readonly string[];
  /** Milliseconds of a single query by variant. */
  readonly aloneMs: ReadonlyMap<string, number>;
  remove(): void;
}

interface Manifest {
  readonly variant: string;
  readonly file: string;
  readonly profile: { readonly latencyMs: Readonly<Record<string, number>> };
}

const runs = 5;

export async function measureZooHere(): Promise<ZooHere> {
  const zoo = join(root, 'zoo', 'digit-classification');
  const folder = mkdtempSync(join(tmpdir(), 'infaas-zoo-'));
  const aloneMs = new Map<string, number>();
  const files: string[] = [];
  for (const name of readdirSync(zoo).filter((file) => file.endsWith('.yaml'))) {
    const manifest = parse(readFileSync(join(zoo, name), 'utf8')) as Manifest;
    const model = join(zoo, manifest.file);
    const latencyMs = await measure(model, Object.keys(manifest.profile.latencyMs).map(Number));
    aloneMs.set(manifest.variant, latencyMs['1'] ?? 0);
    const file = join(folder, name);
    const profile = { ...manifest.profile, latencyMs, measuredOn: 'this machine' };
    copyFileSync(model, join(folder, manifest.file));
    writeFileSync(file, stringify({ ...manifest, profile }));
    files.push(file);
  }
  return {
    ...{ files, aloneMs },
    remove: () => {
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

async function measure(model: string, batches: readonly number[]): Promise<Record<string, number>> {
  const session = await InferenceSession.create(model, { intraOpNumThreads: 1 });
  const latencyMs: Record<string, number> = {};
  for (const batch of batches) {
    const image = new Tensor('float32', new Float32Array(batch * 784), [batch, 1, 28, 28]);
    await session.run({ image });
    const times: number[] = [];
    for (let run = 0; run < runs; run += 1) {
      const startMs = performance.now();
      await session.run({ image });
      times.push(performance.now() - startMs);
    }
    latencyMs[String(batch)] = median(times);
  }
  await session.release();
  return latencyMs;
}
