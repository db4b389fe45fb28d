/** The generator's configuration: what is made of a model unless its manifest says otherwise. */

import { z } from 'zod';

import { optimisationLevels, precisions } from './candidate.ts';

const share = z.number().min(0);

export const generatorConfigSchema = z.strictObject({
  precisions: z.array(z.enum(precisions)).default([...precisions]),
  /** Each precision is made as it is and at these levels of ONNX Runtime's optimiser. */
  optimisations: z.array(z.enum(optimisationLevels)).default(['all']),
  candidatesMax: z.int().min(1).max(1_000).default(64),
  /** Weights with fewer elements are not quantised. */
  elementsMin: z.int().min(0).default(512),
  calibration: z
    .strictObject({
      method: z.enum(['min-max', 'percentile']).default('min-max'),
      percentile: z.number().min(50).max(100).default(99.99),
      /** Samples beyond these are not run: ranges settle early. */
      samplesMax: z.int().min(1).default(64),
    })
    .prefault({}),
  /** Samples on which a candidate is compared with its source. */
  compareSamplesMax: z.int().min(1).default(16),
  /** Largest relative error (root mean square) of an output against the source, by kind. */
  errorMax: z
    .strictObject({
      fp32: share.default(1e-3),
      fp16: share.default(0.05),
      int8: share.default(0.4),
      int4: share.default(0.8),
    })
    .prefault({}),
});

export type GeneratorConfig = z.infer<typeof generatorConfigSchema>;

export const generatorDefaults: GeneratorConfig = generatorConfigSchema.parse({});
