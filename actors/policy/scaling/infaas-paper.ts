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
import { alikeOf, namedLike, usedLike } from '../alike.ts';
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

/** More of the variant, or `to` in its place. */
interface Option {
  readonly to: Variant;
  readonly count: number;
  readonly costUsdPerHour: number;
  /** Why it cannot be had here. */
  readonly obstacle: string | undefined;
}

/** A record names the nearest of what was rejected, not the whole registry. */
const rejectedMax = 8;

function scaleUp(
  view: ScalingView,
  group: Group,
  groups: readonly Group[],
  asked: boolean,
): ScaleDecision | undefined {
  const { variant } = group;
  const options = [replicate(view, group, groups), ...upgrades(view, group, groups)];
  const [best] = cheapest(
    options.filter(({ obstacle }) => obstacle === undefined),
    1,
  );
  if (best === undefined && asked) return undefined;
  const elsewhere = {
    do: 'place-elsewhere',
    variantId: variant.id,
    instanceId: undefined,
  } as const;
  return {
    subject: variant.id,
    actions: best === undefined ? [elsewhere] : actionsOf(view, group, best),
    chosen: best === undefined ? `place ${variant.id} on another worker` : whatIs(best, group),
    why: `headroom ${headroomOf(group).toFixed(2)} is below ${String(view.rules.headroomMin)}`,
    seen: seenOf(group),
    rejected: cheapest(options, rejectedMax + 1)
      .filter((option) => option !== best)
      .slice(0, rejectedMax)
      .map((option) => ({
        what: whatIs(option, group),
        why: option.obstacle ?? `costs ${option.costUsdPerHour.toPrecision(3)} USD/h`,
      })),
  };
}

/** In order; there may be a thousand, and all but a few are of no interest. */
function cheapest(options: readonly Option[], count: number): readonly Option[] {
  const found: Option[] = [];
  for (const option of options) {
    const last = found[count - 1];
    if (last !== undefined && !isCheaper(option, last)) continue;
    const at = found.findIndex((other) => isCheaper(option, other));
    found.splice(at < 0 ? found.length : at, 0, option);
    if (found.length > count) found.pop();
  }
  return found;
}

function isCheaper(a: Option, b: Option): boolean {
  if (a.costUsdPerHour !== b.costUsdPerHour) return a.costUsdPerHour < b.costUsdPerHour;
  return a.to.id < b.to.id;
}

function whatIs({ to }: Option, { variant }: Group): string {
  return to === variant ? `replicate ${variant.id}` : `upgrade ${variant.id} to ${to.id}`;
}

function actionsOf(view: ScalingView, group: Group, { to, count }: Option): ScaleAction[] {
  if (to === group.variant) return [{ do: 'load', variantId: to.id, count }];
  return exchange(group, to, count, removable(view, group));
}

/** Instances that the owner does not want kept. */
function removable({ floors }: ScalingView, { variant, instances }: Group): number {
  return Math.max(0, instances.length - (floors[variant.id] ?? 0));
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
  const count = Math.max(1, Math.min(wanted - have, units - have, fits));
  const obstacle =
    units <= have
      ? `${String(have)} instances occupy the ${String(units)} units there are for it`
      : fits < 1
        ? 'no memory for another instance'
        : undefined;
  const costUsdPerHour = costOf(view, variant, hardware, count);
  return { to: variant, count, costUsdPerHour, obstacle };
}

/** To whatever of more throughput serves the same, alone or not. */
function upgrades(view: ScalingView, group: Group, groups: readonly Group[]): Option[] {
  const units = unitsFor(group, groups);
  const savedUsdPerHour =
    removable(view, group) * occupancyUsdPerHour(group.variant, group.hardware);
  const loaded = new Set(view.instances.map(({ variantId }) => variantId));
  const options: Option[] = [];
  for (const to of usedLike(alikeOf(view.variants), group.variant)) {
    if (to.id === group.variant.id) continue;
    const hardware = view.hardware.find(({ kind }) => kind === to.hardware);
    const each = saturationQps(to.profile, to.batchMax);
    if (hardware === undefined || each < 1.1 * group.saturationQps) continue;
    const free = to.hardware === group.variant.hardware ? units : hardware.units;
    const count = Math.max(1, countFor(view, group, each));
    const obstacle = !servesAll(to, group)
      ? 'does not meet what is asked'
      : count > free
        ? `needs ${String(count)} units, there are ${String(free)}`
        : count * to.profile.memoryBytes > view.memoryFreeBytes
          ? 'no memory to load it beside what it replaces'
          : loaded.has(to.id)
            ? 'it is loaded here already'
            : undefined;
    const costUsdPerHour = costOf(view, to, hardware, count) - savedUsdPerHour;
    options.push({ to, count, costUsdPerHour, obstacle });
  }
  return options;
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
  const countMax = Math.min(unitsFor(group, groups), instances.length - kept);
  let best: { readonly to: Variant; readonly count: number; readonly cost: number } | undefined;
  for (const to of namedLike(alikeOf(view.variants), variant, group.demand)) {
    if (to.id === variant.id) continue;
    const on = view.hardware.find(({ kind }) => kind === to.hardware);
    if (on === undefined) continue;
    const each = saturationQps(to.profile, to.batchMax);
    const count = Math.max(1, countFor(view, group, each, view.rules.downMargin));
    const cost = count * occupancyUsdPerHour(to, on);
    if (count > countMax || cost > 0.8 * nowUsdPerHour || (best !== undefined && cost >= best.cost))
      continue;
    if (count * to.profile.memoryBytes > view.memoryFreeBytes || isLoaded(view, to)) continue;
    if (costUsdPer1000(to) > costUsdPer1000(variant) || !servesAll(to, group)) continue;
    best = { to, count, cost };
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

function isLoaded({ instances }: ScalingView, { id }: Variant): boolean {
  return instances.some(({ variantId }) => variantId === id);
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
