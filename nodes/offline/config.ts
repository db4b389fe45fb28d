/** The configuration of offline jobs: where their files may lie, and a limit on everything. */

import { z } from 'zod';

import { defaultSpareRules } from '../../actors/policy/offline/spare-capacity.ts';

const count = z.int().min(1);
const milliseconds = z.number().positive();

export const offlineConfigSchema = z.strictObject({
  /**
   * Folders of the controller's machine that jobs may read and write in. Without any, only whoever
   * needs no token (this machine's users, NATS) may submit jobs, and names what they like.
   */
  folders: z.array(z.string().min(1)).default([]),
  mailboxMax: count.default(10_000),
  openMax: count.default(100),
  keptMax: count.default(1_000),
  runningMax: count.default(4),
  /** Items of a job that are in memory. */
  itemsMax: count.default(512),
  itemsPerJobMax: count.default(10_000_000),
  /** A line of JSON: parsing it blocks. */
  lineBytesMax: count.default(1024 * 1024),
  /** A file of a folder of inputs. */
  fileBytesMax: count.default(32 * 1024 * 1024),
  /** Elements of an item's outputs, which are written as JSON. */
  outputElementsMax: count.default(65_536),
  tickMs: milliseconds.default(100),
  itemTimeoutMs: milliseconds.default(600_000),
  attemptsMax: count.default(5),
  retryMs: milliseconds.default(500),
  retryMaxMs: milliseconds.default(30_000),
  spare: z
    .strictObject({
      utilisationMax: z.number().min(0).max(1).default(defaultSpareRules.utilisationMax),
      sliceMs: milliseconds.default(defaultSpareRules.sliceMs),
      savedMs: milliseconds.default(defaultSpareRules.savedMs),
      inFlightMax: count.default(defaultSpareRules.inFlightMax),
    })
    .prefault({}),
});

export type OfflineSettings = z.infer<typeof offlineConfigSchema>;
