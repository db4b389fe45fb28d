/** The baseline: no batching at all. */

import { expect } from 'chai';

import { batchPolicies, type BatchPolicy } from '../../../../actors/policy/batching/index.ts';

describe('single batching', () => {
  const { single, adaptive }: Record<string, BatchPolicy> = batchPolicies;
  const view = {
    nowMs: 0,
    queue: [1, 2, 3].map((dueMs) => ({ dueMs: dueMs * 1_000, size: 1 })),
    latencyMs: Float64Array.of(0, 20, 21, 22),
    arrivalsPerMs: 0,
  };

  it('runs one query at once where adaptive batching runs them together', () => {
    expect(single(view)).to.include({ do: 'run', count: 1 });
    expect(adaptive(view)).to.include({ do: 'run', count: 3 });
  });
});
