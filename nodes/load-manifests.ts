/** Reads model manifests (INTERFACE.md, YAML or JSON) into variants; nothing half-read gets out. */

import { createHash } from 'node:crypto';
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { dirname, join, resolve, sep } from 'node:path';

import { parse as parseYaml } from 'yaml';

import type { ModelManifest } from '../actors/domain/manifest.ts';
import type { Variant } from '../actors/domain/variant.ts';
import { ManifestInvalid, messageOf } from '../runtime/errors.ts';
import { parseManifest } from './manifest-schema.ts';
import { packageRoot } from './package-root.ts';

/**
 * A manifest that says everything, as one variant: it is served as it is, unmeasured and alone.
 * Throws ManifestInvalid naming the file and the field.
 */
export function loadManifest(path: string): Variant {
  const manifest = readManifest(path);
  const { profile, signature, accuracy, architecture, precision = 'fp32' } = manifest;
  const missing = Object.entries({ accuracy, signature, profile }).find(
    ([, value]) => value === undefined,
  );
  if (profile === undefined || signature === undefined || accuracy === undefined) {
    const message =
      `manifest ${path}: ${missing?.[0] ?? ''} is missing; \`infaas register\` measures what a ` +
      'manifest does not say';
    throw new ManifestInvalid(message, path);
  }
  return {
    id: manifest.variant ?? `${architecture}-${precision}`,
    architecture,
    task: manifest.task,
    dataset: manifest.dataset,
    precision,
    file: modelFile(path, manifest.file),
    accuracy,
    accuracyKind: manifest.accuracyKind ?? 'stated',
    accuracyReference: manifest.accuracyReference,
    signature,
    adapter: manifest.adapter ?? {},
    batchMax: manifest.batchMax ?? 64,
    hardware: 'cpu',
    profile,
  };
}

/** A manifest as it is written. Throws ManifestInvalid naming the file and the field. */
export function readManifest(path: string): ModelManifest {
  let written: unknown;
  try {
    written = parseYaml(readFileSync(path, 'utf8'), { maxAliasCount: 100 });
  } catch (error) {
    throw new ManifestInvalid(`cannot read manifest ${path}: ${messageOf(error)}`, path, error);
  }
  const parsed = parseManifest(written);
  if (parsed.ok) return parsed.manifest;
  throw new ManifestInvalid(`manifest ${path}: ${parsed.problem}`, path);
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
