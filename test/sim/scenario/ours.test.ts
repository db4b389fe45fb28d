/**
 * What the default policy stands for, on one training seed of the experiments: whoever breaks it
 * hears of it here, and not when the experiments are made the next time.
 */

import { expect } from 'chai';

import type { PolicyName } from '../../../actors/policy/policies.ts';
import { readScenario } from '../../../sim/command/read-scenario.ts';
import type { ScenarioReport } from '../../../sim/scenario/report.ts';
import { runScenario } from '../../../sim/scenario/run-scenario.ts';

function played(name: string, policy: PolicyName, set: Record<string, unknown>): ScenarioReport {
  const file = `examples/experiments/${name}.yaml`;
  return runScenario(readScenario(file, { seed: 1, policy, set }));
}

describe('the default policy', function () {
  this.timeout(60_000);

  it('gives up accuracy, not time, under twice the load that it planned for', () => {
    const { violations, accuracyMean } = played('overload', 'ours', { loadFactor: 2 });
    expect(violations).to.be.below(0.01);
    expect(accuracyMean).to.be.above(74);
  });

  it('serves bursts in time, and better than the paper’s policy', () => {
    const ours = played('family-bursty', 'ours', { durationS: 60 });
    const paper = played('family-bursty', 'infaas-paper', { durationS: 60 });
    expect(ours.violations).to.be.below(0.05);
    expect(ours.violations).to.be.below(paper.violations / 2);
    expect(ours.accuracyMean).to.be.above(paper.accuracyMean);
  });

  it('loses nothing to two seconds without a bus, and little time', () => {
    const { violations, unanswered } = played('fault-bus', 'ours', {});
    expect(unanswered).to.equal(0);
    expect(violations).to.be.below(0.15);
  });
});
