/** Experiments: which runs they come to, what is read off, when a claim is a conclusion. */

import { existsSync, readFileSync } from 'node:fs';

import { expect } from 'chai';

import { experiments } from '../../bench/experiments/catalogue.ts';
import {
  changedCells,
  commandOf,
  keyOf,
  mainCells,
  seedsOf,
} from '../../bench/experiments/cells.ts';
import { dotChart } from '../../bench/experiments/dot-chart.ts';
import type { Cell, Experiment } from '../../bench/experiments/experiment.ts';
import { jain, recovery, violations } from '../../bench/experiments/metrics.ts';
import { scenarioFile } from '../../bench/experiments/pool.ts';
import { meansOf, rowsOf, summarise } from '../../bench/experiments/summary.ts';
import { claimLine } from '../../bench/experiments/write-report.ts';
import { intervalOf } from '../../bench/statistics.ts';
import { readScenario } from '../../sim/command/read-scenario.ts';
import type { ScenarioReport } from '../../sim/scenario/report.ts';

function reportWith(
  share: number,
  variants: Readonly<Record<string, number>> = {},
): ScenarioReport {
  return { violations: share, variants } as ScenarioReport;
}

const toy: Experiment = {
  ...{ id: 'toy', title: 'Toy', about: 'about', paper: 'nothing', scaled: 'all' },
  hardware: ['cpu'],
  cases: [{ id: 'one', scenario: 'overload', set: { loadFactor: 2 } }],
  contenders: [
    { id: 'ours', policy: 'ours' },
    { id: 'static', policy: 'static', set: () => ({ spread: 0 }) },
  ],
  metrics: [violations],
  claims: [
    {
      ...{ text: 'ours violates less', contenders: ['ours', 'static'], cases: ['one'] },
      holds: (mean) => mean('one', 'ours', 'violations') < mean('one', 'static', 'violations'),
    },
  ],
};

describe('an experiment', () => {
  it('is a run for each case, contender and seed, none of which anything was tuned on', () => {
    const cells = mainCells(toy, seedsOf(3));
    expect(cells).to.have.length(2 * 3);
    for (const { seed } of cells) expect(seed).to.be.above(99);
    expect(cells.find(({ contender }) => contender === 'static')?.set).to.deep.equal({
      ...{ loadFactor: 2, spread: 0 },
    });
  });

  it('is repeated with every constant that matters to it, halved and doubled', () => {
    const names = new Set(changedCells(toy, seedsOf(1)).map(({ changed }) => changed));
    expect(names).to.include.members(['hopMs × 0.5', 'hopMs × 2', 'oneCoreSlowdown × 2']);
    for (const name of names) expect(name).to.not.match(/gpu|neuron|accelerator/);
  });

  it('keeps a result under a name that changes with the scenario and the settings', () => {
    const [cell] = mainCells(toy, seedsOf(1)) as [Cell];
    const key = keyOf(cell, 'text');
    expect(key).to.match(/^toy\/one\/ours\/1001-[0-9a-f]{12}\.json$/);
    expect(keyOf(cell, 'other text')).to.not.equal(key);
    expect(keyOf({ ...cell, set: { loadFactor: 3 } }, 'text')).to.not.equal(key);
    expect(commandOf(cell)).to.equal(
      'infaas simulate examples/experiments/overload.yaml --policy ours --seed 1001 ' +
        "--set 'loadFactor=2'",
    );
  });

  it('claims only what holds, and concludes only what survives every changed constant', () => {
    const main = new Map(
      mainCells(toy, seedsOf(2)).map((cell) => [
        cell,
        reportWith(cell.contender === 'ours' ? 0.01 : 0.02),
      ]),
    );
    const changed = new Map(
      changedCells(toy, seedsOf(1)).map((cell) => [
        cell,
        reportWith(cell.contender === 'ours' && cell.changed === 'hopMs × 2' ? 0.5 : 0.02),
      ]),
    );
    const [claim] = summarise(toy, main, new Map()).claims;
    expect(claim).to.include({ holds: true, triedWith: 0 });
    const [tried] = summarise(toy, main, changed).claims;
    expect(tried?.failsWith).to.include('hopMs × 2');
    expect(tried === undefined ? '' : claimLine(tried)).to.match(/no conclusion/);
    expect(meansOf(rowsOf(toy, main))('one', 'ours', 'violations')).to.be.closeTo(1, 1e-9);
    expect(dotChart(toy, rowsOf(toy, main))).to.match(/^<svg [\s\S]*<circle[\s\S]*<\/svg>\n$/);
  });
});

describe('the experiments of the catalogue', () => {
  for (const experiment of experiments) {
    it(`${experiment.id} have scenarios that can be read for every contender`, () => {
      for (const { scenario, policy, set } of mainCells(experiment, seedsOf(1))) {
        const file = scenarioFile(scenario);
        expect(existsSync(file), file).to.equal(true);
        expect(readFileSync(file, 'utf8')).to.match(/^# Experiment \d/);
        expect(readScenario(file, { policy, set }).variants).to.not.deep.equal([]);
      }
    });
  }
});

describe('the figures of an experiment', () => {
  it('are means with the interval of Student’s t', () => {
    const { mean, half } = intervalOf([1, 2, 3, 4, 5]);
    expect(mean).to.equal(3);
    // t(4) = 2.776, s = 1.5811, √5 = 2.2361.
    expect(half).to.be.closeTo(1.963, 1e-3);
    expect(intervalOf([7])).to.deep.equal({ mean: 7, half: 0, count: 1 });
  });

  it('say how long a fault is felt', () => {
    const seconds = [0, 0, 3, 1, 0, 2, 0].map((each) => ({ violations: each }));
    const report = { seconds } as unknown as ScenarioReport;
    expect(recovery(2).of(report)).to.equal(4);
    expect(recovery(6).of(report)).to.equal(0);
  });

  it('call it fair when all fare alike, and not when one has everything', () => {
    expect(jain([0.4, 0.4, 0.4])).to.be.closeTo(1, 1e-12);
    expect(jain([1, 0, 0])).to.be.closeTo(1 / 3, 1e-12);
    expect(jain([0, 0])).to.equal(1);
  });
});
