/** The model lab's configuration: what an unproven model may take, and how long is measured. */

import { z } from 'zod';

const count = z.int().min(1);
const milliseconds = z.number().positive();

export const labConfigSchema = z.strictObject({
  /** Jobs at once; more wait. Two that measure at once would measure each other. */
  jobsMax: count.default(1),
  /** Jobs that wait; beyond them a job is refused. */
  queueMax: count.default(1_000),
  startTimeoutMs: milliseconds.default(30_000),
  /** A job whose model has done nothing new for so long counts as hung. */
  hangMs: milliseconds.default(60_000),
  /** No job takes longer, whatever it does. */
  jobMs: milliseconds.default(600_000),
  /**
   * Resident memory of a job's process, its own 100 MB included; never over 80 % of what is free.
   */
  memoryBytesMax: count.default(4 * 1024 ** 3),
  memoryPollMs: milliseconds.default(10),
  /** Added to the niceness of a job's process. */
  nice: z.int().min(0).max(19).default(0),
  /** Sizes and values tried for what a graph leaves open, before it counts as unrunnable. */
  attemptsMax: count.default(400),
  profileMs: milliseconds.default(10_000),
  batches: z.array(count).min(1).default([1, 2, 4, 8, 16, 32, 64]),
  samplesMin: count.default(5),
  samplesMax: count.default(2_000),
  /** A median this sure, as a share of it, needs no more runs (`policy/profiling/spread.ts`). */
  spreadMax: z.number().positive().default(0.02),
  turnMs: milliseconds.default(100),
  turnRunsMax: count.default(40),
  /** Share of the time for a profile that further loads may take. */
  loadShare: z.number().min(0).max(1).default(0.1),
  /** Samples made up where there are none, to compare a variant with its source. */
  madeUpSamples: count.default(64),
  evaluationBatchMax: count.default(32),
  validationLinesMax: count.default(1_000_000),
  validationLineBytesMax: count.default(16 * 1024 * 1024),
});

export type LabConfig = z.infer<typeof labConfigSchema>;
/** As written by people: everything may be left out. */
export type LabConfigInput = z.input<typeof labConfigSchema>;
