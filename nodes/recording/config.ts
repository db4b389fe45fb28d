/** Settings of recordings. */

import { z } from 'zod';

export const recordingConfigSchema = z.strictObject({
  /** Where each process writes what its deciding actors take and tell; none: nothing is. */
  folder: z.string().min(1).optional(),
  /** A recording ends when it is this large. */
  bytesMax: z
    .int()
    .min(1)
    .default(1024 * 1024 * 1024),
  /** How often what was recorded is written to its file. */
  writeMs: z.number().positive().default(250),
});

export type RecordingConfig = z.infer<typeof recordingConfigSchema>;
