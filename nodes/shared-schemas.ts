/**
 * Shapes that messages on the wire and records in stores are made of: variants and families, jobs,
 * addresses and errors.
 */

import { z } from 'zod';

import { outcomeCodes } from '../actors/domain/outcome.ts';
import { accuracyKinds } from '../actors/domain/variant.ts';
import { datatypes } from '../runtime/wire/tensors.ts';
import { profileSchema } from './profile-schema.ts';

export const ref = z.object({ node: z.string(), epoch: z.number(), path: z.string() });
export const bytes = z.instanceof(Uint8Array);
export const datatype = z.enum(datatypes);
export const optionalText = z.string().nullish().transform(absent);
export const names = z.array(z.string()).nullish().transform(absent);

/** msgpack has no undefined: what was absent arrives as nil. */
export function absent<T>(value: T | null | undefined): T | undefined {
  return value ?? undefined;
}

const tensorSpec = z.object({
  datatype,
  shape: z.array(z.union([z.number(), z.string()])),
  shared: z.boolean().nullish().transform(absent),
  state: optionalText,
});

export const signatureSchema = z.object({
  inputs: z.record(z.string(), tensorSpec),
  outputs: z.record(z.string(), tensorSpec),
});

const textMap = z.record(z.string(), z.string()).nullish().transform(absent);

export const adapterSchema = z.object({
  inputs: textMap,
  outputs: textMap,
  tail: z.record(z.string(), z.int().positive()).nullish().transform(absent),
  drop: names,
});

export const hardwareKind = z.enum(['cpu', 'cuda', 'webgpu', 'inferentia']);

export const hardware = z.array(
  z.object({
    kind: hardwareKind,
    units: z.number(),
    memoryBytes: z.number(),
    costUsdPerUnitHour: z.number(),
    machine: optionalText,
  }),
);

export const modelFileSchema = z.object({
  path: z.string(),
  sha256: z.string(),
  bytes: z.number(),
  beside: z
    .array(z.object({ name: z.string(), sha256: z.string(), bytes: z.number() }))
    .nullish()
    .transform(absent),
});

export const recipeSchema = z.object({
  dims: z.record(z.string(), z.number()),
  scalars: z.record(z.string(), z.number()),
  integers: z.enum(['bits', 'ones', 'sizes']),
});

export const variantSchema = z.object({
  id: z.string(),
  architecture: z.string(),
  task: z.string(),
  dataset: z.string(),
  precision: z.string(),
  file: modelFileSchema,
  accuracy: z.number(),
  accuracyKind: z.enum(accuracyKinds),
  accuracyReference: optionalText,
  signature: signatureSchema,
  adapter: adapterSchema,
  batchMax: z.int().positive(),
  hardware: hardwareKind,
  profile: profileSchema,
  version: z.number().nullish().transform(absent),
  machine: optionalText,
  stale: optionalText,
});

export const familySchema = z.object({
  architecture: z.string(),
  version: z.number(),
  sourceDigest: optionalText,
  complete: z.boolean(),
  variants: z.array(variantSchema),
  refused: z.array(z.object({ name: z.string(), reason: z.string() })),
});

export const error = z.object({
  code: z.enum(outcomeCodes),
  message: z.string(),
  retryable: z.boolean(),
  details: z.record(z.string(), z.unknown()),
});

export const jobAsked = z.object({
  selector: z.discriminatedUnion('by', [
    z.object({ by: z.literal('task'), task: z.string(), dataset: optionalText }),
    z.object({ by: z.literal('architecture'), architecture: z.string() }),
    z.object({ by: z.literal('variant'), variant: z.string() }),
  ]),
  slo: z.object({
    accuracyMin: z.number().nullish().transform(absent),
    costUsdMax: z.number().nullish().transform(absent),
  }),
  outputs: names,
  input: z.string(),
  output: z.string(),
});

/** As the store holds it. */
export const jobRecordSchema = z.object({
  id: z.string(),
  tenant: z.string(),
  asked: jobAsked,
  items: z.number(),
  fingerprint: z.string(),
  state: z.enum(['open', 'done', 'cancelled', 'failed']),
  why: optionalText,
  written: z.number().nullish().transform(absent),
  failed: z.number().nullish().transform(absent),
});
