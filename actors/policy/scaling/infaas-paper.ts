/**
 * The paper's Model-Autoscaler (`reference/infaas.md` §5, Case II), greedy. Headroom is combined
 * saturation throughput over load; below 1.05 it takes the cheaper of replicating and upgrading,
 * by the cost C·(d + λ·Tload·max(d, 0)); above it removes an instance or downgrades when the load
 * is still supported, after as many slots of a second as the variant takes to load.
 *
 * Deviations: units that others keep busy are not counted as free; what has a margin of 15 % less
 * is not removed, so that a constant load never flaps; a downgrade must not be dearer a query, for
 * dispatchers would load the cheaper one again.
 */

import { costUsdPer1000 } from '../../domain/variant.ts';
import { saturationQps } from '../../domain/profile.ts';
import type { Variant, VariantId } from '../../domain/variant.ts';
import {
  bytesTaken,
  type Group,
  groupsOf,
  occupancyUsdPerHour,
  servesAll,
  unitsLeftFor,
} from './groups.ts';
import type { ScaleAction, ScaleDecision, ScalingPolicy, ScalingView } from './view.ts';

export interface PaperState {
  /** Slots running in which each variant could have been scaled down. */
  readonly slots: Readonly<Record<VariantId, number>>;
  /** Variants that another worker was asked for, until when. */
  readonly askedUntilMs: Readonly<Record<VariantId, number>>;
}

export const initialPaperState: PaperState = { slots: {}, askedUntilMs: {} };

export const infaasPaper: ScalingPolicy<PaperState> = {
  initial: initialPaperState,
  decide: (view, state) => {
    const rules = { ...view.rules, downSlotsMin: 1 };
    return decideByHeadroom({ ...view, rules }, state, (_variantId, observedQps) => observedQps);
  },
};

/** The rule itself, for whatever `loadOf` takes each variant's load to be. */
export function decideByHeadroom(
  view: ScalingView,
  state: PaperState,
  loadOf: (variantId: VariantId, observedQps: number) => number,
): readonly [readonly ScaleDecision[], PaperState] {
  const groups = groupsOf(view, loadOf);
  const decisions: ScaleDecision[] = [];
  const slots: Record<VariantId, number> = {};
  const askedUntilMs: Record<VariantId, number> = {};
  for (const [variantId, untilMs] of Object.entries(state.askedUntilMs)) {
    if (untilMs > view.nowMs) askedUntilMs[variantId] = untilMs;
  }
  let memoryFreeBytes = view.memoryFreeBytes;
  for (const group of groups) {
    if (group.moving) continue;
    const { id } = group.variant;
    const now = { ...view, memoryFreeBytes };
    if (group.capacityQps < group.loadQps * view.rules.headroomMin) {
      const decision = scaleUp(now, group, groups, askedUntilMs[id] !== undefined);
      if (decision === undefined) continue;
      decisions.push(decision);
      memoryFreeBytes -= bytesTaken(view, decision.actions);
      if (decision.actions.some((action) => action.do === 'place-elsewhere')) {
        askedUntilMs[id] = view.nowMs + view.rules.askAgainMs;
      }
      continue;
    }
    const slot = (state.slots[id] ?? 0) + 1;
    const waits = Math.max(view.rules.downSlotsMin, Math.ceil(group.variant.profile.loadMs / 1000));
    const decision = scaleDown(now, group, groups);
    if (decision === undefined) continue;
    if (slot < waits) {
      slots[id] = slot;
      continue;
    }
    decisions.push(decision);
    memoryFreeBytes -= bytesTaken(view, decision.actions);
  }
  return [decisions, { slots, askedUntilMs }];
}

interface Option {
  readonly what: string;
  readonly actions: readonly ScaleAction[];
  readonly costUsdPerHour: number;
  /** Why it cannot be had here. */
  readonly obstacle: string | undefined;
}

function scaleUp(
  view: ScalingView,
  group: Group,
  groups: readonly Group[],
  asked: boolean,
): ScaleDecision | undefined {
  const options = [
    replicate(view, group, groups),
    ...view.variants.flatMap((variant) => upgrade(view, group, groups, variant) ?? []),
  ].sort((a, b) => a.costUsdPerHour - b.costUsdPerHour || (a.what < b.what ? -1 : 1));
  const best = options.find(({ obstacle }) => obstacle === undefined);
  if (best === undefined && asked) return undefined;
  const elsewhere = {
    do: 'place-elsewhere',
    variantId: group.variant.id,
    instanceId: undefined,
  } as const;
  return {
    subject: group.variant.id,
    actions: best?.actions ?? [elsewhere],
    chosen: best?.what ?? `place ${group.variant.id} on another worker`,
    why: `headroom ${headroomOf(group).toFixed(2)} is below ${String(view.rules.headroomMin)}`,
    seen: seenOf(group),
    rejected: options
      .filter((option) => option !== best)
      .map(({ what, obstacle, costUsdPerHour }) => ({
        what,
        why: obstacle ?? `costs ${costUsdPerHour.toPrecision(3)} USD/h`,
      })),
  };
}

/** Instances of `each` that carry the group's load with headroom. */
function countFor(view: ScalingView, group: Group, each: number, margin = 1): number {
  return each > 0 ? Math.ceil((group.loadQps * view.rules.headroomMin * margin) / each) : Infinity;
}

/** A quarter of a unit that others use is not worth a refusal. */
function unitsFor(group: Group, groups: readonly Group[]): number {
  return Math.floor(unitsLeftFor(group, groups) + 0.25);
}

function replicate(view: ScalingView, group: Group, groups: readonly Group[]): Option {
  const { variant, hardware, instances, saturationQps: each } = group;
  const have = instances.length;
  const units = unitsFor(group, groups);
  const wanted = Math.max(have + 1, countFor(view, group, each));
  // What fits is taken; the rest shows again in a second.
  const fits = Math.floor(view.memoryFreeBytes / Math.max(1, variant.profile.memoryBytes));
  const more = Math.min(wanted - have, units - have, fits);
  const obstacle =
    units <= have
      ? `${String(have)} instances occupy the ${String(units)} units there are for it`
      : fits < 1
        ? 'no memory for another instance'
        : undefined;
  return {
    what: `replicate ${variant.id}`,
    actions: more > 0 ? [{ do: 'load', variantId: variant.id, count: more }] : [],
    costUsdPerHour: costOf(view, variant, hardware, Math.max(1, more)),
    obstacle,
  };
}

function upgrade(
  view: ScalingView,
  group: Group,
  groups: readonly Group[],
  to: Variant,
): Option | undefined {
  const { variant, instances } = group;
  const hardware = view.hardware.find(({ kind }) => kind === to.hardware);
  const each = saturationQps(to.profile, to.batchMax);
  if (to.id === variant.id || hardware === undefined || each < 1.1 * group.saturationQps) {
    return undefined;
  }
  const what = `upgrade ${variant.id} to ${to.id}`;
  const units = to.hardware === variant.hardware ? unitsFor(group, groups) : hardware.units;
  const there = view.instances.filter(({ variantId }) => variantId === to.id).length;
  const count = Math.max(1, countFor(view, group, each));
  const kept = view.floors[variant.id] ?? 0;
  const removed = Math.max(0, instances.length - kept);
  const costUsdPerHour =
    costOf(view, to, hardware, count) - removed * occupancyUsdPerHour(variant, group.hardware);
  const obstacle = !servesAll(to, group)
    ? 'does not meet what is asked'
    : count > units
      ? `needs ${String(count)} units, there are ${String(units)}`
      : count * to.profile.memoryBytes > view.memoryFreeBytes
        ? 'no memory to load it beside what it replaces'
        : there > 0
          ? 'it is loaded here already'
          : undefined;
  return { what, actions: exchange(group, to, count, removed), costUsdPerHour, obstacle };
}

/** `count` of `to` for `removed` of the group's: one for one, then what is over. */
function exchange(group: Group, to: Variant, count: number, removed: number): ScaleAction[] {
  const victims = [...group.instances].sort(byUse).slice(0, removed);
  const actions: ScaleAction[] = victims
    .slice(0, count)
    .map(({ id }) => ({ do: 'replace', instanceId: id, variantId: to.id }));
  if (count > victims.length) {
    actions.push({ do: 'load', variantId: to.id, count: count - victims.length });
  }
  return actions;
}

function scaleDown(
  view: ScalingView,
  group: Group,
  groups: readonly Group[],
): ScaleDecision | undefined {
  const { variant, instances, saturationQps: each } = group;
  const have = instances.length;
  const kept = view.floors[variant.id] ?? 0;
  const [victim] = [...instances].sort(byUse);
  if (have <= kept || victim === undefined || victim.state === 'loading') return undefined;
  const of = { subject: victim.id, seen: seenOf(group), rejected: [] };
  const unload = { do: 'unload', instanceId: victim.id } as const;
  const idleMs = Math.min(...instances.map((instance) => instance.idleMs));
  if (have === 1 && group.loadQps === 0 && idleMs >= view.rules.idleAfterMs) {
    const why = `idle for ${(idleMs / 1000).toFixed(0)} s`;
    return { ...of, actions: [unload], chosen: `unload ${victim.id}`, why };
  }
  const enough = countFor(view, group, each, view.rules.downMargin);
  if (have > 1 && enough <= have - 1) {
    const why = `the load is carried by ${String(Math.max(1, enough))} of ${String(have)}`;
    return { ...of, actions: [unload], chosen: `unload ${victim.id}`, why };
  }
  return group.loadQps > 0 ? downgrade(view, group, groups, kept) : undefined;
}

function downgrade(
  view: ScalingView,
  group: Group,
  groups: readonly Group[],
  kept: number,
): ScaleDecision | undefined {
  const { variant, instances, hardware } = group;
  const nowUsdPerHour = instances.length * occupancyUsdPerHour(variant, hardware);
  let best: { readonly to: Variant; readonly count: number; readonly cost: number } | undefined;
  for (const to of view.variants) {
    const on = view.hardware.find(({ kind }) => kind === to.hardware);
    if (to.id === variant.id || on === undefined || !servesAll(to, group)) continue;
    if (view.instances.some(({ variantId }) => variantId === to.id)) continue;
    const each = saturationQps(to.profile, to.batchMax);
    const count = Math.max(1, countFor(view, group, each, view.rules.downMargin));
    const cost = count * occupancyUsdPerHour(to, on);
    if (count > unitsFor(group, groups) || count > instances.length - kept) continue;
    if (count * to.profile.memoryBytes > view.memoryFreeBytes) continue;
    if (cost > 0.8 * nowUsdPerHour || costUsdPer1000(to) > costUsdPer1000(variant)) continue;
    if (best === undefined || cost < best.cost) best = { to, count, cost };
  }
  if (best === undefined) return undefined;
  return {
    subject: variant.id,
    seen: { ...seenOf(group), nowUsdPerHour, thenUsdPerHour: best.cost },
    rejected: [],
    actions: exchange(group, best.to, best.count, instances.length - kept),
    chosen: `downgrade ${variant.id} to ${best.to.id}`,
    why: 'it carries the load and occupies less',
  };
}

/** C·(d + λ·Tload·d) for d > 0 instances more. */
function costOf(
  view: ScalingView,
  variant: Variant,
  hardware: Group['hardware'],
  count: number,
): number {
  const loadS = variant.profile.loadMs / 1000;
  return (
    occupancyUsdPerHour(variant, hardware) * (count + view.rules.loadWeightPerS * loadS * count)
  );
}

function headroomOf({ capacityQps, loadQps }: Group): number {
  return loadQps > 0 ? capacityQps / loadQps : Infinity;
}

function seenOf(group: Group): ScaleDecision['seen'] {
  return {
    loadQps: group.loadQps,
    capacityQps: group.capacityQps,
    instances: group.instances.length,
    overloaded: String(group.overloaded),
  };
}

/** The least used first: it is the one to go. */
function byUse(a: Group['instances'][number], b: Group['instances'][number]): number {
  return (
    b.idleMs - a.idleMs || a.running + a.queued - b.running - b.queued || (a.id < b.id ? 1 : -1)
  );
}
