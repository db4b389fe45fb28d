/** The system under faults, some seeds of it; `npm run test:sim` plays as many as one likes. */

import { expect } from 'chai';

import { bodyDecoders } from '../../../nodes/wire-schemas.ts';
import type { TraceEntry } from '../../../sim/sim-host.ts';
import { drawPlan } from '../../../sim/faults/plan.ts';
import { type Outcome, playPlan } from '../../../sim/faults/play.ts';
import { shrinkPlan } from '../../../sim/faults/shrink.ts';
import { plantedBugs } from './planted-bugs.ts';

const decoders = bodyDecoders;
const seeds = Array.from({ length: 12 }, (_, at) => at + 1);
/** Most seeds a planted bug may take to show. */
const seedsMax = 1_000;

describe('the system under faults', function () {
  this.timeout(120_000);

  const played: Outcome[] = [];

  for (const seed of seeds) {
    it(`keeps its promises with seed ${seed}`, () => {
      const outcome = playPlan(drawPlan(seed), { decoders });
      played.push(outcome);
      expect(outcome.wrongs, `npm run test:sim -- --seeds 1 --seed ${seed}`).to.deep.equal([]);
    });
  }

  it('is put under enough of them for that to mean something', () => {
    expect(medianOf(played.map(({ queries }) => queries))).to.be.at.least(1_000);
    expect(medianOf(played.map(({ nodes }) => nodes))).to.be.at.least(3);
    expect(medianOf(played.map(({ struck }) => struck))).to.be.at.least(5);
    expect(medianOf(played.map(({ kinds }) => kinds))).to.be.at.least(3);
  });

  it('goes the same way for the same seed, to the last turn, and another for another', () => {
    const traceOf = (seed: number): string[] => {
      const turns: string[] = [];
      const trace = ({ atMs, node, path, message }: TraceEntry): void => {
        const { type } = (message ?? { type: 'start' }) as { readonly type: string };
        turns.push(`${atMs} ${node}${path} ${type}`);
      };
      playPlan(drawPlan(seed), { decoders, trace });
      return turns;
    };
    const first = traceOf(1);
    expect(first).to.have.length.above(1_000);
    expect(traceOf(1)).to.deep.equal(first);
    expect(traceOf(2)).to.not.deep.equal(first);
  });

  for (const { name, specs, foundAs } of plantedBugs) {
    it(`shows up with a bug in it: ${name}`, () => {
      let found: string | undefined;
      for (let seed = 1; found === undefined && seed <= seedsMax; seed += 1) {
        const { wrongs } = playPlan(drawPlan(seed), { decoders, specs });
        found = wrongs.find((wrong) => foundAs.test(wrong));
      }
      expect(found).to.match(foundAs);
    });
  }
});

describe('a failing plan', () => {
  it('is shrunk to what makes it fail', () => {
    const plan = drawPlan(1);
    const [culprit] = plan.faults;
    const query = plan.queries[500];
    const fails = ({ faults, queries }: typeof plan): boolean =>
      faults.includes(culprit!) && queries.includes(query!);
    const small = shrinkPlan(plan, fails, 500);
    expect(small.faults).to.deep.equal([culprit]);
    expect(small.queries).to.deep.equal([query]);
  });

  it('is shrunk no longer than its budget allows', () => {
    let replays = 0;
    shrinkPlan(drawPlan(1), () => (replays += 1) < 0, 7);
    expect(replays).to.equal(7);
  });
});

function medianOf(values: readonly number[]): number {
  return [...values].sort((a, b) => a - b)[values.length >> 1] ?? 0;
}
