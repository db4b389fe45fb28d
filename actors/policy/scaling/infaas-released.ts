/**
 * The Model-Autoscaler of the released code (`reference/infaas.md` §5), whose cost is load latency:
 * "individual" scales each variant on its own, the sum of its loads plus a thousand of them for
 * every instance past the limit (two on a CPU, else one); "fastest" upgrades all to the fastest
 * variant, and is taken when individual costs more than 1.5 times as much. Scaling down waits 20
 * ticks of half a second on a GPU, 10 on a CPU.
 */

import type { HardwareKind } from '../../domain/hardware.ts';
import { saturationQps } from '../../domain/profile.ts';
import type { Variant, VariantId } from '../../domain/variant.ts';
import { bytesTaken, type Group, groupsOf, servesAll } from './groups.ts';
import type { ScaleDecision, ScalingPolicy, ScalingView } from './view.ts';

export interface ReleasedState {
  readonly slots: Readonly<Record<VariantId, number>>;
}

const instancesMax: Readonly<Record<HardwareKind, number>> = {
  cpu: 2,
  cuda: 1,
  webgpu: 1,
  inferentia: 1,
};
/** Seconds: ticks of half a second in the code. */
const downSlots: Readonly<Record<HardwareKind, number>> = {
  cpu: 5,
  cuda: 10,
  webgpu: 10,
  inferentia: 8,
};
const pastLimit = 1000;
const fastestBelow = 1.5;

export const infaasReleased: ScalingPolicy<ReleasedState> = {
  initial: { slots: {} },
  decide: (view, state) => {
    const decisions: ScaleDecision[] = [];
    const slots: Record<VariantId, number> = {};
    let memoryFreeBytes = view.memoryFreeBytes;
    for (const group of groupsOf(view, (_variantId, observedQps) => observedQps)) {
      if (group.moving) continue;
      const needed = Math.max(1, Math.ceil(group.loadQps / Math.max(1e-9, group.saturationQps)));
      const have = group.instances.length;
      const up = needed > have || (group.overloaded && needed >= have);
      const decision = up
        ? scaleUp({ ...view, memoryFreeBytes }, group, Math.max(needed, have + 1))
        : scaleDown(view, group, needed);
      if (decision === undefined) continue;
      const { id, hardware } = group.variant;
      const slot = (state.slots[id] ?? 0) + 1;
      if (!up && slot < downSlots[hardware]) {
        slots[id] = slot;
        continue;
      }
      decisions.push(decision);
      memoryFreeBytes -= bytesTaken(view, decision.actions);
    }
    return [decisions, { slots }];
  },
};

function scaleUp(view: ScalingView, group: Group, needed: number): ScaleDecision | undefined {
  const { variant, instances } = group;
  const more = needed - instances.length;
  const over = Math.max(0, needed - instancesMax[variant.hardware]);
  const individual = variant.profile.loadMs * (more + pastLimit * over);
  const fastest = fastestOf(view, group);
  const count =
    fastest === undefined
      ? Infinity
      : Math.ceil(group.loadQps / saturationQps(fastest.profile, fastest.batchMax));
  const fastestCost = fastest === undefined ? Infinity : fastest.profile.loadMs * count;
  const of = {
    subject: variant.id,
    why: `the load needs ${String(needed)} instances, there are ${String(instances.length)}`,
    seen: { loadQps: group.loadQps, individual, fastest: fastestCost },
  };
  if (fastest !== undefined && individual > fastestBelow * fastestCost) {
    const [victim] = instances;
    if (victim === undefined) return undefined;
    return {
      ...of,
      actions: [{ do: 'replace', instanceId: victim.id, variantId: fastest.id }],
      chosen: `upgrade ${variant.id} to ${fastest.id}`,
      rejected: [{ what: 'individual', why: 'costs more than 1.5 times as much' }],
    };
  }
  const room = Math.floor(view.memoryFreeBytes / Math.max(1, variant.profile.memoryBytes));
  const allowed = Math.min(more, instancesMax[variant.hardware] - instances.length, room);
  const elsewhere = {
    do: 'place-elsewhere',
    variantId: variant.id,
    instanceId: undefined,
  } as const;
  return {
    ...of,
    actions: allowed > 0 ? [{ do: 'load', variantId: variant.id, count: allowed }] : [elsewhere],
    chosen: allowed > 0 ? `replicate ${variant.id}` : `place ${variant.id} on another worker`,
    rejected: [{ what: 'fastest', why: 'costs more' }],
  };
}

function fastestOf(view: ScalingView, group: Group): Variant | undefined {
  let best: Variant | undefined;
  let bestQps = group.saturationQps;
  for (const candidate of view.variants) {
    const here = view.hardware.some(({ kind }) => kind === candidate.hardware);
    if (!here || candidate.architecture !== group.variant.architecture) continue;
    const each = saturationQps(candidate.profile, candidate.batchMax);
    if (each <= bestQps || !servesAll(candidate, group)) continue;
    if (candidate.profile.memoryBytes > view.memoryFreeBytes) continue;
    best = candidate;
    bestQps = each;
  }
  return best;
}

function scaleDown(view: ScalingView, group: Group, needed: number): ScaleDecision | undefined {
  const { variant, instances } = group;
  const kept = Math.max(view.floors[variant.id] ?? 0, group.loadQps > 0 ? needed : 0);
  const victim = [...instances].sort((a, b) => b.idleMs - a.idleMs)[0];
  if (instances.length <= kept || victim === undefined) return undefined;
  return {
    subject: victim.id,
    actions: [{ do: 'unload', instanceId: victim.id }],
    chosen: `unload ${victim.id}`,
    why: `the load needs ${String(kept)} of ${String(instances.length)}`,
    seen: { loadQps: group.loadQps },
    rejected: [],
  };
}
