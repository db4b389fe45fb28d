/**
 * What every whole policy keeps to in a whole system at a constant load, under virtual time: it
 * comes to rest, starves nobody, keeps within each machine's memory, and goes the same way twice.
 */

import { expect } from 'chai';
import fc from 'fast-check';

import { type PolicyName, policyNames } from '../../../actors/policy/policies.ts';
import type { Second } from '../../../sim/scenario/report.ts';
import { anyConstantLoad, type ConstantLoad, runConstant } from '../../support/constant-load.ts';

/** Seconds in which a system finds its place, and in which it is looked at. */
const settlesS = 200;
const restsS = 200;

/**
 * What may still change in `restsS`. Chance is in the arrivals, so none is required to stand still;
 * the rules of INFaaS know no hysteresis for machines (an Overloaded variant on most workers adds
 * one, a quiet minute removes it), and its instances follow each second's load.
 */
interface Rest {
  readonly machines: number;
  readonly instances: number;
}
const calm: Rest = { machines: 2, instances: 20 };
const fixed: Rest = { machines: 0, instances: 0 };
const rests: Readonly<Record<PolicyName, Rest>> = {
  lean: { machines: 8, instances: 20 },
  ours: calm,
  'infaas-paper': { machines: 8, instances: 100 },
  'infaas-released': { machines: 8, instances: 100 },
  'clipper-plus': fixed,
  'sm-plus': { machines: 4, instances: 4 },
  proteus: { machines: 0, instances: 20 },
  static: fixed,
  'round-robin': fixed,
};

function changesOf(seconds: readonly Second[], of: (second: Second) => number): number {
  let changes = 0;
  for (let at = 1; at < seconds.length; at += 1) {
    changes += Math.abs(of(seconds[at]!) - of(seconds[at - 1]!));
  }
  return changes;
}

/** It gives every variant an equal share: what the slowest carries is all that it can carry. */
function bearable(policy: PolicyName, load: ConstantLoad): ConstantLoad {
  if (policy !== 'round-robin') return load;
  return { ...load, quickQps: load.quickQps / 4, accurateQps: load.accurateQps / 4 };
}

for (const policy of policyNames) {
  describe(`a system at a constant load with ${policy}`, function () {
    this.timeout(120_000);

    it('rests, serves every class, and fits in its machines', () => {
      fc.assert(
        fc.property(anyConstantLoad, (drawn) => {
          const load = bearable(policy, drawn);
          const { report, fullest } = runConstant(policy, load, settlesS + restsS);
          expect(fullest).to.be.at.most(1);
          const seconds = report.seconds.slice(settlesS);
          const { machines, instances } = rests[policy];
          expect(changesOf(seconds, ({ workers }) => workers)).to.be.at.most(machines);
          expect(changesOf(seconds, (second) => second.instances)).to.be.at.most(instances);
          expect(Object.keys(report.tenants)).to.have.length(3);
          for (const { served, queries } of Object.values(report.tenants)) {
            // The first come before any worker did.
            expect(served).to.be.at.least(0.99 * queries - 3);
          }
          expect(report.unanswered).to.equal(0);
        }),
        { numRuns: 3, seed: 4 },
      );
    });

    it('goes the same way twice', () => {
      fc.assert(
        fc.property(anyConstantLoad, (load) => {
          const { report } = runConstant(policy, load, 40);
          expect(runConstant(policy, load, 40).report).to.deep.equal(report);
        }),
        { numRuns: 2, seed: 4 },
      );
    });
  });
}
