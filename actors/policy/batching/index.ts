/** The batching policies by the name that configuration uses. */

import { adaptiveBatch } from './adaptive.ts';
import { clipperBatch } from './clipper.ts';
import type { BatchPolicy } from './plan.ts';
import { proteusBatch } from './proteus.ts';
import { singleBatch } from './single.ts';

export type { BatchPlan, BatchPolicy, BatchView, QueuedQuery } from './plan.ts';

export const batchPolicies = {
  adaptive: adaptiveBatch,
  single: singleBatch,
  clipper: clipperBatch,
  proteus: proteusBatch,
} as const satisfies Readonly<Record<string, BatchPolicy>>;

export type BatchPolicyName = keyof typeof batchPolicies;
