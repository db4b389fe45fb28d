/** Offline work beside online work under virtual time: who waits for whom, and for how long. */

import { expect } from 'chai';

import { defaultMitigationRules } from '../../actors/policy/interference/move-to-idle.ts';
import { defaultScalingRules } from '../../actors/policy/scaling/view.ts';
import type { WorkerConfig } from '../../actors/worker/behaviour.ts';
import { SimulatedSystem } from '../support/simulated-system.ts';
import { perQuery, variantOf } from '../support/variants.ts';

const seeds = [1, 2, 3];
/** Of a query alone; a worker here has two cores, an instance uses one. */
const inferMs = 5;

function systemOf(seed: number, worker: Partial<WorkerConfig> = {}): SimulatedSystem {
  const variants = [variantOf('v', { latency: perQuery(inferMs) })];
  const system = new SimulatedSystem({
    ...{ seed, variants, workers: ['w1', 'w2'] },
    worker: { preload: { v: 1 }, ...worker },
  });
  return system.run(1_000);
}

/** Online queries a second from `fromMs` for `forMs`; returns their 99th percentile. */
function online(system: SimulatedSystem, rateQps: number, fromMs: number, forMs: number): number {
  const count = Math.floor((rateQps * forMs) / 1_000);
  const name = `o${String(fromMs)}-`;
  for (let at = 0; at < count; at += 1) {
    const parts = { slo: { latencyMs: 60 } };
    system.at(fromMs + (at * 1_000) / rateQps, () => system.submit(`${name}${at}`, [at, 1], parts));
  }
  system.run(fromMs + forMs + 2_000);
  const totals = system.answered
    .flatMap(({ answer }) => (answer.ok && answer.queryId.startsWith(name) ? [answer] : []))
    .map(({ timing }) => timing.totalMs)
    .sort((a, b) => a - b);
  expect(totals).to.have.length(count);
  return totals[Math.floor(count * 0.99)] ?? Infinity;
}

for (const seed of seeds) {
  describe(`offline work beside online work, seed ${String(seed)}`, function () {
    // Tens of seconds of virtual time: some of real time where others keep the machine busy.
    this.timeout(60_000);

    it('adds at most one slice to the 99th percentile of online latency', () => {
      const alone = online(systemOf(seed), 60, 0, 20_000);
      const shared = systemOf(seed);
      const files = shared.startOffline(100_000);
      const together = online(shared, 60, 0, 20_000);
      // A running batch is not interrupted: what it may take is the bound (spare.sliceMs).
      expect(together).to.be.below(alone + 25);
      expect(files.written.length).to.be.greaterThan(1_000);
      expect(files.written.map(({ index }) => index)).to.deep.equal([...files.written.keys()]);
    });

    it('gives way within a second of online load that needs everything', () => {
      const system = systemOf(seed);
      const files = system.startOffline(100_000);
      system.run(5_000);
      const before = files.written.length;
      expect(before).to.be.greaterThan(500);
      // 400 a second saturate both instances.
      for (let at = 0; at < 2_400; at += 1) {
        system.at(at * 2.5, () => system.submit(`b${at}`, [at, 1], { timeoutMs: 30_000 }));
      }
      system.run(1_000);
      const afterOne = files.written.length;
      system.run(5_000);
      expect(files.written.length - afterOne, 'written in the five seconds after').to.be.below(20);
      system.run(20_000);
      expect(files.written.length, 'taken up again').to.be.greaterThan(afterOne + 500);
    });

    it('is no demand: nothing is replicated for it', () => {
      const scaling = {
        ...{ policy: 'infaas-paper' as const, tickMs: 1_000, mailboxMax: 100 },
        ...{ rules: defaultScalingRules, mitigation: defaultMitigationRules },
      };
      const system = systemOf(seed, { scaling });
      system.startOffline(100_000);
      system.run(10_000);
      const loaded = [...system.loadedOn('w1'), ...system.loadedOn('w2')];
      expect(loaded.length).to.be.within(1, 2);
    });
  });
}
