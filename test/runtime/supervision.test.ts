/** The decision after a failure: as a table, and as properties for any policy. */

import { expect } from 'chai';
import fc from 'fast-check';
import type { SupervisionPolicy } from '../../runtime/supervision.ts';
import {
  decideAfterFailure,
  escalatePolicy,
  restartPolicy,
  stopPolicy,
} from '../../runtime/supervision.ts';

const slow: SupervisionPolicy = {
  onFailure: 'restart',
  restartsMax: 4,
  withinMs: 1_000,
  backoff: { initialMs: 100, factor: 3, maxMs: 500 },
};

describe('decideAfterFailure', () => {
  const table: readonly {
    readonly says: string;
    readonly policy: SupervisionPolicy;
    readonly history: readonly number[];
    readonly decision: unknown;
  }[] = [
    {
      says: 'stops when the policy says stop',
      policy: stopPolicy,
      history: [],
      decision: { do: 'stop', why: 'policy' },
    },
    {
      says: 'escalates when the policy says escalate',
      policy: escalatePolicy,
      history: [],
      decision: { do: 'escalate' },
    },
    {
      says: 'restarts at once without an initial delay',
      policy: restartPolicy,
      history: [9_000],
      decision: { do: 'restart', afterMs: 0, history: [9_000, 10_000] },
    },
    {
      says: 'waits the initial delay the first time',
      policy: slow,
      history: [],
      decision: { do: 'restart', afterMs: 100, history: [10_000] },
    },
    {
      says: 'waits longer by the factor each time',
      policy: slow,
      history: [9_900],
      decision: { do: 'restart', afterMs: 300, history: [9_900, 10_000] },
    },
    {
      says: 'waits no longer than the maximum',
      policy: slow,
      history: [9_800, 9_900],
      decision: { do: 'restart', afterMs: 500, history: [9_800, 9_900, 10_000] },
    },
    {
      says: 'forgets restarts as old as the window',
      policy: slow,
      history: [8_000, 9_000, 9_001],
      decision: { do: 'restart', afterMs: 300, history: [9_001, 10_000] },
    },
    {
      says: 'stops when the window holds as many restarts as are allowed',
      policy: slow,
      history: [9_500, 9_600, 9_700, 9_800],
      decision: { do: 'stop', why: 'intensity' },
    },
  ];

  for (const { says, policy, history, decision } of table) {
    it(says, () => {
      expect(decideAfterFailure(policy, history, 10_000)).to.deep.equal(decision);
    });
  }

  const anyPolicy = fc.record({
    onFailure: fc.constant('restart' as const),
    restartsMax: fc.nat(3_000),
    withinMs: fc.integer({ min: 1, max: 100_000 }),
    backoff: fc.record({
      initialMs: fc.double({ min: 0, max: 10_000, noNaN: true }),
      factor: fc.double({ min: 1, max: 10, noNaN: true }),
      maxMs: fc.double({ min: 0, max: 60_000, noNaN: true }),
    }),
  });

  it('never restarts more often in the window than is allowed, and never waits too long', () => {
    const gaps = fc.array(fc.nat(5_000), { maxLength: 60 });
    fc.assert(
      fc.property(anyPolicy, gaps, (policy, waits) => {
        let nowMs = 0;
        let history: readonly number[] = [];
        const restarts: number[] = [];
        for (const wait of waits) {
          nowMs += wait;
          const decision = decideAfterFailure(policy, history, nowMs);
          if (decision.do !== 'restart') return;
          expect(decision.afterMs).to.be.within(0, policy.backoff.maxMs);
          restarts.push(nowMs);
          history = decision.history;
          const within = restarts.filter((atMs) => nowMs - atMs < policy.withinMs);
          expect(within.length).to.be.at.most(policy.restartsMax);
        }
      }),
    );
  });

  it('gives a delay that is a number however many restarts there were', () => {
    fc.assert(
      fc.property(anyPolicy, fc.nat(2_000), (policy, count) => {
        const history = new Array<number>(count).fill(1);
        const decision = decideAfterFailure({ ...policy, restartsMax: 3_000 }, history, 1);
        expect(decision.do).to.equal('restart');
        if (decision.do === 'restart') expect(decision.afterMs).to.be.within(0, 60_000);
      }),
    );
  });

  it('leaves the history it was given alone', () => {
    const history = Object.freeze([1, 2, 3]);
    decideAfterFailure(slow, history, 10);
    expect(history).to.deep.equal([1, 2, 3]);
  });
});
