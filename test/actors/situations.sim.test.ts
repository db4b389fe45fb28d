/** The whole system under virtual time, in situations that its parts alone do not show. */

import { expect } from 'chai';

import type { EngineQuery } from '../../actors/instance/engine-port.ts';
import { typedArrayOf } from '../../runtime/wire/tensors.ts';
import { SimulatedSystem, type SystemOptions } from '../support/simulated-system.ts';
import { perQuery, type VariantParts, variantOf } from '../support/variants.ts';

const seeds = [1, 2, 3, 4, 5];

function systemOf(seed: number, options: Partial<SystemOptions> = {}): SimulatedSystem {
  return new SimulatedSystem({
    seed,
    variants: [variantOf('v')],
    workers: ['w1', 'w2'],
    ...options,
  });
}

/** One variant, loaded on every worker already. */
function loadedOf(
  seed: number,
  parts: VariantParts = {},
  options: Partial<SystemOptions> = {},
): SimulatedSystem {
  const variants = [variantOf('v', parts)];
  return systemOf(seed, { variants, worker: { preload: { v: 1 } }, ...options }).run(1_000);
}

/** `q1 ok`, or `q1 unavailable`. */
function outcomes(system: SimulatedSystem): string[] {
  return system.answered.map(
    ({ answer }) => `${answer.queryId} ${answer.ok ? 'ok' : answer.error.code}`,
  );
}

function workersOf(system: SimulatedSystem): string[] {
  return system.answered.flatMap(({ answer }) => (answer.ok ? [answer.servedBy.worker] : []));
}

for (const seed of seeds) {
  describe(`a system of seed ${seed}`, () => {
    it('registers a model, loads it for the first query and answers that', () => {
      const system = systemOf(seed).run(100);
      expect(system.registered).to.deep.equal([
        { type: 'registrar.model-registered', variantId: 'v', changed: true },
      ]);
      expect(system.stored).to.have.length(1);
      system.submit('q1', [1, 2]);
      system.run(1_000);
      expect(outcomes(system)).to.deep.equal(['q1 ok']);
    });

    it('loads one variant for a burst that any would do for', () => {
      const variants = ['a', 'b', 'c'].map((id) => variantOf(id, { loadMs: 300 }));
      const system = systemOf(seed, { variants }).run(500);
      for (let at = 0; at < 20; at += 1) {
        system.submit(`q${at}`, [at, 1]);
        system.run(5);
      }
      system.run(1_000);
      expect(outcomes(system)).to.have.length(20);
      expect([...system.loadedOn('w1'), ...system.loadedOn('w2')]).to.have.length(1);
    });

    it('serves a client that takes only answers in time once it has loaded for it', () => {
      const system = systemOf(seed).run(500);
      const strict = { slo: { latencyMs: 50 }, onMiss: 'reject' } as const;
      for (let at = 0; at < 10; at += 1) {
        system.submit(`q${at}`, [1, 1], strict);
        system.run(100);
      }
      expect(outcomes(system)[0]).to.equal('q0 slo_infeasible');
      expect(outcomes(system).slice(5)).to.deep.equal([5, 6, 7, 8, 9].map((at) => `q${at} ok`));
    });

    it('keeps in mind what runs, however often workers report meanwhile', () => {
      const system = loadedOf(seed, { latency: perQuery(2_000) });
      system.submit('q1', [1, 1], { timeoutMs: 20_000 });
      system.run(1_000).submit('q2', [1, 1], { timeoutMs: 20_000 });
      system.run(10_000);
      expect(workersOf(system).sort()).to.deep.equal(['w1', 'w2']);
    });

    it('answers elsewhere what an engine held when it crashed', () => {
      const system = loadedOf(seed, { latency: perQuery(100) });
      system.submit('q1', [1, 2]);
      const [first] = system.run(20).busy;
      system.crashEngine(first!);
      system.run(1_000);
      expect(workersOf(system)).to.deep.equal([first === 'w1' ? 'w2' : 'w1']);
    });

    it('answers elsewhere what a worker held when it fell silent, and then by both again', () => {
      const system = loadedOf(seed, { latency: perQuery(100) });
      system.submit('q1', [1, 2]);
      const [first] = system.run(20).busy;
      system.crashWorker(first!, 900);
      system.run(3_000);
      expect(workersOf(system)).to.deep.equal([first === 'w1' ? 'w2' : 'w1']);
      system.submit('q2', [1, 2]);
      system.submit('q3', [1, 2]);
      system.run(1_000);
      expect(workersOf(system).slice(1).sort()).to.deep.equal(['w1', 'w2']);
    });

    it('moves on to a worker that is back before anybody missed it', () => {
      const system = loadedOf(seed, { latency: perQuery(400) }, { workers: ['w1'] });
      system.submit('q1', [1, 2]);
      system.run(50).crashWorker('w1', 100);
      system.run(3_000);
      expect(outcomes(system)).to.deep.equal(['q1 ok']);
    });

    it('answers what was lost while its bus was away, when that is back', () => {
      const system = loadedOf(seed, { latency: perQuery(30) });
      system.submit('q1', [1, 2]);
      system.run(10).cutBus(500);
      system.run(100).submit('q2', [1, 2]);
      system.run(300);
      expect(outcomes(system)).to.deep.equal([]);
      system.run(1_000);
      expect(outcomes(system).sort()).to.deep.equal(['q1 ok', 'q2 ok']);
    });

    it('lets a query that kills its engine kill no more than two', () => {
      const poisonous = ({ inputs }: EngineQuery): boolean =>
        inputs['x'] !== undefined && typedArrayOf(inputs['x'])[0] === 666;
      const system = loadedOf(
        seed,
        {},
        {
          workers: ['w1', 'w2', 'w3'],
          engine: { faultOf: (_, queries) => (queries.some(poisonous) ? 'crashes' : undefined) },
        },
      );
      system.submit('poison', [666, 0]);
      system.run(40);
      const before = ['w1', 'w2', 'w3'].map((node) => system.loadedOn(node).length);
      expect(before.filter((count) => count > 0)).to.not.have.length(0);
      expect(outcomes(system)).to.deep.equal(['poison unavailable']);
      system.submit('fine', [1, 1]);
      system.run(1_000);
      expect(outcomes(system)).to.deep.equal(['poison unavailable', 'fine ok']);
      expect(system.crashes).to.equal(2);
    });

    it('fails a bad query alone and serves those that shared its batch', () => {
      const bad = ({ inputs }: EngineQuery): boolean =>
        inputs['x'] !== undefined && typedArrayOf(inputs['x'])[0] === 13;
      const system = loadedOf(
        seed,
        { latency: [1, 8].map((batch) => ({ batch, ms: 20 + batch })) },
        {
          workers: ['w1'],
          engine: { faultOf: (_, queries) => (queries.some(bad) ? 'fails' : undefined) },
        },
      );
      for (let at = 10; at < 16; at += 1) system.submit(`q${at}`, [at, 0]);
      system.run(1_900);
      expect(outcomes(system).sort()).to.deep.equal(
        [10, 11, 12, 13, 14, 15].map((at) => `q${at} ${at === 13 ? 'inference_failed' : 'ok'}`),
      );
    });

    it('kills an engine that hangs, and loads what was wanted there again', () => {
      let hangs = 1;
      const system = loadedOf(
        seed,
        {},
        { workers: ['w1'], engine: { faultOf: () => (hangs-- > 0 ? 'hangs' : undefined) } },
      );
      system.submit('q1', [1, 1]);
      system.run(1_900);
      expect(outcomes(system)).to.deep.equal(['q1 ok']);
      expect(system.loadedOn('w1')).to.deep.equal(['v']);
    });

    it('drains an instance without losing a query', () => {
      const system = loadedOf(seed, { latency: perQuery(30) });
      for (let at = 0; at < 8; at += 1) system.submit(`q${at}`, [at, 1]);
      system.run(10).unload('w1', 'v');
      system.run(1_900);
      expect(outcomes(system).sort()).to.deep.equal(
        [0, 1, 2, 3, 4, 5, 6, 7].map((at) => `q${at} ok`),
      );
      expect(system.loadedOn('w1')).to.deep.equal([]);
    });
  });
}
