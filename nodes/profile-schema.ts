/** The schema of a profile, wherever one comes in as bytes: messages of other nodes, stores. */

import { z } from 'zod';

/** msgpack has no undefined: what was absent arrives as nil. */
function optional<T extends z.ZodType>(schema: T) {
  return schema.nullish().transform((value) => value ?? undefined);
}

const milliseconds = z.number().nonnegative();

const latencyPointSchema = z.object({
  batch: z.int().positive(),
  ms: z.number(),
  p95Ms: optional(milliseconds),
  p99Ms: optional(milliseconds),
  samples: optional(z.int().nonnegative()),
  spread: optional(z.number().nonnegative()),
  predicted: optional(z.boolean()),
});

const fitSchema = z.discriminatedUnion('kind', [
  z.object({
    kind: z.literal('line'),
    interceptMs: milliseconds,
    slopeMs: milliseconds,
  }),
  z.object({ kind: z.literal('piecewise'), points: z.array(latencyPointSchema).min(1) }),
]);

export const profileSchema = z.object({
  loadMs: z.number(),
  memoryBytes: z.number(),
  latency: z.array(latencyPointSchema),
  measuredOn: z.string(),
  fit: optional(fitSchema),
  loadColdMs: optional(milliseconds),
  fileBytes: optional(z.number().nonnegative()),
  threads: optional(z.int().positive()),
  provenance: optional(
    z.object({
      host: optional(z.string()),
      worker: optional(z.string()),
      cpu: z.string(),
      cores: z.int().positive(),
      runtime: z.string(),
      date: z.string(),
      samples: z.int().nonnegative(),
      spread: z.number().nonnegative(),
    }),
  ),
});
