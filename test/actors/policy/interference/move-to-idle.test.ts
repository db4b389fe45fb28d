/** What is done about interference, and how often. */

import { expect } from 'chai';

import {
  type CoreView,
  defaultMitigationRules,
  mitigate,
  type MitigationState,
} from '../../../../actors/policy/interference/move-to-idle.ts';
import type { ScaleAction, ScalingView } from '../../../../actors/policy/scaling/view.ts';
import { instanceView, scalingView } from '../../../support/scaling-view.ts';
import { variantOf } from '../../../support/variants.ts';

const disturbed = instanceView('v', { state: 'interfered', slowdown: 2.5 });
const variants = [variantOf('v'), variantOf('w')];
const cores: CoreView[] = [
  { core: 0, busy: 1 },
  { core: 1, busy: 0.1 },
  { core: 2, busy: 0.05 },
];

function actionsOf(view: ScalingView, among: readonly CoreView[] = cores): ScaleAction[] {
  const [decisions] = mitigate(view, among, defaultMitigationRules, {});
  return decisions.flatMap(({ actions }) => [...actions]);
}

const elsewhere = { do: 'place-elsewhere', variantId: 'v', instanceId: 'w1/v-1' };

describe('an interfered instance', () => {
  it('moves to the idlest core of its worker', () => {
    expect(actionsOf(scalingView(variants, [disturbed]))).to.deep.equal([
      { do: 'migrate', instanceId: 'w1/v-1', cores: [2] },
    ]);
  });

  it('does not share that core with another that moves', () => {
    const other = { ...disturbed, id: 'w1/w-1', variantId: 'w' };
    const third = { ...other, id: 'w1/w-2', variantId: 'v' };
    expect(actionsOf(scalingView(variants, [disturbed, other, third]))).to.deep.equal([
      { do: 'migrate', instanceId: 'w1/v-1', cores: [2] },
      { do: 'migrate', instanceId: 'w1/w-1', cores: [1] },
    ]);
  });

  it('is placed elsewhere when no core is idle, or none can be chosen', () => {
    const view = scalingView(variants, [disturbed]);
    expect(actionsOf(view, cores.slice(0, 1))).to.deep.equal([elsewhere]);
    expect(actionsOf(view, [])).to.deep.equal([elsewhere]);
  });

  it('is placed elsewhere when a second copy has no memory', () => {
    const view = scalingView(variants, [disturbed], { memoryFreeBytes: 1 });
    expect(actionsOf(view)).to.deep.equal([elsewhere]);
  });

  it('is let be while it moves, and so is what nobody disturbs', () => {
    const moving = { ...disturbed, moving: true };
    expect(actionsOf(scalingView(variants, [moving, instanceView('w')]))).to.deep.equal([]);
  });

  it('moves again after a pause that doubles, and starts over after a quiet time', () => {
    let state: MitigationState = {};
    const movedAt: number[] = [];
    for (let second = 0; second < 200; second += 1) {
      const view = scalingView(variants, second < 150 ? [disturbed] : [], {
        nowMs: second * 1_000,
      });
      const [decisions, next] = mitigate(view, cores, defaultMitigationRules, state);
      state = next;
      if (decisions.length > 0) movedAt.push(second);
    }
    expect(movedAt).to.deep.equal([0, 10, 30, 70]);
    const later = scalingView(variants, [disturbed], { nowMs: 1_000_000 });
    const [, after] = mitigate(later, cores, defaultMitigationRules, state);
    expect(after['v']).to.deep.equal({ atMs: 1_000_000, pauseMs: 10_000 });
  });
});
