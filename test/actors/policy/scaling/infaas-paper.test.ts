/** The paper's model-autoscaler as a table: what it does about which load. */

import { expect } from 'chai';

import type { Variant } from '../../../../actors/domain/variant.ts';
import { infaasPaper, type PaperState } from '../../../../actors/policy/scaling/infaas-paper.ts';
import type { ScaleAction, ScalingView } from '../../../../actors/policy/scaling/view.ts';
import { instanceView, scalingView } from '../../../support/scaling-view.ts';
import { mebibyte, perQuery, variantOf, type VariantParts } from '../../../support/variants.ts';
import { cpuOf } from '../../../support/worker-stage.ts';

/** Saturates at 100 a second. */
const v = variantOf('v', { memoryBytes: 8 * mebibyte });
/** Saturates at 500 a second. */
const quick = (parts: VariantParts = {}): Variant =>
  variantOf('w', { latency: perQuery(2), memoryBytes: 4 * mebibyte, ...parts });

function actionsOf(view: ScalingView, state: PaperState = infaasPaper.initial): ScaleAction[] {
  return infaasPaper.decide(view, state)[0].flatMap(({ actions }) => [...actions]);
}

/** What it does in the end, one slot after the other. */
function afterSlots(view: ScalingView, slots: number): ScaleAction[] {
  let state = infaasPaper.initial;
  let actions: ScaleAction[] = [];
  for (let slot = 0; slot < slots; slot += 1) {
    const [decisions, next] = infaasPaper.decide(
      { ...view, nowMs: view.nowMs + 1_000 * slot },
      state,
    );
    state = next;
    actions = decisions.flatMap((decision) => [...decision.actions]);
  }
  return actions;
}

const one = [instanceView('v', { rateQps: 90 })];
const two = [
  instanceView('v', { rateQps: 40 }),
  instanceView('v', { id: 'w1/v-2', rateQps: 20, idleMs: 5 }),
];
const elsewhere: ScaleAction = {
  do: 'place-elsewhere',
  variantId: 'v',
  instanceId: undefined,
};
const oneMore: ScaleAction = { do: 'load', variantId: 'v', count: 1 };
const upgraded: ScaleAction = { do: 'replace', instanceId: 'w1/v-1', variantId: 'w' };

describe('the model-autoscaler of the paper', () => {
  const cases: readonly (readonly [string, ScalingView, readonly ScaleAction[]])[] = [
    ['leaves alone what has headroom', scalingView([v], one), []],
    [
      'replicates below a headroom of 1.05',
      scalingView([v], [instanceView('v', { rateQps: 96 })]),
      [oneMore],
    ],
    [
      'replicates what is overloaded, whatever its rate',
      scalingView([v], [instanceView('v', { rateQps: 10, state: 'overloaded' })]),
      [oneMore],
    ],
    [
      'upgrades where that is cheaper',
      scalingView([v, quick()], [instanceView('v', { rateQps: 130 })]),
      [upgraded],
    ],
    [
      'replicates where upgrading is dearer',
      scalingView(
        [v, quick({ memoryBytes: 20 * mebibyte })],
        [instanceView('v', { rateQps: 130 })],
      ),
      [oneMore],
    ],
    [
      'upgrades to nothing that is less accurate than asked',
      scalingView(
        [v, quick({ accuracy: 80 })],
        [instanceView('v', { rateQps: 130, asks: { accuracyMin: 85 } })],
      ),
      [oneMore],
    ],
    [
      'upgrades to nothing that is slower than asked',
      scalingView([v, quick()], [instanceView('v', { rateQps: 130, asks: { latencyMs: 1 } })]),
      [oneMore],
    ],
    [
      'upgrades nothing that was named',
      scalingView([v, quick()], [instanceView('v', { rateQps: 130, asks: { by: 'variant' } })]),
      [oneMore],
    ],
    [
      'upgrades within an architecture that was named',
      scalingView(
        [v, quick({ architecture: 'v' })],
        [instanceView('v', { rateQps: 130, asks: { by: 'architecture' } })],
      ),
      [upgraded],
    ],
    [
      'upgrades nothing of which it does not know what is asked',
      scalingView([v, quick()], [{ ...instanceView('v', { state: 'overloaded' }), demand: [] }]),
      [oneMore],
    ],
    [
      'asks another worker where all units are busy',
      scalingView([v], [instanceView('v', { rateQps: 130 })], {
        hardware: cpuOf(64 * mebibyte, 1),
      }),
      [elsewhere],
    ],
    [
      'asks another worker where memory is short',
      scalingView([v], [instanceView('v', { rateQps: 130 })], { memoryFreeBytes: mebibyte }),
      [elsewhere],
    ],
    [
      'counts units that other variants keep busy',
      scalingView(
        [v, variantOf('other')],
        [instanceView('v', { rateQps: 96 }), instanceView('other', { rateQps: 90 })],
      ),
      [elsewhere],
    ],
    [
      'does nothing about what is being replaced',
      scalingView([v], [instanceView('v', { rateQps: 130, moving: true })]),
      [],
    ],
    [
      'removes the less used of two when one carries the load',
      scalingView([v], two),
      [{ do: 'unload', instanceId: 'w1/v-2' }],
    ],
    ['removes nothing that the owner wants kept', scalingView([v], two, { floors: { v: 2 } }), []],
    [
      'keeps two where one would have little headroom',
      scalingView([v], [...two.slice(1), instanceView('v', { rateQps: 70 })]),
      [],
    ],
    [
      'unloads the last one when it was idle for long',
      scalingView([v], [instanceView('v', { idleMs: 60_000 })]),
      [{ do: 'unload', instanceId: 'w1/v-1' }],
    ],
    [
      'keeps the last one for a while',
      scalingView([v], [instanceView('v', { idleMs: 59_000 })]),
      [],
    ],
    [
      'downgrades to what carries the load and occupies less',
      scalingView([v, quick({ memoryBytes: 2 * mebibyte })], [instanceView('v', { rateQps: 50 })]),
      [upgraded],
    ],
    [
      'downgrades to nothing that is dearer a query',
      scalingView(
        [v, quick({ latency: perQuery(12), memoryBytes: mebibyte })],
        [instanceView('v', { rateQps: 50 })],
      ),
      [],
    ],
  ];
  for (const [behaviour, view, expected] of cases) {
    it(behaviour, () => {
      expect(actionsOf(view)).to.deep.equal(expected);
    });
  }

  it('waits as many slots as the variant takes seconds to load before it scales down', () => {
    const slow = variantOf('v', { loadMs: 3_000 });
    const view = scalingView([slow], two);
    expect(afterSlots(view, 2)).to.deep.equal([]);
    expect(afterSlots(view, 3)).to.deep.equal([{ do: 'unload', instanceId: 'w1/v-2' }]);
  });

  it('does not ask other workers again before a while', () => {
    const view = scalingView([v], [instanceView('v', { rateQps: 130 })], { memoryFreeBytes: 0 });
    expect(afterSlots(view, 1)).to.deep.equal([elsewhere]);
    expect(afterSlots(view, 5)).to.deep.equal([]);
    expect(afterSlots(view, 6)).to.deep.equal([elsewhere]);
  });

  it('says what it saw and what it rejected', () => {
    const view = scalingView(
      [v, quick({ accuracy: 80 })],
      [instanceView('v', { rateQps: 130, asks: { accuracyMin: 85 } })],
    );
    const [[decision]] = infaasPaper.decide(view, infaasPaper.initial);
    expect(decision).to.deep.include({
      subject: 'v',
      chosen: 'replicate v',
      why: 'headroom 0.77 is below 1.05',
      rejected: [{ what: 'upgrade v to w', why: 'does not meet what is asked' }],
    });
    expect(decision?.seen).to.include({ loadQps: 130, capacityQps: 100 });
  });
});
