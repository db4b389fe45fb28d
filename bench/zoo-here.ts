/**
 * The zoo's digit classifiers under profiles measured on this machine. Those that come with the zoo
 * were measured on another, and a system that believes them takes a slower core for a disturbed
 * one.
 */

import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';

import { predictBatchMs } from '../actors/domain/profile.ts';
import type { Variant } from '../actors/domain/variant.ts';
import type { InfaasClient } from '../client/index.ts';
import { labConfigSchema } from '../nodes/lab/config.ts';
import { createModelLab } from '../nodes/lab/lab.ts';
import { loadManifest, readManifest } from '../nodes/load-manifests.ts';
import { silentLogger } from '../runtime/log.ts';
import { root } from './processes.ts';

function manifestPath(model: string): string {
  return join(root, 'zoo', 'digit-classification', `${model}.yaml`);
}

/** By the real profiler, in a process of its own. */
export async function profileModels(
  models: readonly string[],
  budgetMs: number,
  onModel: (model: string) => void = () => undefined,
): Promise<Variant[]> {
  const lab = createModelLab(labConfigSchema.parse({}), silentLogger);
  const variants: Variant[] = [];
  try {
    for (const model of models) {
      onModel(model);
      const variant = loadManifest(manifestPath(model));
      const { signature, adapter, batchMax, file } = variant;
      const options = { signature, adapter, batchMax, budgetMs };
      const { profile } = await lab.profile(file.path, options);
      variants.push({ ...variant, profile });
    }
  } finally {
    await lab.close();
  }
  return variants;
}

/** Under the zoo's manifest, with the profile that was measured here. */
export async function registerMeasured(
  client: InfaasClient,
  { id, profile }: Variant,
): Promise<void> {
  const path = manifestPath(id);
  const manifest = readManifest(path);
  const points = profile.latency.map(({ batch }) => [batch, predictBatchMs(profile, batch)]);
  const { loadMs, memoryBytes, measuredOn } = profile;
  const measured = {
    loadMs,
    memoryBytes,
    measuredOn,
    latencyMs: Object.fromEntries(points) as object,
  };
  const files = { [manifest.file]: readFileSync(join(dirname(path), manifest.file)) };
  await client.register({ ...manifest, profile: measured }, files, { generate: false });
}
