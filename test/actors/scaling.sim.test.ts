/** Scaling, successions and eviction in a whole system under virtual time. */

import { expect } from 'chai';

import { defaultMitigationRules } from '../../actors/policy/interference/move-to-idle.ts';
import { defaultScalingRules } from '../../actors/policy/scaling/view.ts';
import { SimulatedSystem, type SystemOptions } from '../support/simulated-system.ts';
import { mebibyte, perQuery, variantOf } from '../support/variants.ts';

const seeds = [1, 2, 3];

const scaling = {
  policy: 'infaas-paper',
  tickMs: 1_000,
  mailboxMax: 100,
  rules: { ...defaultScalingRules, idleAfterMs: 5_000 },
  mitigation: defaultMitigationRules,
} as const;

function systemOf(seed: number, options: Partial<SystemOptions>): SimulatedSystem {
  return new SimulatedSystem({
    seed,
    variants: [variantOf('v')],
    workers: ['w1'],
    ...options,
    worker: { scaling, ...options.worker },
  });
}

/** One query every `everyMs` for `forMs`, each asking by task unless told otherwise. */
function load(system: SimulatedSystem, everyMs: number, forMs: number, name = 'q'): number {
  let sent = 0;
  for (let atMs = 0; atMs < forMs; atMs += everyMs) {
    const at = sent;
    system.at(atMs, () => system.submit(`${name}${at}`, [at, 1], { timeoutMs: 20_000 }));
    sent += 1;
  }
  system.run(forMs);
  return sent;
}

function everyAnswer(system: SimulatedSystem, sent: number): void {
  system.run(20_000);
  const ids = system.answered.map(({ answer }) => answer.queryId);
  expect(new Set(ids).size, 'queries answered').to.equal(sent);
  expect(ids.length, 'answers').to.equal(sent);
  const failed = system.answered.flatMap(({ answer }) => (answer.ok ? [] : [answer.error.message]));
  expect(failed).to.deep.equal([]);
}

for (const seed of seeds) {
  describe(`scaling in a system of seed ${seed}`, function () {
    // Tens of seconds of virtual time: some of real time where others keep the machine busy.
    this.timeout(60_000);

    it('replicates under load, and lets go of what is idle after', () => {
      const system = systemOf(seed, {}).run(100);
      // 100 a second saturate one instance; two cores run two.
      const sent = load(system, 7, 8_000);
      expect(system.loadedOn('w1')).to.deep.equal(['v', 'v']);
      everyAnswer(system, sent);
      expect(system.loadedOn('w1')).to.deep.equal([]);
    });

    it('keeps what the owner wants kept', () => {
      const system = systemOf(seed, { worker: { preload: { v: 1 } } }).run(60_000);
      expect(system.loadedOn('w1')).to.deep.equal(['v']);
    });

    it('changes over to what is faster and occupies less, losing no query', () => {
      const slow = variantOf('slow', { latency: perQuery(10), memoryBytes: 30 * mebibyte });
      const fast = variantOf('fast', { latency: perQuery(9), memoryBytes: 2 * mebibyte });
      const system = systemOf(seed, { variants: [slow] }).run(100);
      let sent = load(system, 20, 200, 'a');
      system.register(fast);
      // A tenth cheaper: dispatchers stay with what is loaded, until it is too slow.
      sent += load(system, 8, 6_000, 'b');
      // Idle since, it goes after a minute.
      sent += load(system, 20, 64_000, 'c');
      expect(system.loadedOn('w1')).to.include('fast').and.not.include('slow');
      everyAnswer(system, sent);
    });

    it('moves queries to the successor when a new version of their variant comes', () => {
      const first = variantOf('v', { latency: perQuery(30) });
      const system = systemOf(seed, { variants: [first] }).run(100);
      let sent = load(system, 20, 1_000, 'a');
      system.register({ ...first, file: { ...first.file, sha256: 'newer' } });
      sent += load(system, 20, 3_000, 'b');
      everyAnswer(system, sent);
      const servers = new Set(
        system.answered.map(({ answer }) => (answer.ok ? answer.servedBy.instance : '')),
      );
      expect([...servers]).to.include('w1/v-2');
    });

    it('loads what is asked for in the place of what is idle', () => {
      const variants = ['a', 'b'].map((id) =>
        variantOf(id, { memoryBytes: 40 * mebibyte, architecture: id }),
      );
      const system = systemOf(seed, { variants }).run(100);
      const named = (architecture: string) => ({
        selector: { by: 'architecture', architecture } as const,
        timeoutMs: 20_000,
      });
      system.submit('q1', [1, 1], named('a'));
      system.run(6_500);
      system.submit('q2', [1, 1], named('b'));
      everyAnswer(system, 2);
    });
  });
}
