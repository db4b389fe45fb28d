/**
 * No batching: one query at a time, at once. The baseline, and right for a model without a batch
 * axis.
 */

import type { BatchPlan } from './plan.ts';

export function singleBatch(): BatchPlan {
  return { do: 'run', count: 1, reason: 'one at a time' };
}
