/**
 * The joint plan's problem as data (`reference/policies.md` §9): which variants serve which class
 * of queries on which kind of hardware, with how many machines. Every rate is queries a second,
 * work is units of hardware kept busy, money is US dollars an hour.
 */

import type { HardwareKind } from '../../domain/hardware.ts';
import type { VariantId } from '../../domain/variant.ts';

/** One way to serve a class: a variant that is accurate and fast enough for it. */
export interface PlanOption {
  readonly variantId: VariantId;
  readonly kind: HardwareKind;
  /** Percent. */
  readonly accuracy: number;
  /** Of one instance on one unit, at batches that the class's latency allows. */
  readonly unitQps: number;
  readonly memoryBytes: number;
  readonly loadMs: number;
  readonly loaded: boolean;
}

/** Queries that ask the same. */
export interface PlanClass {
  readonly key: string;
  /** To be served, as forecast. */
  readonly rateQps: number;
  readonly options: readonly PlanOption[];
}

/** All machines of a kind are taken to be alike. */
export interface PlanMachines {
  readonly kind: HardwareKind;
  readonly units: number;
  readonly memoryBytes: number;
  readonly usdPerHour: number;
  /** Those that there are, starting ones among them, and may be. */
  readonly now: number;
  readonly min: number;
  readonly max: number;
}

export interface PlanRules {
  /** What a point of accuracy on an hour of one query a second is worth; less than any machine. */
  readonly pointUsd: number;
  /** What a query a second that nobody serves costs an hour; more than any machine. */
  readonly lossUsd: number;
  /** Points that a variant not loaded must be better by, for each second of its load. */
  readonly loadPointsPerS: number;
  /** Square-root staffing: of c units, a are used, with c = a + h·sqrt(a). */
  readonly staffing: number;
  /** Share of the memory that plans fill. */
  readonly memoryShare: number;
}

/**
 * `pointUsd`: ten points on 1,000 queries a second are worth a cent an hour, so machines are bought
 * for load alone and accuracy is what they have room for. `staffing`: 0.6 beside a forecast that
 * has its own three deviations. Tuned on training seeds (docs/policies.md).
 */
export const defaultPlanRules: PlanRules = {
  pointUsd: 1e-6,
  lossUsd: 10,
  loadPointsPerS: 0.2,
  staffing: 0.6,
  memoryShare: 0.8,
};

export interface PlanProblem {
  readonly classes: readonly PlanClass[];
  readonly machines: readonly PlanMachines[];
  readonly rules: PlanRules;
}

export interface PlanShare {
  readonly classAt: number;
  readonly optionAt: number;
  readonly rateQps: number;
}

export interface Plan {
  readonly shares: readonly PlanShare[];
  readonly machines: Readonly<Partial<Record<HardwareKind, number>>>;
  /** Dollars an hour: worth of the accuracy less machines, loads and loss. */
  readonly value: number;
  /** Queries a second that it leaves unserved. */
  readonly unservedQps: number;
  readonly by: 'greedy' | 'milp';
}

/** Units of `c` that may be kept busy: a of c = a + h·sqrt(a). */
export function usableUnits(units: number, staffing: number): number {
  if (units <= 0) return 0;
  const root = (Math.sqrt(staffing * staffing + 4 * units) - staffing) / 2;
  return root * root;
}

/** An instance serves one batch at a time: busier than this its queue costs too much time. */
export const busyMax = 0.7;

/** So many instances does that much work of a variant need, in units kept busy. */
export function instancesFor(units: number): number {
  return units > 0 ? Math.max(1, Math.ceil(units / busyMax - 1e-6)) : 0;
}

/** What a plan may fill of one machine, bytes. */
export function roomOf({ memoryBytes }: PlanMachines, { memoryShare }: PlanRules): number {
  return memoryBytes * memoryShare;
}

/** What a query a second by this option is worth an hour, the wear of loading it taken off. */
export function worthUsd({ accuracy, loaded, loadMs }: PlanOption, rules: PlanRules): number {
  const wear = loaded ? 0 : (rules.loadPointsPerS * loadMs) / 1_000;
  return rules.pointUsd * (accuracy - wear);
}

/** Value of shares and machines; what is not shared out is lost. */
export function valueOf(
  problem: PlanProblem,
  shares: readonly PlanShare[],
  machines: Plan['machines'],
): { readonly value: number; readonly unservedQps: number } {
  const { classes, rules } = problem;
  let value = 0;
  let unservedQps = 0;
  for (const { rateQps } of classes) unservedQps += rateQps;
  for (const { classAt, optionAt, rateQps } of shares) {
    const option = classes[classAt]?.options[optionAt];
    if (option === undefined) continue;
    value += rateQps * worthUsd(option, rules);
    unservedQps -= rateQps;
  }
  unservedQps = Math.max(0, unservedQps);
  for (const { kind, usdPerHour } of problem.machines) value -= (machines[kind] ?? 0) * usdPerHour;
  return { value: value - rules.lossUsd * unservedQps, unservedQps };
}

/**
 * What is wrong with a plan, or undefined: a solver's word is not taken for it. Rates that do not
 * exceed the demand, work within the units, models within the memory, machines within their limits.
 */
export function faultOf(problem: PlanProblem, plan: Plan): string | undefined {
  const { classes, machines, rules } = problem;
  const tolerance = 1e-3;
  const served = classes.map(() => 0);
  const work = new Map<HardwareKind, number>();
  const byVariant = new Map<VariantId, { readonly option: PlanOption; readonly units: number }>();
  for (const { classAt, optionAt, rateQps } of plan.shares) {
    const option = classes[classAt]?.options[optionAt];
    if (option === undefined) return `there is no option ${String(optionAt)}`;
    if (!(rateQps >= 0)) return `a rate of ${String(rateQps)}`;
    served[classAt] = (served[classAt] ?? 0) + rateQps;
    const units = rateQps / option.unitQps;
    work.set(option.kind, (work.get(option.kind) ?? 0) + units);
    const before = byVariant.get(option.variantId)?.units ?? 0;
    byVariant.set(option.variantId, { option, units: before + units });
  }
  const bytes = new Map<HardwareKind, number>();
  const largest = new Map<HardwareKind, number>();
  for (const { option, units } of byVariant.values()) {
    const { kind, memoryBytes } = option;
    bytes.set(kind, (bytes.get(kind) ?? 0) + memoryBytes * instancesFor(units));
    largest.set(kind, Math.max(memoryBytes, largest.get(kind) ?? 0));
  }
  for (const [at, { key, rateQps }] of classes.entries()) {
    if ((served[at] ?? 0) > rateQps * (1 + tolerance) + tolerance) return `${key} is oversupplied`;
  }
  for (const machine of machines) {
    const { kind, units, min, max } = machine;
    const count = plan.machines[kind] ?? 0;
    if (!Number.isInteger(count)) return `${String(count)} machines of ${kind}`;
    if (count < min || count > max) return `${String(count)} machines of ${kind} are not allowed`;
    const usable = usableUnits(units * count, rules.staffing);
    if ((work.get(kind) ?? 0) > usable * (1 + tolerance) + tolerance) return `${kind} is overfull`;
    const room = roomOf(machine, rules) * (1 + tolerance);
    const isTooLarge = (largest.get(kind) ?? 0) > room;
    if (isTooLarge || (bytes.get(kind) ?? 0) > room * count) return `${kind} lacks memory`;
    work.delete(kind);
  }
  return work.size > 0 ? 'it uses hardware that there is none of' : undefined;
}
