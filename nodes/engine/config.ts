/** The engine's configuration: every limit and bound of engine hosts, with defaults. */

import { z } from 'zod';

const milliseconds = z.number().positive();

export const engineConfigSchema = z.strictObject({
  /** Threads that run batches; by default one for each core of the worker. */
  lanes: z.int().min(1).max(256).optional(),
  /** A load beyond this counts as hung and costs the host. Reading and hashing included. */
  loadHangMs: milliseconds.default(60_000),
  /** A host whose lanes are not all ready after this is killed. */
  startTimeoutMs: milliseconds.default(30_000),
  /** How long a shutdown waits for batches to finish before it kills. */
  shutdownMs: milliseconds.default(2_000),
  /** Added to the hosts' niceness, so that beats and gateways come first. */
  nice: z.int().min(0).max(19).default(5),
  /** Good batches after which a suspect variant is loaded beside others again. */
  quarantineBatches: z.int().min(1).default(200),
  /** Quarantine hosts at once; more suspects share the last one. */
  quarantineHostsMax: z.int().min(1).default(4),
  /** Largest batch, inputs or outputs, header included. */
  frameBytesMax: z
    .int()
    .min(4096)
    .max(2 ** 31)
    .default(256 * 1024 * 1024),
  /** Most time to spend on measuring a variant after its load. */
  measureMs: milliseconds.default(50),
  optimisation: z.enum(['disabled', 'basic', 'extended', 'all']).default('all'),
  cpuArena: z.boolean().default(true),
  memoryPattern: z.boolean().default(true),
});

export type EngineConfig = z.infer<typeof engineConfigSchema>;
/** As written by people: everything may be left out. */
export type EngineConfigInput = z.input<typeof engineConfigSchema>;
