/** The registrar's configuration: how much may come in, and how long a registration may take. */

import { z } from 'zod';

const count = z.int().min(1);
const milliseconds = z.number().positive();
const MiB = 1024 ** 2;

export const registrarConfigSchema = z.strictObject({
  /** Registrations at once; models of different ones take turns in the lab. */
  registrationsMax: count.default(16),
  /** Time for measuring the variant that is to serve soon. */
  quickProfileMs: milliseconds.default(1_500),
  /** When so much time has gone by, the rest of a family is measured as quickly. */
  familyMs: milliseconds.default(150_000),
  /** How long the store may take for one record. */
  storeMs: milliseconds.default(10_000),
  /** A stale profile is not measured anew sooner than this after the last time, … */
  reprofilePauseMs: milliseconds.default(600_000),
  /** … and, where it is stale again soon, after twice as long each time, up to this. */
  reprofilePauseMaxMs: milliseconds.default(24 * 3_600_000),
  /** Models of variants that were replaced or removed stay on disk for so long. */
  collectAfterMs: milliseconds.default(60_000),
  /** Models are measured on a worker that is used no more than this, else beside the controller. */
  profilingUtilisationMax: z.number().min(0).max(1).default(0.1),
  /** Uploads that no registration has taken yet. */
  uploadsMax: count.default(64),
  /** An upload to which nothing is added for so long is given up. */
  uploadIdleMs: milliseconds.default(600_000),
  uploadFilesMax: count.default(256),
  uploadBytesMax: count.default(16 * 1024 * MiB),
  /** Of one message; clients send smaller ones. */
  chunkBytesMax: count.default(8 * MiB),
});

export type RegistrarSettings = z.infer<typeof registrarConfigSchema>;
