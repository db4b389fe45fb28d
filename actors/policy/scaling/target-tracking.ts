/**
 * SM+ (`reference/infaas.md` §7): each variant is scaled out and in on its own, as SageMaker does,
 * and never changed for another. The target is a rate an instance, here 70 % of its saturation;
 * more are added as soon as the rate is above it, fewer are kept only after five quiet minutes
 * (SageMaker's default cool-down of 300 s for scaling in).
 */

import type { VariantId } from '../../domain/variant.ts';
import { type Group, groupsOf } from './groups.ts';
import type { ScaleDecision, ScalingPolicy } from './view.ts';

/** Since when each variant had more instances than its target asks. */
export interface TrackingState {
  readonly sinceMs: Readonly<Record<VariantId, number>>;
  readonly askedUntilMs: Readonly<Record<VariantId, number>>;
}

const target = 0.7;
const coolDownMs = 300_000;

export const targetTracking: ScalingPolicy<TrackingState> = {
  initial: { sinceMs: {}, askedUntilMs: {} },
  decide: (view, state) => {
    const decisions: ScaleDecision[] = [];
    const sinceMs: Record<VariantId, number> = {};
    const askedUntilMs: Record<VariantId, number> = { ...state.askedUntilMs };
    let memoryFreeBytes = view.memoryFreeBytes;
    for (const group of groupsOf(view, (_variantId, observedQps) => observedQps)) {
      if (group.moving) continue;
      const { variant, instances, loadQps, saturationQps } = group;
      const have = instances.length;
      const wanted = Math.ceil(loadQps / Math.max(1e-9, target * saturationQps));
      if (wanted > have) {
        const isAsked = (askedUntilMs[variant.id] ?? 0) > view.nowMs;
        const decision = scaleOut(group, wanted, memoryFreeBytes, isAsked);
        if (decision === undefined) continue;
        decisions.push(decision);
        const [action] = decision.actions;
        if (action?.do === 'load') {
          memoryFreeBytes -= action.count * variant.profile.memoryBytes;
        } else askedUntilMs[variant.id] = view.nowMs + view.rules.askAgainMs;
        continue;
      }
      const kept = Math.max(1, wanted, view.floors[variant.id] ?? 0);
      if (have <= kept) continue;
      const since = state.sinceMs[variant.id] ?? view.nowMs;
      sinceMs[variant.id] = since;
      if (view.nowMs - since >= coolDownMs) decisions.push(...scaleIn(group, kept));
    }
    return [decisions, { sinceMs, askedUntilMs }];
  },
};

/** Undefined: nothing fits here, and another worker was asked already. */
function scaleOut(
  { variant, instances, loadQps, hardware }: Group,
  wanted: number,
  memoryFreeBytes: number,
  isAsked: boolean,
): ScaleDecision | undefined {
  const have = instances.length;
  const fits = Math.floor(memoryFreeBytes / Math.max(1, variant.profile.memoryBytes));
  // An instance more than there are units serves no more.
  const count = Math.min(wanted - have, fits, hardware.units - have);
  const elsewhere = {
    do: 'place-elsewhere',
    variantId: variant.id,
    instanceId: undefined,
  } as const;
  if (count <= 0 && isAsked) return undefined;
  return {
    subject: variant.id,
    actions: count > 0 ? [{ do: 'load', variantId: variant.id, count }] : [elsewhere],
    chosen: count > 0 ? `replicate ${variant.id}` : `place ${variant.id} on another worker`,
    why: `at ${String(100 * target)} % each it needs ${String(wanted)}, there are ${String(have)}`,
    seen: { loadQps, wanted, have, units: hardware.units },
    rejected: [],
  };
}

function scaleIn({ variant, instances, loadQps }: Group, kept: number): ScaleDecision[] {
  const spare = [...instances]
    .filter(({ state }) => state !== 'loading')
    .sort((a, b) => b.idleMs - a.idleMs || (a.id < b.id ? 1 : -1));
  return spare.slice(0, instances.length - kept).map(({ id }) => ({
    subject: id,
    actions: [{ do: 'unload', instanceId: id }],
    chosen: `unload ${id}`,
    why: `for five minutes ${String(kept)} of ${variant.id} were enough`,
    seen: { loadQps, kept },
    rejected: [],
  }));
}
