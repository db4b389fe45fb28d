/** Exactly one answer a query, as a property: over any order of answers, ends and losses. */

import { expect } from 'chai';
import fc from 'fast-check';

import type { QueryOutcome } from '../../../actors/worker/protocol.ts';
import { DispatcherStage } from '../../support/dispatcher-stage.ts';
import { variantOf } from '../../support/variants.ts';

const refused: QueryOutcome = {
  ok: false,
  error: { code: 'overloaded', message: 'full', retryable: true, details: {} },
  retry: 'refused',
};
const failed: QueryOutcome = { ...refused, retry: 'never' };

/** A step may name the query that is in flight under a number, and one of two workers. */
interface Step {
  readonly does: keyof typeof acts;
  readonly query: number;
  readonly worker: string;
}

type Act = (stage: DispatcherStage, queryId: string, step: Step) => unknown;

const acts = {
  submit: (stage, id) => stage.submit(id, { timeoutMs: 200 }),
  finish: (stage, id) => stage.placementsOf(id).length > 0 && stage.finish(id),
  refuse: (stage, id) => stage.placementsOf(id).length > 0 && stage.finish(id, refused),
  fail: (stage, id) => stage.placementsOf(id).length > 0 && stage.finish(id, failed),
  stale: (stage, id) =>
    stage.placementsOf(id).length > 1 && stage.finish(id, undefined, { attempt: 1 }),
  cancel: (stage, queryId) => stage.send({ type: 'dispatcher.cancel-query', queryId }),
  wait: (stage) => stage.advance(40),
  'end-instance': (stage, _, { worker }) => stage.end(worker, 'v-1'),
  'end-worker': (stage, _, { worker }) => stage.end(worker),
  report: (stage, _, { worker }) => stage.report(worker, { 'v-1': {} }),
  reborn: (stage, _, { worker, query }) => stage.report(worker, { 'v-1': {} }, query + 1),
  bus: (stage, _, { query }) =>
    stage.send({ type: 'dispatcher.bus-changed', connected: query > 1 }),
  lost: (stage, _, { worker }) => stage.send({ type: 'dispatcher.messages-lost', node: worker }),
  registry: (stage) => stage.knows(variantOf('v')),
} as const satisfies Readonly<Record<string, Act>>;

const anyStep: fc.Arbitrary<Step> = fc.record({
  does: fc.oneof(
    { weight: 2, arbitrary: fc.constant<Step['does']>('submit') },
    { weight: 5, arbitrary: fc.constantFrom(...(Object.keys(acts) as Step['does'][])) },
  ),
  query: fc.nat(3),
  worker: fc.constantFrom('w1', 'w2'),
});

/** Plays the steps, and holds the answers against the submissions after each. */
function play(stage: DispatcherStage, steps: readonly Step[]): void {
  const open = new Set<string>();
  /** Ids are never used again: the life of a number's query, counted. */
  const lives = [0, 0, 0, 0];
  for (const step of steps) {
    const queryId = `q${step.query}.${lives[step.query]}`;
    const before = stage.answers.length;
    if (step.does === 'submit') open.add(queryId);
    const act: Act = acts[step.does];
    act(stage, queryId, step);
    for (const answer of stage.allAnswers.slice(before)) {
      expect(open.delete(answer.queryId), `${answer.queryId} was open`).to.equal(true);
      lives[Number(answer.queryId.charAt(1))]! += 1;
    }
  }
  const before = stage.answers.length;
  stage.advance(200);
  const last = stage.allAnswers.slice(before).map(({ queryId }) => queryId);
  expect(last.sort()).to.deep.equal([...open].sort());
}

describe('a dispatcher', () => {
  it('answers each query exactly once, at its deadline at the latest', () => {
    fc.assert(
      fc.property(fc.array(anyStep, { maxLength: 60 }), (steps) => {
        const stage = new DispatcherStage().knows(variantOf('v'));
        stage.report('w1', { 'v-1': {} }).report('w2', { 'v-1': {} });
        play(stage, steps);
        const answered = stage.answers.length;
        stage.shutDown();
        expect(stage.answers.length).to.equal(answered);
      }),
      { numRuns: 300 },
    );
  });

  it('never places a query oftener than its faults and losses may be', () => {
    const withoutLosses = anyStep.filter(({ does }) => does !== 'lost' && does !== 'bus');
    fc.assert(
      fc.property(fc.array(withoutLosses, { maxLength: 60 }), (steps) => {
        // Two faults and three losses: it was placed before the last of either, and at first.
        const stage = new DispatcherStage({ attemptsMax: 2, lossesMax: 3 }).knows(variantOf('v'));
        stage.report('w1', { 'v-1': {} }).report('w2', { 'v-1': {} });
        play(stage, steps);
        for (const { run } of stage.runs) expect(run.delivery.attempt).to.be.at.most(4);
      }),
    );
  });
});
