/** Reads model manifests (INTERFACE.md, YAML or JSON) into variants; nothing half-read gets out. */

import { createHash } from 'node:crypto';
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { dirname, join, resolve, sep } from 'node:path';

import { parse as parseYaml } from 'yaml';
import { z } from 'zod';

import type { Variant } from '../actors/domain/variant.ts';
import { ManifestInvalid, messageOf } from '../runtime/errors.ts';
import { packageRoot } from './package-root.ts';
import { adapterSchema, signatureSchema } from './wire-schemas.ts';

const latencyByBatch = z
  .record(z.string().regex(/^\d+$/), z.number().positive())
  .transform((byBatch) =>
    Object.entries(byBatch)
      .map(([batch, ms]) => ({ batch: Number(batch), ms }))
      .sort((a, b) => a.batch - b.batch),
  );

const manifestSchema = z.strictObject({
  task: z.string(),
  dataset: z.string(),
  architecture: z.string(),
  variant: z.string().optional(),
  file: z.string(),
  precision: z.string().default('fp32'),
  accuracy: z.number().min(0).max(100),
  accuracyKind: z.enum(['top1', 'agreement', 'stated']).default('stated'),
  accuracyReference: z.string().optional(),
  signature: signatureSchema,
  adapter: adapterSchema.prefault({}),
  batchMax: z.int().min(1).max(4_096).default(64),
  profile: z.strictObject({
    loadMs: z.number().positive(),
    memoryBytes: z.number().positive(),
    latencyMs: latencyByBatch,
    measuredOn: z.string().default('not stated'),
  }),
});

/** Throws ManifestInvalid naming the file and the field. */
export function loadManifest(path: string): Variant {
  const manifest = parseManifest(path);
  const file = modelFile(path, manifest.file);
  const { profile, adapter, ...stated } = manifest;
  return {
    id: stated.variant ?? `${stated.architecture}-${stated.precision}`,
    architecture: stated.architecture,
    task: stated.task,
    dataset: stated.dataset,
    precision: stated.precision,
    file,
    accuracy: stated.accuracy,
    accuracyKind: stated.accuracyKind,
    accuracyReference: stated.accuracyReference,
    signature: stated.signature,
    adapter,
    batchMax: stated.batchMax,
    hardware: 'cpu',
    profile: {
      loadMs: profile.loadMs,
      memoryBytes: profile.memoryBytes,
      latency: profile.latencyMs,
      measuredOn: profile.measuredOn,
    },
  };
}

function parseManifest(path: string): z.infer<typeof manifestSchema> {
  let written: unknown;
  try {
    written = parseYaml(readFileSync(path, 'utf8'), { maxAliasCount: 100 });
  } catch (error) {
    throw new ManifestInvalid(`cannot read manifest ${path}: ${messageOf(error)}`, path, error);
  }
  const parsed = manifestSchema.safeParse(written);
  if (parsed.success) return parsed.data;
  throw new ManifestInvalid(`manifest ${path}: ${z.prettifyError(parsed.error)}`, path);
}

/** The model lies beside its manifest or below: a manifest cannot reach for other files. */
function modelFile(manifestPath: string, name: string): Variant['file'] {
  const folder = resolve(dirname(manifestPath));
  const path = resolve(folder, name);
  if (!path.startsWith(folder + sep)) {
    throw new ManifestInvalid(
      `manifest ${manifestPath}: file "${name}" lies outside its folder`,
      path,
    );
  }
  try {
    const bytes = statSync(path).size;
    const sha256 = createHash('sha256').update(readFileSync(path)).digest('hex');
    return { path, sha256, bytes };
  } catch (error) {
    throw new ManifestInvalid(
      `manifest ${manifestPath}: cannot read model ${path}: ${messageOf(error)}`,
      path,
      error,
    );
  }
}

/** The manifests of the bundled models. */
export function zooManifests(): string[] {
  const zoo = join(packageRoot(), 'zoo');
  return readdirSync(zoo, { withFileTypes: true })
    .filter((entry) => entry.isDirectory())
    .flatMap((entry) =>
      readdirSync(join(zoo, entry.name))
        .filter((name) => name.endsWith('.yaml'))
        .map((name) => join(zoo, entry.name, name)),
    )
    .sort();
}
