/** The scenario that a recorded system becomes. */

import { expect } from 'chai';

import { scenarioOf } from '../../../sim/replay/scenario-of.ts';
import { type Observed, observe, type ObservedWorker } from '../../../sim/replay/observed.ts';
import { cpuOf } from '../../support/worker-stage.ts';

const core = cpuOf(1_000, 1);
const firstQueryMs = 10_000;

function observedWith(
  ...workers: readonly (readonly [firstMs: number, lastMs: number])[]
): Observed {
  const nothing = observe([]);
  const seen = workers.map(([firstMs, lastMs], at): ObservedWorker => ({
    ...{ name: `w${String(at)}`, hardware: core, firstMs, lastMs },
  }));
  const request = {
    ...{ id: 'q', selector: { by: 'architecture' as const, architecture: 'net' }, slo: {} },
    ...{ onMiss: 'best-effort' as const, timeoutMs: 1_000, priority: 0 },
  };
  return {
    ...nothing,
    ...{ beganMs: 5_000, workers: seen, gateways: 1 },
    queries: [{ atMs: firstQueryMs, tenant: 'one', batch: 1, request }],
    dispatcher: { selection: 'cheapest' } as Observed['dispatcher'],
  };
}

describe('the scenario of a recording', () => {
  const countOf = (observed: Observed): number | undefined =>
    scenarioOf(observed, 'here').fleet[0]?.count;

  it('begins with the workers that were there, or about to be', () => {
    const lastMs = 60_000;
    expect(countOf(observedWith([6_000, lastMs]))).to.equal(1);
    expect(countOf(observedWith([6_000, lastMs], [firstQueryMs + 1_500, lastMs]))).to.equal(2);
    expect(countOf(observedWith([6_000, lastMs], [firstQueryMs + 9_000, lastMs]))).to.equal(1);
    expect(countOf(observedWith([6_000, 7_000], [6_000, lastMs]))).to.equal(1);
  });

  it('is refused of a system that nobody asked anything', () => {
    expect(() => scenarioOf(observe([]), 'here')).to.throw('here has no query in it');
  });
});
