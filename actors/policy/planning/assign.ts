/**
 * From a plan's shares to instances on workers: as many of each variant as its work needs, those
 * that are loaded kept where they are, the rest where most units are left (`reference/policies.md`
 * §9). Beside them every class keeps a fast variant loaded, the shock absorber that serves what no
 * forecast saw, with whatever memory is left.
 */

import type { HardwareKind } from '../../domain/hardware.ts';
import type { VariantId } from '../../domain/variant.ts';
import type { WorkerId } from '../../domain/worker.ts';
import { busyMax, instancesFor, type Plan, type PlanOption, type PlanProblem } from './problem.ts';

export interface AssignWorker {
  readonly id: WorkerId;
  readonly kind: HardwareKind;
  readonly units: number;
  /** For instances. */
  readonly memoryBytes: number;
  /** Serving or loading there. */
  readonly loaded: Readonly<Record<VariantId, number>>;
}

/** Instances a variant, by worker. */
export type Assignment = Readonly<Record<WorkerId, Readonly<Record<VariantId, number>>>>;

/** The absorbers of a class can carry this many times its forecast, memory allowing. */
const absorbs = 2;

interface Need {
  readonly option: PlanOption;
  count: number;
  /** Units each of them keeps busy. */
  readonly units: number;
}

interface Bin {
  readonly worker: AssignWorker;
  readonly counts: Record<VariantId, number>;
  unitsLeft: number;
  bytesLeft: number;
}

export function assignPlan(
  problem: PlanProblem,
  plan: Plan,
  workers: readonly AssignWorker[],
): Assignment {
  const bins: Bin[] = [...workers]
    .sort((a, b) => (a.id < b.id ? -1 : 1))
    .map((worker) => ({
      worker,
      counts: {},
      unitsLeft: worker.units,
      bytesLeft: worker.memoryBytes * problem.rules.memoryShare,
    }));
  const needs = needsOf(problem, plan);
  const holders = holdersOf(bins);
  const wanted = needs.map(({ count }) => count);
  for (const need of needs) keepThere(holders, need);
  // One of each before the second of any: no class is to be without.
  needs.forEach((need, at) => {
    if (need.count === wanted[at]) placeRest(bins, need, true, need.count - 1);
  });
  for (const need of needs) placeRest(bins, need, true);
  for (const need of absorbersOf(problem, bins)) {
    keepThere(holders, need);
    placeRest(bins, need, false);
  }
  const assignment: Record<WorkerId, Record<VariantId, number>> = {};
  // A worker with hardware of two kinds is two bins.
  for (const { worker, counts } of bins)
    assignment[worker.id] = { ...assignment[worker.id], ...counts };
  return assignment;
}

/** The most work first, so that large ones find their place. */
function needsOf({ classes }: PlanProblem, plan: Plan): Need[] {
  const work = new Map<VariantId, { readonly option: PlanOption; units: number }>();
  for (const { classAt, optionAt, rateQps } of plan.shares) {
    const option = classes[classAt]?.options[optionAt];
    if (option === undefined) continue;
    const known = work.get(option.variantId) ?? { option, units: 0 };
    known.units += rateQps / option.unitQps;
    work.set(option.variantId, known);
  }
  return [...work.values()]
    .sort((a, b) => b.units - a.units || (a.option.variantId < b.option.variantId ? -1 : 1))
    .map(({ option, units }) => {
      const count = Math.max(1, instancesFor(units));
      return { option, count, units: units / count };
    });
}

function takes({ worker, unitsLeft, bytesLeft }: Bin, { option, units }: Need): boolean {
  return (
    worker.kind === option.kind && option.memoryBytes <= bytesLeft && unitsLeft >= units - 1e-9
  );
}

function put(bin: Bin, need: Need): void {
  const { variantId, memoryBytes } = need.option;
  bin.counts[variantId] = (bin.counts[variantId] ?? 0) + 1;
  bin.unitsLeft -= need.units;
  bin.bytesLeft -= memoryBytes;
  need.count -= 1;
}

type Holders = ReadonlyMap<VariantId, readonly Bin[]>;

/** Where each variant is loaded. */
function holdersOf(bins: readonly Bin[]): Holders {
  const holders = new Map<VariantId, Bin[]>();
  for (const bin of bins) {
    for (const variantId of Object.keys(bin.worker.loaded)) {
      const known = holders.get(variantId);
      if (known === undefined) holders.set(variantId, [bin]);
      else known.push(bin);
    }
  }
  return holders;
}

function keepThere(holders: Holders, need: Need): void {
  const { variantId } = need.option;
  for (const bin of holders.get(variantId) ?? []) {
    const there = bin.worker.loaded[variantId] ?? 0;
    while (need.count > 0 && (bin.counts[variantId] ?? 0) < there && takes(bin, need)) {
      put(bin, need);
    }
  }
}

/** Until `left` of them have no place, or there is none. */
function placeRest(bins: readonly Bin[], need: Need, isNeeded: boolean, left = 0): void {
  while (need.count > left) {
    let best: Bin | undefined;
    for (const bin of bins) {
      if (!takes(bin, need) && !(isNeeded && takes(bin, { ...need, units: -Infinity }))) continue;
      if (best === undefined || isRoomier(bin, best, need.option.variantId)) best = bin;
    }
    if (best === undefined) return;
    put(best, need);
  }
}

/** Most units left; of equals the one with fewest of the same, so that absorbers spread. */
function isRoomier(bin: Bin, best: Bin, variantId: VariantId): boolean {
  const gap = bin.unitsLeft - best.unitsLeft;
  if (Math.abs(gap) > 1e-9) return gap > 0;
  return (bin.counts[variantId] ?? 0) < (best.counts[variantId] ?? 0);
}

/** The fastest way of each class on the hardware that there is; idle, they take no units. */
function absorbersOf({ classes }: PlanProblem, bins: readonly Bin[]): Need[] {
  const units = new Map<HardwareKind, number>();
  for (const { worker } of bins) {
    units.set(worker.kind, (units.get(worker.kind) ?? 0) + worker.units);
  }
  const planned = new Map<VariantId, number>();
  for (const { counts } of bins) {
    for (const [variantId, count] of Object.entries(counts))
      planned.set(variantId, (planned.get(variantId) ?? 0) + count);
  }
  const needs = new Map<VariantId, Need>();
  for (const { options, rateQps } of classes) {
    let best: PlanOption | undefined;
    for (const option of options) {
      const there = units.get(option.kind) ?? 0;
      const carries = there * option.unitQps;
      if (
        there > 0 &&
        carries > (best === undefined ? 0 : best.unitQps * (units.get(best.kind) ?? 0))
      )
        best = option;
    }
    if (best === undefined) continue;
    const there = units.get(best.kind) ?? 0;
    const wanted = Math.ceil((absorbs * rateQps) / best.unitQps / busyMax);
    const known = needs.get(best.variantId)?.count ?? 0;
    // More than there are units run no faster.
    const lacking = Math.min(Math.ceil(there), wanted) - (planned.get(best.variantId) ?? 0);
    const count = Math.max(known, lacking);
    if (count > 0) needs.set(best.variantId, { option: best, count, units: 0 });
  }
  return [...needs.values()].sort((a, b) => (a.option.variantId < b.option.variantId ? -1 : 1));
}
