/**
 * A worker's part of the joint plan (`reference/policies.md` §9): it loads what it was assigned at
 * once, and lets go of what it was not once all that is loaded. Between plans it adds, and only
 * adds, where load or backlog is above what it has. Where nobody plans, or the plan is stale, it
 * scales by itself (`steady`).
 */

import type { InstanceId } from '../../domain/instance.ts';
import type { VariantId } from '../../domain/variant.ts';
import { alikeOf } from '../alike.ts';
import { type Group, groupsOf, unitsLeftFor } from './groups.ts';
import { foresee, steady, type SteadyState } from './steady.ts';
import type {
  AssignedPlan,
  ScaleDecision,
  ScalingInstance,
  ScalingPolicy,
  ScalingView,
} from './view.ts';

export interface PlannedState {
  readonly alone: SteadyState;
  /** When each instance was first seen: a plan made before that says nothing of it. */
  readonly sinceMs: Readonly<Record<InstanceId, number>>;
}

/** A controller that has been away for so long plans no more. */
const staleAfterMs = 30_000;
/** What was added between plans stays for at least this long. */
const settleMs = 10_000;

export const planned: ScalingPolicy<PlannedState> = {
  initial: { alone: steady.initial, sinceMs: {} },
  decide: (view, state) => {
    const { plan } = view;
    const sinceMs: Record<InstanceId, number> = {};
    for (const { id } of view.instances) sinceMs[id] = state.sinceMs[id] ?? view.nowMs;
    if (plan === undefined || view.nowMs - plan.atMs > staleAfterMs) {
      const [unplanned, alone] = steady.decide(view, state.alone);
      return [unplanned, { alone, sinceMs }];
    }
    const groups = groupsOf(view, (_variantId, observedQps) => observedQps);
    // Its forecasts are kept warm: it may have to take over.
    const alone = foresee(view, state.alone, groups);
    const missing = loadMissing(view, plan, groups);
    const added = missing.length > 0 ? [] : addBetweenPlans(view, groups);
    const isComplete = missing.length === 0 && added.length === 0 && !isLoading(view);
    const surplus = surplusOf(view, plan, groups, sinceMs);
    // Memory that the plan needs is given up first; else nothing goes before its successor serves.
    const removed = isComplete || missing.some(({ actions }) => actions.length === 0);
    return [
      [
        ...missing.filter(({ actions }) => actions.length > 0),
        ...added,
        ...(removed ? unload(surplus, plan) : []),
      ],
      { alone, sinceMs },
    ];
  },
};

function isLoading({ instances }: ScalingView): boolean {
  return instances.some(({ state, moving }) => state === 'loading' || moving);
}

/** What serves or will. */
function countOf(groups: readonly Group[], variantId: VariantId): number {
  return groups.find(({ variant }) => variant.id === variantId)?.instances.length ?? 0;
}

/** A decision without actions lacks memory. */
function loadMissing(
  view: ScalingView,
  plan: AssignedPlan,
  groups: readonly Group[],
): ScaleDecision[] {
  const { byId } = alikeOf(view.variants);
  let memoryFreeBytes = view.memoryFreeBytes;
  const decisions: ScaleDecision[] = [];
  for (const [variantId, wanted] of Object.entries(plan.counts)) {
    const variant = byId.get(variantId);
    const there = countOf(groups, variantId);
    if (variant === undefined || there >= wanted) continue;
    const { memoryBytes } = variant.profile;
    const fits = Math.max(0, Math.floor(memoryFreeBytes / Math.max(1, memoryBytes)));
    const count = Math.min(wanted - there, fits);
    memoryFreeBytes -= count * memoryBytes;
    decisions.push({
      subject: variantId,
      actions: count > 0 ? [{ do: 'load', variantId, count, plannedAtMs: plan.atMs }] : [],
      chosen: `load ${String(count)} of ${variantId}`,
      why: `the plan wants ${String(wanted)} here, there are ${String(there)}`,
      seen: { wanted, there, fits },
      rejected: [],
    });
  }
  return decisions;
}

/** Load or backlog above what there is: one more of what is short, where it has units and room. */
function addBetweenPlans(view: ScalingView, groups: readonly Group[]): ScaleDecision[] {
  let memoryFreeBytes = view.memoryFreeBytes;
  return groups.flatMap((group): ScaleDecision[] => {
    const { variant, instances, capacityQps, loadQps } = group;
    const isShort = group.overloaded || capacityQps < loadQps * view.rules.headroomMin;
    const units = Math.floor(unitsLeftFor(group, groups) + 0.25);
    if (group.moving || !isShort || units <= instances.length) return [];
    if (instances.some(({ state }) => state === 'loading')) return [];
    if (variant.profile.memoryBytes > memoryFreeBytes) return [];
    memoryFreeBytes -= variant.profile.memoryBytes;
    return [addition(group)];
  });
}

function addition({ variant, instances, capacityQps, loadQps }: Group): ScaleDecision {
  return {
    subject: variant.id,
    actions: [{ do: 'load', variantId: variant.id, count: 1 }],
    chosen: `replicate ${variant.id}`,
    why: 'its load is above what was planned for, and there are units for one more',
    seen: { loadQps, capacityQps, instances: instances.length },
    rejected: [],
  };
}

/** Beyond the plan and the owner's floor, the least used first. */
function surplusOf(
  view: ScalingView,
  plan: AssignedPlan,
  groups: readonly Group[],
  sinceMs: Readonly<Record<InstanceId, number>>,
): ScalingInstance[] {
  const surplus: ScalingInstance[] = [];
  for (const { variant, instances, overloaded } of groups) {
    const kept = Math.max(plan.counts[variant.id] ?? 0, view.floors[variant.id] ?? 0);
    const over = instances.length - kept;
    // What owes work lets go of nothing, whatever the plan has counted.
    if (over <= 0 || overloaded) continue;
    const spare = instances
      .filter(({ id, state, moving }) => {
        const bornMs = sinceMs[id] ?? view.nowMs;
        const isSettled = plan.atMs >= bornMs && view.nowMs - bornMs >= settleMs;
        return !moving && state !== 'loading' && isSettled;
      })
      .sort((a, b) => b.idleMs - a.idleMs || (a.id < b.id ? 1 : -1));
    surplus.push(...spare.slice(0, over));
  }
  return surplus;
}

function unload(surplus: readonly ScalingInstance[], plan: AssignedPlan): ScaleDecision[] {
  return surplus.map(({ id, variantId, idleMs }) => ({
    subject: id,
    actions: [{ do: 'unload', instanceId: id }],
    chosen: `unload ${id}`,
    why: `the plan wants ${String(plan.counts[variantId] ?? 0)} of ${variantId} here`,
    seen: { idleMs },
    rejected: [],
  }));
}
