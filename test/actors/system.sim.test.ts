/**
 * The whole system under virtual time, at random: whatever arrives and whatever dies, every query
 * gets exactly one answer, its own, and the same seed tells the same story.
 */

import { expect } from 'chai';
import fc from 'fast-check';

import type { QueryAnswer } from '../../actors/domain/query.ts';
import { splitRandom } from '../../runtime/random.ts';
import { typedArrayOf } from '../../runtime/wire/tensors.ts';
import { chanceOfFault } from '../../sim/engine-model.ts';
import { SimulatedSystem } from '../support/simulated-system.ts';
import { mebibyte, perBatch, perQuery, variantOf } from '../support/variants.ts';

const variants = [
  variantOf('small', { accuracy: 90, latency: perQuery(4), loadMs: 60 }),
  variantOf('middle', { accuracy: 95, latency: perBatch(20, 1), loadMs: 150 }),
  variantOf('large', {
    accuracy: 99,
    latency: perQuery(40),
    loadMs: 300,
    memoryBytes: 40 * mebibyte,
  }),
];
const nodes = ['w1', 'w2'] as const;

const endsMs = 2_000;
const timeoutMaxMs = 1_500;

const anySubmission = fc.record({
  atMs: fc.integer({ min: 0, max: endsMs }),
  pair: fc.tuple(fc.integer({ min: 0, max: 999 }), fc.integer({ min: 0, max: 999 })),
  latencyMs: fc.option(fc.integer({ min: 1, max: 400 }), { nil: undefined }),
  accuracyMin: fc.option(fc.constantFrom(90, 95, 99, 100), { nil: undefined }),
  onMiss: fc.constantFrom('best-effort' as const, 'reject' as const),
  timeoutMs: fc.integer({ min: 1, max: timeoutMaxMs }),
  cancelAfterMs: fc.option(fc.integer({ min: 0, max: 300 }), { nil: undefined, freq: 3 }),
});

const anyMishap = fc.record({
  atMs: fc.integer({ min: 0, max: endsMs }),
  node: fc.constantFrom(...nodes),
  what: fc.oneof(
    fc.constant({ does: 'crash-engine' as const }),
    fc.constant({ does: 'unload' as const }),
    fc.constant({ does: 'register' as const }),
    fc.record({
      does: fc.constantFrom('crash-worker' as const, 'cut-bus' as const),
      forMs: fc.integer({ min: 1, max: 1_500 }),
    }),
  ),
});

const anyStory = fc.record({
  seed: fc.integer({ min: 0, max: 2 ** 31 }),
  submissions: fc.array(anySubmission, { minLength: 1, maxLength: 60, size: 'max' }),
  mishaps: fc.array(anyMishap, { maxLength: 6, size: 'max' }),
  faulty: fc.boolean(),
});

type Story = typeof anyStory extends fc.Arbitrary<infer S> ? S : never;

/** Plays the story to its end: every time-out has passed. */
function play({ seed, submissions, mishaps, faulty }: Story): SimulatedSystem {
  const chances = faulty
    ? { fails: 0.1, hangs: 0.02, crashes: 0.05 }
    : { fails: 0, hangs: 0, crashes: 0 };
  const faultOf = chanceOfFault(splitRandom(seed, 'faults'), chances);
  const system = new SimulatedSystem({ seed, variants, workers: nodes, engine: { faultOf } });
  submissions.forEach(({ atMs, pair, latencyMs, accuracyMin, cancelAfterMs, ...rest }, at) => {
    const slo = { latencyMs, accuracyMin };
    system.at(atMs, () => {
      system.submit(`q${at}`, pair, { slo, ...rest });
    });
    if (cancelAfterMs === undefined) return;
    system.at(atMs + cancelAfterMs, () => {
      system.cancel(`q${at}`);
    });
  });
  for (const { atMs, node, what } of mishaps) {
    system.at(atMs, () => {
      if (what.does === 'crash-engine') system.crashEngine(node);
      else if (what.does === 'crash-worker') system.crashWorker(node, what.forMs);
      else if (what.does === 'cut-bus') system.cutBus(what.forMs);
      else if (what.does === 'unload') system.unload(node, 'small');
      else system.register(variantOf('middle', { ...variants[1], accuracy: 95 + atMs / 1e4 }));
    });
  }
  return system.run(endsMs + timeoutMaxMs + 10);
}

function traceOf(system: SimulatedSystem): string[] {
  return system.answered.map(({ atMs, answer }) => {
    const outcome = answer.ok ? answer.servedBy.instance : answer.error.code;
    return `${atMs.toFixed(6)} ${answer.queryId} ${outcome}`;
  });
}

function sumOf(answer: QueryAnswer): number | undefined {
  const y = answer.ok ? answer.outputs['y'] : undefined;
  return y === undefined ? undefined : Number(typedArrayOf(y)[0]);
}

describe('the simulated system', function () {
  this.timeout(120_000);

  it('answers every query exactly once, in its time, and then holds nothing', () => {
    fc.assert(
      fc.property(anyStory, (story) => {
        const system = play(story);
        const ids = system.answered.map(({ answer }) => answer.queryId);
        expect(ids.sort()).to.deep.equal(story.submissions.map((_, at) => `q${at}`).sort());
        for (const { atMs, answer } of system.answered) {
          const submitted = story.submissions[Number(answer.queryId.slice(1))]!;
          expect(atMs).to.be.within(submitted.atMs, submitted.atMs + submitted.timeoutMs + 1e-6);
        }
        expect(system.inFlight).to.equal(0);
      }),
      { numRuns: 150 },
    );
  });

  it('gives each query its own answer, never one less accurate than asked', () => {
    fc.assert(
      fc.property(anyStory, (story) => {
        for (const { answer } of play(story).answered) {
          if (!answer.ok) continue;
          const { pair, accuracyMin } = story.submissions[Number(answer.queryId.slice(1))]!;
          expect(sumOf(answer)).to.equal(pair[0] + pair[1]);
          expect(answer.servedBy.accuracy).to.be.at.least(accuracyMin ?? 0);
        }
      }),
      { numRuns: 60 },
    );
  });

  it('tells the same story for the same seed, and another for another', () => {
    fc.assert(
      fc.property(anyStory, (story) => {
        expect(traceOf(play(story))).to.deep.equal(traceOf(play(story)));
      }),
      { numRuns: 30 },
    );
    const submissions = Array.from({ length: 20 }, (_, at) => ({
      atMs: at * 20,
      pair: [at, 1] as [number, number],
      latencyMs: undefined,
      accuracyMin: undefined,
      onMiss: 'best-effort' as const,
      timeoutMs: 1_000,
      cancelAfterMs: undefined,
    }));
    const [one, other] = [1, 2].map((seed) =>
      traceOf(play({ seed, submissions, mishaps: [], faulty: true })),
    );
    expect(other).to.not.deep.equal(one);
  });
});
