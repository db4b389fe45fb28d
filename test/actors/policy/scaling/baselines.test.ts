/**
 * The model-autoscalers of the released code and of SM+ as tables: what they do about which load
 * (`reference/infaas.md` §5, §7).
 */

import { expect } from 'chai';

import type { Variant } from '../../../../actors/domain/variant.ts';
import { infaasReleased } from '../../../../actors/policy/scaling/infaas-released.ts';
import { targetTracking } from '../../../../actors/policy/scaling/target-tracking.ts';
import type {
  ScaleAction,
  ScalingPolicy,
  ScalingView,
} from '../../../../actors/policy/scaling/view.ts';
import { instanceView, scalingView } from '../../../support/scaling-view.ts';
import { mebibyte, perQuery, variantOf, type VariantParts } from '../../../support/variants.ts';
import { cpuOf } from '../../../support/worker-stage.ts';

/** What it does in the end, one second after the other. */
function after<S>(policy: ScalingPolicy<S>, view: ScalingView, seconds: number): ScaleAction[] {
  let state = policy.initial;
  let actions: ScaleAction[] = [];
  for (let second = 0; second < seconds; second += 1) {
    const [decisions, next] = policy.decide({ ...view, nowMs: 1_000 * (second + 1) }, state);
    state = next;
    actions = decisions.flatMap((decision) => [...decision.actions]);
  }
  return actions;
}

type Case = readonly [behaviour: string, view: ScalingView, actions: readonly ScaleAction[]];

/** Saturates at 100 a second, loads in 100 ms. */
const v = variantOf('v', { architecture: 'a', memoryBytes: 8 * mebibyte });
/** Of the same architecture, saturates at 500 a second. */
const quick = (parts: VariantParts = {}): Variant =>
  variantOf('w', { architecture: 'a', latency: perQuery(2), ...parts });

const oneMore: ScaleAction = { do: 'load', variantId: 'v', count: 1 };
const elsewhere: ScaleAction = { do: 'place-elsewhere', variantId: 'v', instanceId: undefined };
const upgraded: ScaleAction = { do: 'replace', instanceId: 'w1/v-1', variantId: 'w' };
const removed: ScaleAction = { do: 'unload', instanceId: 'w1/v-2' };

const at = (rateQps: number): ScalingView['instances'] => [instanceView('v', { rateQps })];
const two = (rateQps: number): ScalingView['instances'] => [
  instanceView('v', { rateQps: rateQps / 2 }),
  instanceView('v', { id: 'w1/v-2', rateQps: rateQps / 2, idleMs: 5 }),
];
/** Memory for as many as one may want. */
const roomy = { hardware: cpuOf(512 * mebibyte, 8), memoryFreeBytes: 512 * mebibyte };

describe('the model-autoscaler of the released code', () => {
  const cases: readonly Case[] = [
    ['leaves alone what carries its load to the last', scalingView([v], at(100)), []],
    ['replicates for a load that needs two', scalingView([v], at(101)), [oneMore]],
    [
      'replicates what is overloaded, whatever its rate',
      scalingView([v], [instanceView('v', { rateQps: 10, state: 'overloaded' })]),
      [oneMore],
    ],
    [
      'upgrades all to the fastest when a replica would be the third on a CPU',
      scalingView([v, quick()], at(250), roomy),
      [upgraded],
    ],
    [
      'upgrades when loading replicas costs more than 1.5 times as much',
      scalingView([v, quick({ loadMs: 60 })], at(130), roomy),
      [upgraded],
    ],
    [
      'replicates when it costs no more than 1.5 times as much',
      scalingView([v, quick({ loadMs: 70 })], at(130), roomy),
      [oneMore],
    ],
    [
      'upgrades to nothing of another architecture',
      scalingView([v, quick({ architecture: 'b', loadMs: 1 })], at(130), roomy),
      [oneMore],
    ],
    [
      'upgrades to nothing that is less accurate than asked',
      scalingView(
        [v, quick({ accuracy: 80, loadMs: 1 })],
        [instanceView('v', { rateQps: 130, asks: { accuracyMin: 85 } })],
      ),
      [oneMore],
    ],
    ['replicates no further than two on a CPU', scalingView([v], two(350), roomy), [elsewhere]],
    [
      'asks another worker where memory is short',
      scalingView([v], at(130), { memoryFreeBytes: mebibyte }),
      [elsewhere],
    ],
    [
      'does nothing about what is being replaced',
      scalingView([v], [instanceView('v', { rateQps: 130, moving: true })]),
      [],
    ],
  ];
  for (const [behaviour, view, expected] of cases) {
    it(behaviour, () => {
      expect(after(infaasReleased, view, 1)).to.deep.equal(expected);
    });
  }

  it('removes one only after ten ticks of half a second on a CPU', () => {
    const view = scalingView([v], two(60));
    expect(after(infaasReleased, view, 4)).to.deep.equal([]);
    expect(after(infaasReleased, view, 5)).to.deep.equal([removed]);
  });

  it('removes nothing that the owner wants kept, nor the last that is asked for', () => {
    expect(
      after(infaasReleased, scalingView([v], two(60), { floors: { v: 2 } }), 60),
    ).to.deep.equal([]);
    expect(after(infaasReleased, scalingView([v], at(1)), 60)).to.deep.equal([]);
  });
});

describe('the model-autoscaler of SM+', () => {
  const cases: readonly Case[] = [
    ['leaves alone what is at its target of 70 %', scalingView([v], at(70)), []],
    ['replicates above it', scalingView([v], at(71)), [oneMore]],
    [
      'adds as many as the load asks at once',
      scalingView([v], at(250), roomy),
      [{ do: 'load', variantId: 'v', count: 3 }],
    ],
    [
      'never changes the variant, however much better another is',
      scalingView([v, quick({ loadMs: 1, memoryBytes: 1 })], at(130), roomy),
      [oneMore],
    ],
    [
      'loads no more than there are units, and else asks another worker',
      scalingView([v], at(130), { hardware: cpuOf(64 * mebibyte, 1) }),
      [elsewhere],
    ],
    [
      'asks another worker where memory is short',
      scalingView([v], at(130), { memoryFreeBytes: mebibyte }),
      [elsewhere],
    ],
    [
      'does nothing about what is being replaced',
      scalingView([v], [instanceView('v', { rateQps: 130, moving: true })]),
      [],
    ],
  ];
  for (const [behaviour, view, expected] of cases) {
    it(behaviour, () => {
      expect(after(targetTracking, view, 1)).to.deep.equal(expected);
    });
  }

  it('removes what it does not need only after five quiet minutes', () => {
    const view = scalingView([v], two(40));
    expect(after(targetTracking, view, 300)).to.deep.equal([]);
    expect(after(targetTracking, view, 301)).to.deep.equal([removed]);
  });

  it('counts the five minutes anew after any load that needs both', () => {
    let state = targetTracking.initial;
    let actions: ScaleAction[] = [];
    for (let second = 0; second <= 400; second += 1) {
      const instances = two(second === 200 ? 100 : 40);
      const view = scalingView([v], instances, { nowMs: 1_000 * second });
      const [decisions, next] = targetTracking.decide(view, state);
      state = next;
      actions = decisions.flatMap((decision) => [...decision.actions]);
    }
    expect(actions).to.deep.equal([]);
  });

  it('keeps the last one, and what the owner wants kept', () => {
    expect(after(targetTracking, scalingView([v], at(0)), 400)).to.deep.equal([]);
    const floors = { v: 2 };
    expect(after(targetTracking, scalingView([v], two(40), { floors }), 400)).to.deep.equal([]);
  });

  it('does not ask other workers again before a while', () => {
    const view = scalingView([v], at(130), { memoryFreeBytes: 0 });
    expect(after(targetTracking, view, 1)).to.deep.equal([elsewhere]);
    expect(after(targetTracking, view, 5)).to.deep.equal([]);
    expect(after(targetTracking, view, 6)).to.deep.equal([elsewhere]);
  });
});
