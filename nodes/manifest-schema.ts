/**
 * The schema of a model's manifest (INTERFACE.md), strict: what it does not know it names, with the
 * field that was probably meant. One schema for files, for requests and between nodes: a manifest
 * that was read once reads the same again.
 */

import { z } from 'zod';

import type { Metric, ModelManifest } from '../actors/domain/manifest.ts';
import { accuracyKinds } from '../actors/domain/variant.ts';
import { datatypes } from '../runtime/wire/tensors.ts';
import { nearestName } from '../actors/domain/nearest-name.ts';
import { optimisationLevels, precisions } from './generator/candidate.ts';
import { profileSchema } from './profile-schema.ts';

const batchMaxMost = 4_096;
const dimensionsMax = 16;
const tensorsMax = 256;

const latencyByBatch = z
  .record(z.string().regex(/^[1-9]\d*$/, 'a batch is a whole number'), z.number().positive())
  .transform((byBatch) =>
    Object.entries(byBatch)
      .map(([batch, ms]) => ({ batch: Number(batch), ms }))
      .sort((a, b) => a.batch - b.batch),
  );

/** As people write it. */
const writtenProfile = z
  .strictObject({
    loadMs: z.number().positive(),
    memoryBytes: z.number().positive(),
    latencyMs: latencyByBatch,
    measuredOn: z.string().default('not stated'),
  })
  .transform(({ latencyMs, ...rest }) => ({ ...rest, latency: latencyMs }));

const tensorSpec = z.strictObject({
  datatype: z.enum(datatypes),
  shape: z.array(z.union([z.int().min(0), z.string().min(1).max(64)])).max(dimensionsMax),
  shared: z.boolean().optional(),
  state: z.string().optional(),
});

const namedSpecs = z
  .record(z.string(), tensorSpec)
  .refine((specs) => Object.keys(specs).length <= tensorsMax, `at most ${tensorsMax} tensors`);

const signature = z.strictObject({ inputs: namedSpecs, outputs: namedSpecs });

const names = z.record(z.string(), z.string());

const adapter = z.strictObject({
  inputs: names.optional(),
  outputs: names.optional(),
  tail: z.record(z.string(), z.int().positive()).optional(),
  drop: z.array(z.string()).optional(),
});

const metric = z.discriminatedUnion('kind', [
  z.strictObject({ kind: z.enum(['top1', 'top5']) }),
  z.strictObject({ kind: z.literal('threshold'), threshold: z.number() }),
  z.strictObject({ kind: z.literal('within'), tolerance: z.number().positive() }),
]);

const validation = z
  .strictObject({
    file: z.string(),
    metric: z.union([z.enum(['top1', 'top5', 'threshold', 'within']), metric]).optional(),
    /** Of the metric that needs it, where that is a word. */
    threshold: z.number().optional(),
    tolerance: z.number().positive().optional(),
    output: z.string().optional(),
    stream: z.boolean().optional(),
  })
  .transform(({ metric: said, threshold, tolerance, ...rest }) => ({
    ...rest,
    metric: typeof said === 'string' ? metricNamed(said, threshold, tolerance) : said,
  }));

export function metricNamed(word: Metric['kind'], threshold = 0.5, tolerance = 0.01): Metric {
  if (word === 'threshold') return { kind: word, threshold };
  return word === 'within' ? { kind: word, tolerance } : { kind: word };
}

/** Kinds of precision, and the single forms that the generator makes. */
const precisionWords = ['int8', 'int4', ...precisions] as const;

const generate = z.strictObject({
  precisions: z.array(z.enum(precisionWords)).optional(),
  optimizations: z.array(z.enum(optimisationLevels)).optional(),
  threads: z.array(z.int().positive()).optional(),
});

const manifestSchema = z.strictObject({
  task: z.string(),
  dataset: z.string(),
  architecture: z.string(),
  variant: z.string().optional(),
  file: z.string(),
  precision: z.string().optional(),
  accuracy: z.number().min(0).max(100).optional(),
  accuracyKind: z.enum(accuracyKinds).optional(),
  accuracyReference: z.string().optional(),
  validation: validation.optional(),
  signature: signature.optional(),
  adapter: adapter.optional(),
  batchMax: z.int().min(1).max(batchMaxMost).optional(),
  profile: z.union([writtenProfile, profileSchema]).optional(),
  generate: generate.optional(),
});

export type ManifestParsed =
  | { readonly ok: true; readonly manifest: ModelManifest }
  | { readonly ok: false; readonly field: string; readonly problem: string };

/** `problem` names the field. */
export function parseManifest(written: unknown): ManifestParsed {
  const parsed = manifestSchema.safeParse(withoutNulls(written));
  if (parsed.success) return { ok: true, manifest: parsed.data };
  const [issue] = parsed.error.issues;
  const field = issue?.path.join('.') ?? '';
  if (issue?.code === 'unrecognized_keys') {
    const [key = ''] = issue.keys;
    return { ok: false, field: key, problem: unknownField([...issue.path, key]) };
  }
  const problem = z.prettifyError(parsed.error).replace(/\s+/g, ' ').replaceAll('✖ ', '').trim();
  return { ok: false, field, problem };
}

/** Keys by where they stand, for whoever misspells one. */
const knownFields = [
  ...Object.keys(manifestSchema.shape),
  ...['file', 'metric', 'threshold', 'tolerance', 'output', 'stream'].map(
    (key) => `validation.${key}`,
  ),
  ...['inputs', 'outputs'].map((key) => `signature.${key}`),
  ...['datatype', 'shape', 'shared', 'state'].map((key) => `signature.inputs.NAME.${key}`),
  ...Object.keys(adapter.shape).map((key) => `adapter.${key}`),
  ...['loadMs', 'memoryBytes', 'latencyMs', 'measuredOn'].map((key) => `profile.${key}`),
  ...Object.keys(generate.shape).map((key) => `generate.${key}`),
];

function unknownField(path: readonly PropertyKey[]): string {
  const key = String(path.at(-1)).slice(0, 64);
  const where = path.slice(0, -1).join('.');
  const [section] = path;
  const siblings = knownFields.filter((known) =>
    path.length === 1 ? !known.includes('.') : known.startsWith(`${String(section)}.`),
  );
  const nearest = nearestName(key, siblings) ?? nearestName(key, knownFields);
  const meant =
    nearest === undefined ? `known: ${siblings.join(', ')}` : `did you mean "${nearest}"?`;
  return `unknown field "${key}"${where === '' ? '' : ` in ${where}`}; ${meant}`;
}

/** msgpack has no undefined, and YAML writes `field:` for null: either means that it is absent. */
function withoutNulls(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(withoutNulls);
  if (typeof value !== 'object' || value === null || value instanceof Uint8Array) return value;
  const entries = Object.entries(value).filter(([, one]) => one !== null && one !== undefined);
  return Object.fromEntries(entries.map(([key, one]) => [key, withoutNulls(one)]));
}
