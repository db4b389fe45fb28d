/** Predicted completion: what is left of a load, what is queued, the query itself, the way. */

import { expect } from 'chai';

import {
  backlogMs,
  batchMs,
  completionMs,
  loadedMs,
} from '../../../../actors/policy/selection/completion.ts';
import type { UnitsView } from '../../../../actors/policy/selection/index.ts';
import { fleetOf, type InstanceSketch } from '../../../support/fleet-view.ts';

function predict(instance: InstanceSketch, batch = 1): number {
  const view = fleetOf({ variants: [{ id: 'v', ms: 10, instances: [instance] }], hopMs: 2 });
  const variant = view.variants[0]!;
  return completionMs(view, variant, variant.instances[0]!, batch);
}

/** `fleetOf` has it at 10,000 ms. */
function shared(units: number, owedMs: number, agoMs = 0): UnitsView {
  return { units, owedMs, owedAtMs: 10_000 - agoMs };
}

describe('predicted completion', () => {
  const cases: readonly (readonly [string, InstanceSketch, number])[] = [
    ['is the query and the way on an idle instance', {}, 12],
    ['adds what was reported, less the time since', { backlogMs: 50, reportedAgoMs: 20 }, 42],
    ['never counts an old report as less than idle', { backlogMs: 50, reportedAgoMs: 99 }, 12],
    ['adds what was sent since', { backlogMs: 50, reportedAgoMs: 99, sentSinceMs: 30 }, 42],
    ['scales work, but not the way, by the slowdown', { slowdown: 3, sentSinceMs: 10 }, 62],
    ['adds what is left of the load, unscaled', { slowdown: 2, loadLeftMs: 500 }, 522],
    ['waits for the units that it shares with others', { shared: shared(2, 80) }, 52],
    ['counts what they did since', { shared: shared(2, 80, 15) }, 37],
    ['never counts them as less than idle', { shared: shared(2, 80, 99) }, 12],
    ['waits for its own queue where that is longer', { backlogMs: 70, shared: shared(4, 90) }, 82],
  ];
  for (const [behaviour, instance, ms] of cases) {
    it(behaviour, () => {
      expect(predict(instance)).to.equal(ms);
    });
  }

  it('takes a client’s own batch from the table, and in proportion beyond it', () => {
    expect(predict({}, 3)).to.equal(32);
    expect(predict({}, 8)).to.equal(82);
    const { variants } = fleetOf({ variants: [{ id: 'v', ms: 10 }] });
    expect([1, 4, 6].map((batch) => batchMs(variants[0]!, batch))).to.deep.equal([10, 40, 60]);
  });

  it('of a variant not loaded yet is load, query and way', () => {
    const sketch = { variants: [{ id: 'v', ms: 10, loadMs: 300 }], hopMs: 2 };
    const view = fleetOf(sketch);
    expect(loadedMs(view, view.variants[0]!, 2)).to.equal(322);
    // And what loads were seen to take beyond their profiles.
    const seen = fleetOf({ ...sketch, loadExtraMs: 15 });
    expect(loadedMs(seen, seen.variants[0]!, 2)).to.equal(337);
  });

  it('goes down no further than what was sent since the report', () => {
    const sketch = { backlogMs: 40, reportedAgoMs: 10, sentSinceMs: 5 };
    const view = fleetOf({ variants: [{ id: 'v', instances: [sketch] }] });
    const instance = view.variants[0]!.instances[0]!;
    const later = [0, 20, 1_000].map((ms) => backlogMs(instance, view.nowMs + ms));
    expect(later).to.deep.equal([35, 15, 5]);
  });
});
