/** Scenarios: read strictly, run the same way twice, and come to what can be worked out by hand. */

import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { expect } from 'chai';

import { ConfigInvalid } from '../../../runtime/errors.ts';
import { imageClassifiers } from '../../../sim/profiles/image-classifiers.ts';
import { readScenario } from '../../../sim/command/read-scenario.ts';
import { listScenarios } from '../../../sim/command/simulate.ts';
import { chartOf } from '../../../sim/scenario/chart.ts';
import { runScenario } from '../../../sim/scenario/run-scenario.ts';

const plain = `
name: plain
durationS: 20
fleet: [{ name: cpu, count: 2, units: 2, memory: 4GiB, usdPerHour: 3.6 }]
variants:
  - { id: v, architecture: a, task: t, accuracy: 90, loadMs: 100, memory: 64MiB,
      latencyMs: { 1: 10, 4: 40 } }
load:
  - { shape: { kind: constant, qps: 30 }, task: t, latencyMs: 200 }
`;

describe('a scenario', () => {
  let folder: string;

  before(() => {
    folder = mkdtempSync(join(tmpdir(), 'infaas-scenario-'));
  });

  after(() => {
    rmSync(folder, { recursive: true });
  });

  function written(text: string): string {
    const file = join(folder, 'scenario.yaml');
    writeFileSync(file, text);
    return file;
  }

  it('serves what it should, and costs what its machines cost', () => {
    const report = runScenario(readScenario(written(plain)));
    expect(report.queries).to.be.closeTo(600, 6 * Math.sqrt(600));
    expect(report.served).to.equal(report.queries);
    expect(report.violations).to.be.below(0.02);
    expect(report.accuracyMean).to.be.closeTo(90, 1e-9);
    // Two machines at $3.6 an hour for 20 s.
    expect(report.machineUsd).to.be.closeTo(0.04, 1e-9);
    // 30 queries a second of 10 ms each, on four cores.
    expect(report.utilisation).to.be.closeTo(0.075, 0.02);
    expect(report.latencyMs.p50).to.be.within(10, 20);
    expect(chartOf(report)).to.match(/^<svg [\s\S]*<\/svg>\n$/);
  });

  it('keeps all machines busy where they are slower than profiled and there are too few', () => {
    const slow = `
name: slow
durationS: 40
warmUpS: 5
fleet: [{ name: cpu, count: 1, max: 2, units: 1, memory: 4GiB, usdPerHour: 0.05, startUpS: 2 }]
variants:
  - { id: v, architecture: a, task: t, accuracy: 90, loadMs: 300, memory: 20MiB,
      latencyMs: { 1: 14, 8: 110 } }
load:
  - { shape: { kind: constant, qps: 40 }, task: t, latencyMs: 200 }
noise: [4.6, 5.2]
`;
    for (const policy of ['ours', 'infaas-paper'] as const) {
      const { seconds } = runScenario(readScenario(written(slow), { policy }));
      const last = seconds.slice(-15);
      const busy = last.reduce((sum, { utilisation }) => sum + utilisation, 0) / last.length;
      expect(last.at(-1)?.workers, policy).to.equal(2);
      expect(busy, policy).to.be.greaterThan(0.9);
    }
  });

  it('goes the same way for the same seed, and another for another', () => {
    const file = written(plain);
    const first = runScenario(readScenario(file, { seed: 7 }));
    expect(runScenario(readScenario(file, { seed: 7 }))).to.deep.equal(first);
    expect(runScenario(readScenario(file, { seed: 8 }))).to.not.deep.equal(first);
  });

  it('goes on when a machine is lost, and pays only for what runs', () => {
    const incident = 'incidents: [{ atS: 10, crash: cpu-1 }]';
    const report = runScenario(readScenario(written(`${plain}${incident}\n`)));
    expect(report.served).to.be.above(0.97 * report.queries);
    expect(report.machineUsd).to.be.closeTo(0.03, 1e-9);
    expect(report.seconds[15]?.workers).to.equal(1);
  });

  it('places a variant only where its kind of hardware is', () => {
    const mixed = plain
      .replace('}]', '}, { name: gpu, hardware: cuda, units: 1, memory: 8GiB, usdPerHour: 1 }]')
      .replace('id: v,', 'id: v, hardware: cuda,');
    const report = runScenario(readScenario(written(mixed)));
    expect(report.refusals).to.deep.equal({});
    expect(report.served).to.equal(report.queries);
  });

  it('is played by the policy it names, or by the one asked for', () => {
    const paper = readScenario(written(`${plain}policy: infaas-paper\nbatching: single\n`));
    expect(paper).to.include({ policy: 'infaas-paper', selection: 'infaas-paper' });
    expect(paper.batching).to.equal('single');
    const asked = readScenario(written(`${plain}selection: random\n`), { policy: 'round-robin' });
    expect(asked).to.include({ policy: 'round-robin', selection: 'round-robin' });
    expect(runScenario(asked).policy).to.equal('round-robin');
  });

  it('adds machines for a load that needs them, and gives them back', () => {
    const grows = plain
      .replace('durationS: 20', 'durationS: 400')
      .replace('count: 2, units: 2', 'count: 1, min: 1, max: 4, units: 1, startUpS: 5')
      .replace('kind: constant, qps: 30', 'kind: diurnal, minQps: 2, maxQps: 150, periodS: 400');
    const { seconds, machineUsd, served, queries } = runScenario(readScenario(written(grows)));
    const workers = seconds.map((second) => second.workers);
    expect(Math.max(...workers)).to.be.within(2, 4);
    expect(workers.at(-1)).to.be.below(Math.max(...workers));
    expect(served).to.equal(queries);
    // More than one machine at $3.6 an hour costs, less than four.
    expect(machineUsd).to.be.within(0.41, 1.5);
  });

  const answersAll = { unanswered: 0, violations: 0 };

  it('counts tenants apart, and multiplies every rate by its load factor', () => {
    const second = '  - { shape: { kind: constant, qps: 10 }, task: t, tenant: other }\n';
    const set = { loadFactor: 2 };
    const { tenants, queries } = runScenario(readScenario(written(plain + second), { set }));
    expect(Object.keys(tenants).sort()).to.deep.equal(['default', 'other']);
    expect(tenants['other']?.queries).to.be.closeTo(400, 6 * Math.sqrt(400));
    expect(queries).to.be.closeTo(1_600, 6 * Math.sqrt(1_600));
    expect(tenants['other']).to.include(answersAll);
  });

  it('has a killed process back on its machine, which is paid for throughout', () => {
    const incident = 'incidents: [{ atS: 10, kill: cpu-1 }]\n';
    const report = runScenario(readScenario(written(`${plain}${incident}`)));
    expect(report).to.include({ unanswered: 0, served: report.queries });
    expect(report.machineUsd).to.be.closeTo(0.04, 1e-9);
    expect(report.seconds[15]?.workers).to.equal(2);
  });

  it('goes over the bus when told to, and loses no query when that is cut', () => {
    const quick = plain.replace('qps: 30', 'qps: 10');
    const incident = 'network: bus\nincidents: [{ atS: 10, cut: bus, forS: 2 }]\n';
    const report = runScenario(readScenario(written(`${quick}${incident}`)));
    expect(report.unanswered).to.equal(0);
    const hurt = report.seconds.flatMap(({ violations }, at) => (violations > 0 ? [at] : []));
    expect(hurt).to.not.deep.equal([]);
    expect(Math.min(...hurt)).to.be.at.least(9);
    expect(report.seconds[18]).to.include({ violations: 0 });
  });

  it('lets a policy have keys of its own', () => {
    const own = 'forPolicy: { static: { preload: { v: 2 } } }\n';
    expect(readScenario(written(plain + own), { policy: 'static' }).preload).to.deep.equal({
      v: 2,
    });
    expect(readScenario(written(plain + own), { policy: 'ours' }).preload).to.deep.equal({});
    const wrong = plain + own.replace('preload', 'preloud');
    expect(() => readScenario(written(wrong), { policy: 'static' })).to.throw(/preloud/);
  });

  it('multiplies what is modelled', () => {
    const built = `${plain}profiles: [inception_v3]\n`;
    const timeOf = (set: Readonly<Record<string, unknown>>): number => {
      const { variants } = readScenario(written(built), { set });
      return (
        variants.find(({ id }) => id === 'inception_v3-fp32-cpu-b1')?.profile.latency[0]?.ms ?? 0
      );
    };
    expect(timeOf({ modelled: { oneCoreSlowdown: 2 } })).to.be.closeTo(2 * timeOf({}), 1e-9);
    const modelled = { startUp: 0.5, hopMs: 3 };
    const scenario = readScenario(written(built), { set: { modelled } });
    expect(scenario.fleet[0]?.startUpS).to.equal(12.5);
    expect(scenario.hopMs).to.be.closeTo(0.6, 1e-9);
  });

  it('runs with the widest spread, and with built-in variants that fit nowhere', () => {
    const set = { profiles: ['vgg16'], spread: 1, modelled: { spread: 2 } };
    const small = plain.replace('4GiB', '256MiB').replace('durationS: 20', 'durationS: 3');
    const scenario = readScenario(written(small), { set });
    expect(scenario.spread).to.equal(1);
    expect(runScenario(scenario).unanswered).to.equal(0);
  });

  it('gives offline work the room that the load leaves', () => {
    const quiet = plain.replace('qps: 30', 'qps: 5');
    const set = { offline: { task: 't' } };
    const alone = runScenario(readScenario(written(quiet)));
    const beside = runScenario(readScenario(written(quiet), { set }));
    expect(alone.offlineQps).to.equal(0);
    expect(beside.offlineQps).to.be.above(20);
    expect(beside.queries).to.equal(alone.queries);
    expect(beside.violations).to.be.below(0.02);
  });

  it('keeps its last machine, whatever is asked: without one nobody would see what is', () => {
    const late = plain
      .replace('durationS: 20', 'durationS: 150')
      .replace('kind: constant, qps: 30', 'kind: step, fromQps: 0.02, toQps: 30, atS: 130')
      .replace('count: 2', 'count: 2, min: 0');
    for (const policy of ['ours', 'infaas-paper'] as const) {
      const { refusals, seconds } = runScenario(readScenario(written(late), { policy }));
      expect(refusals, policy).to.deep.equal({});
      expect(seconds.at(-25)?.workers, policy).to.equal(1);
    }
  });

  const mistakes: readonly (readonly [string, string, RegExp])[] = [
    ['an unknown key', plain.replace('durationS', 'duratoinS'), /duratoinS/],
    ['a key nearly right, with the right one', plain.replace('qps:', 'qsp:'), /mean "qps"/],
    ['a size without a unit', plain.replace('4GiB', '4'), /"4" is no size; write/],
    ['an accuracy as a fraction', plain.replace('accuracy: 90', 'accuracy: 0.9'), /write 90/],
    ['a spread below nothing', `${plain}spread: 1.1\n`, /spread/],
    ['no time of a batch of 1', plain.replace('{ 1: 10, 4: 40 }', '{ 4: 40 }'), /batch of 1/],
    ['two groups of one name', plain.replace(/fleet: \[(.*)\]/, 'fleet: [$1, $1]'), /groups/],
    ['one variant twice', plain.replace(/ {2}- (\{ id.*\n.*\})/, '  - $1\n  - $1'), /the id "v"/],
    ['a preload of nothing', `${plain}preload: { w: 1 }\n`, /preload: there is no variant "w"/],
    ['what happens too late', `${plain}incidents: [{ atS: 20, kill: cpu-1 }]\n`, /after the end/],
    ['what fits nowhere', plain.replace('64MiB', '5GiB'), /"v" is larger/],
    ['an unknown shape', plain.replace('constant', 'wavy'), /shape/],
    ['a task nobody serves', plain.replace('task: t, latencyMs: 200', 'task: u'), /task "u"/],
    ['no target at all', plain.replace('task: t, latencyMs: 200', 'zipf: 1'), /task or arch/],
    ['an unknown profile', `${plain}profiles: [resnet]\n`, /no profile "resnet"; known/],
    ['a machine that is not there', `${plain}incidents: [{ atS: 1, crash: cpu-3 }]\n`, /cpu-3/],
    ['fewer machines than the least', plain.replace('count: 2', 'count: 2, min: 3'), /between/],
    ['a cut without a bus', `${plain}incidents: [{ atS: 1, cut: bus, forS: 1 }]\n`, /network: bus/],
    [
      'two incidents in one',
      `${plain}incidents: [{ atS: 1, kill: cpu-1, crash: cpu-2 }]\n`,
      /one of/,
    ],
    ['a constant nobody modelled', `${plain}modelled: { luck: 2 }\n`, /luck/],
    ['a variant there is none of', `${plain}variantsOnly: [w]\n`, /no variant "w"/],
    ['offline work of no variant', `${plain}offline: { task: u }\n`, /offline: no variant/],
    ['no YAML', '{', /cannot read/],
  ];
  for (const [what, text, message] of mistakes) {
    it(`is refused with ${what}, said where`, () => {
      expect(() => readScenario(written(text))).to.throw(ConfigInvalid, message);
    });
  }
});

describe('the scenarios that come along', () => {
  it('can be read, and say what they are about', () => {
    const scenarios = listScenarios('examples/scenarios');
    expect(scenarios).to.have.length.above(2);
    for (const { about } of scenarios) expect(about).to.not.equal('');
  });
});

describe('the built-in profiles', () => {
  it('are of at least 22 architectures and 175 variants, as different as the paper says', () => {
    const variants = imageClassifiers();
    const architectures = new Set(variants.map(({ architecture }) => architecture));
    expect(architectures.size).to.be.at.least(22);
    expect(new Set(variants.map(({ id }) => id)).size).to.be.at.least(175);
    const memory = variants.map(({ profile }) => profile.memoryBytes);
    expect(Math.max(...memory) / Math.min(...memory)).to.be.above(10);
  });
});
