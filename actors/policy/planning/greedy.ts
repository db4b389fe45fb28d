/**
 * The joint plan without a solver (`reference/policies.md` §3): every class by what wears the
 * hardware least, then the best marginal upgrade while there is room, then the best swap until
 * there is none; over the numbers of machines by steps from what there is. It is the fallback of
 * the exact program, and what runs where a plan must take no longer than milliseconds.
 */

import type { HardwareKind } from '../../domain/hardware.ts';
import type { VariantId } from '../../domain/variant.ts';
import {
  busyMax,
  instancesFor,
  type Plan,
  type PlanMachines,
  type PlanOption,
  type PlanProblem,
  type PlanShare,
  roomOf,
  usableUnits,
  valueOf,
  worthUsd,
} from './problem.ts';

/** Rates below this are nothing. */
const least = 1e-6;
/** Queries a second that are left unserved by rounding alone. */
const nothing = 1e-3;
/** Units that are what rounding leaves of none. */
const nothingOfUnits = 1e-9;
const upgradesPerClass = 40;
/** Swaps look at pairs: beyond so many shares they would take too long. */
const swapSharesMax = 40;
const stepsMax = 200;

interface Mix {
  /** Rate by option, of each class. */
  readonly rates: number[][];
  /** Units left by kind. */
  readonly left: Map<HardwareKind, number>;
  /** Memory left by kind, and what one machine has. */
  readonly bytes: Map<HardwareKind, number>;
  readonly bytesEach: ReadonlyMap<HardwareKind, number>;
  /** Units that each variant keeps busy. */
  readonly work: Map<VariantId, number>;
}

/** The best plan found; deterministic for the same problem. */
export function planGreedily(problem: PlanProblem): Plan {
  const { machines } = problem;
  const seen = new Map<string, Plan>();
  const planFor = (counts: readonly number[]): Plan => {
    const key = counts.join(' ');
    const known = seen.get(key);
    if (known !== undefined) return known;
    const plan = planWith(problem, counts, false);
    seen.set(key, plan);
    return plan;
  };
  let best: Plan | undefined;
  for (const start of startsFrom(machines, planFor)) {
    const found = climb(machines, start, planFor);
    if (best === undefined || found.value > best.value) best = found;
  }
  const bought = best?.machines ?? {};
  const counts = machines.map(({ kind, min }) => bought[kind] ?? min);
  return planWith(problem, counts, true);
}

/** What there is; the least; and of each kind alone as many as carry everything. */
function startsFrom(
  machines: readonly PlanMachines[],
  planFor: (counts: readonly number[]) => Plan,
): number[][] {
  const least = machines.map(({ min }) => min);
  const starts = [machines.map(clampedNow), least];
  for (const [at, { min, max }] of machines.entries()) {
    const alone = (count: number): number[] => least.map((each, i) => (i === at ? count : each));
    let [low, high] = [min, max];
    while (low < high) {
      const middle = (low + high) >> 1;
      if (planFor(alone(middle)).unservedQps > nothing) low = middle + 1;
      else high = middle;
    }
    starts.push(alone(low));
  }
  return starts;
}

function clampedNow({ now, min, max }: PlanMachines): number {
  return Math.min(max, Math.max(min, now));
}

/** One machine more or less of any kind, or one for another, or twice as many; the best step. */
function climb(
  machines: readonly PlanMachines[],
  start: readonly number[],
  planFor: (counts: readonly number[]) => Plan,
): Plan {
  let counts = [...start];
  let best = planFor(counts);
  for (let step = 0; step < stepsMax; step += 1) {
    let next: number[] | undefined;
    const consider = (candidate: number[]): void => {
      const isAllowed = machines.every(({ min, max }, at) => {
        const count = candidate[at] ?? 0;
        return count >= min && count <= max;
      });
      if (!isAllowed) return;
      const plan = planFor(candidate);
      if (plan.value <= best.value + 1e-9) return;
      best = plan;
      next = candidate;
    };
    const from = counts;
    for (let at = 0; at < from.length; at += 1) {
      const here = from[at] ?? 0;
      const { min = 0, max = 0 } = machines[at] ?? {};
      const less = Math.max(min, Math.floor(here / 2));
      for (const count of [here + 1, here - 1, Math.min(max, 2 * here + 1), less]) {
        consider(from.map((each, other) => (other === at ? count : each)));
      }
      for (let other = 0; other < from.length; other += 1) {
        if (other === at) continue;
        consider(from.map((each, i) => (i === at ? each + 1 : i === other ? each - 1 : each)));
        consider(from.map((each, i) => (i === at ? each + 1 : i === other ? min : each)));
      }
    }
    if (next === undefined) return best;
    counts = next;
  }
  return best;
}

/**
 * `refined`: with upgrades and swaps. Accuracy is worth less than any machine, so numbers of
 * machines are weighed without.
 */
function planWith(problem: PlanProblem, counts: readonly number[], refined: boolean): Plan {
  const { classes, machines, rules } = problem;
  const left = new Map(
    machines.map(({ kind, units }, at) => [
      kind,
      usableUnits(units * (counts[at] ?? 0), rules.staffing),
    ]),
  );
  const bytesEach = new Map(machines.map((each) => [each.kind, roomOf(each, rules)]));
  const bytes = new Map(
    machines.map(({ kind }, at) => [kind, (bytesEach.get(kind) ?? 0) * (counts[at] ?? 0)]),
  );
  const rates = classes.map(({ options }) => options.map(() => 0));
  const mix: Mix = { rates, left, bytes, bytesEach, work: new Map() };
  serveAll(problem, mix);
  if (refined) refine(problem, mix);
  const shares: PlanShare[] = mix.rates.flatMap((rates, classAt) =>
    rates.flatMap((rateQps, optionAt) => (rateQps > least ? { classAt, optionAt, rateQps } : [])),
  );
  const bought = Object.fromEntries(machines.map(({ kind }, at) => [kind, counts[at] ?? 0]));
  return { shares, machines: bought, ...valueOf(problem, shares, bought), by: 'greedy' };
}

function refine(problem: PlanProblem, mix: Mix): void {
  const { classes } = problem;
  upgradeAll(problem, mix);
  for (let at = 0; at < classes.length; at += 1) {
    if (!swap(problem, mix)) break;
    upgradeAll(problem, mix);
  }
}

function upgradeAll(problem: PlanProblem, mix: Mix): void {
  for (let left = upgradesPerClass * problem.classes.length; left > 0; left -= 1)
    if (!upgrade(problem, mix)) return;
}

/** Those that one kind alone serves, then the most work; each by what takes least of its kind. */
function serveAll({ classes }: PlanProblem, mix: Mix): void {
  const { rates, left } = mix;
  const order = classes.map((_, at) => at);
  const kinds = classes.map(({ options }) => new Set(options.map(({ kind }) => kind)).size);
  const units = classes.map(({ options, rateQps }) => {
    return rateQps / options.reduce((most, { unitQps }) => Math.max(most, unitQps), least);
  });
  order.sort((a, b) => {
    const fewer = (kinds[a] ?? 0) - (kinds[b] ?? 0);
    return fewer === 0 ? (units[b] ?? 0) - (units[a] ?? 0) || a - b : fewer;
  });
  for (const classAt of order) {
    const { options, rateQps } = classes[classAt] ?? { options: [], rateQps: 0 };
    let open = rateQps;
    while (open > least) {
      let bestAt = -1;
      let bestShare = Infinity;
      for (const [at, option] of options.entries()) {
        const there = left.get(option.kind) ?? 0;
        if (there <= least || roomFor(mix, option) <= least) continue;
        const share = open / option.unitQps / there;
        if (share >= bestShare) continue;
        [bestAt, bestShare] = [at, share];
      }
      const option = options[bestAt];
      if (option === undefined) break;
      const taken = Math.min(open, roomFor(mix, option));
      move(rates[classAt] ?? [], mix, undefined, { at: bestAt, option }, taken);
      open -= taken;
    }
  }
}

interface At {
  readonly at: number;
  readonly option: PlanOption;
}

function move(rates: number[], mix: Mix, from: At | undefined, to: At, rateQps: number): void {
  if (from !== undefined) add(rates, mix, from, -rateQps);
  add(rates, mix, to, rateQps);
}

function add(rates: number[], mix: Mix, { at, option }: At, rateQps: number): void {
  const { left, bytes, work } = mix;
  const { kind, variantId, unitQps } = option;
  rates[at] = (rates[at] ?? 0) + rateQps;
  const units = rateQps / unitQps;
  left.set(kind, (left.get(kind) ?? 0) - units);
  const before = work.get(variantId) ?? 0;
  const after = before + units > nothingOfUnits ? before + units : 0;
  work.set(variantId, after);
  const more = instancesFor(after) - instancesFor(before);
  bytes.set(kind, (bytes.get(kind) ?? 0) - more * option.memoryBytes);
}

/** Queries a second by one more way: how many there is room for. */
function roomFor(mix: Mix, to: PlanOption): number {
  return Math.min((mix.left.get(to.kind) ?? 0) * to.unitQps, roomInMemory(mix, to, 0));
}

/** Of `hereQps` by one way, how many may go another instead. */
function roomToMove(mix: Mix, from: PlanOption, to: PlanOption, hereQps: number): number {
  const gives = from.kind === to.kind ? 1 / from.unitQps : 0;
  const needs = 1 / to.unitQps - gives;
  const inUnits = needs <= 0 ? Infinity : (mix.left.get(to.kind) ?? 0) / needs;
  const most = Math.min(hereQps, inUnits);
  const freed = from.kind === to.kind ? bytesFreed(mix, from, hereQps) : 0;
  // All of it or nothing frees memory: what is left needs its instances.
  if (most >= hereQps && roomInMemory(mix, to, freed) >= hereQps) return hereQps;
  return Math.min(most, roomInMemory(mix, to, 0));
}

/** Memory that a variant gives back when so many queries a second leave it. */
function bytesFreed({ work }: Mix, { variantId, unitQps, memoryBytes }: PlanOption, qps: number) {
  const busy = work.get(variantId) ?? 0;
  const left = busy - qps / unitQps;
  const after = left > nothingOfUnits ? instancesFor(left) : 0;
  return (instancesFor(busy) - after) * memoryBytes;
}

/** What the variant's instances, and those that there is memory for, can serve besides. */
function roomInMemory({ bytes, bytesEach, work }: Mix, to: PlanOption, freed: number): number {
  const { kind, variantId, unitQps, memoryBytes } = to;
  if (memoryBytes > (bytesEach.get(kind) ?? 0)) return 0;
  const busy = work.get(variantId) ?? 0;
  const free = (bytes.get(kind) ?? 0) + freed;
  const more = Math.max(0, Math.floor(free / Math.max(1, memoryBytes) + 1e-9));
  return Math.max(0, ((instancesFor(busy) + more) * busyMax - busy) * unitQps);
}

/** Carries out the move of most worth for the units that it takes; false when none gains. */
function upgrade({ classes, rules }: PlanProblem, mix: Mix): boolean {
  const { rates } = mix;
  let best: { classAt: number; from: At; to: At; rateQps: number } | undefined;
  let bestRatio = 0;
  for (const [classAt, { options }] of classes.entries()) {
    const mine = rates[classAt] ?? [];
    for (const [fromAt, from] of options.entries()) {
      const here = mine[fromAt] ?? 0;
      if (here <= least) continue;
      const worth = worthUsd(from, rules);
      for (const [toAt, to] of options.entries()) {
        const gain = worthUsd(to, rules) - worth;
        if (gain <= 1e-15) continue;
        const gives = from.kind === to.kind ? 1 / from.unitQps : 0;
        const ratio = gain / Math.max(1e-9, 1 / to.unitQps - gives);
        if (ratio <= bestRatio) continue;
        const rateQps = roomToMove(mix, from, to, here);
        if (rateQps <= least) continue;
        best = {
          classAt,
          from: { at: fromAt, option: from },
          to: { at: toAt, option: to },
          rateQps,
        };
        bestRatio = ratio;
      }
    }
  }
  if (best === undefined) return false;
  move(rates[best.classAt] ?? [], mix, best.from, best.to, best.rateQps);
  return true;
}

/**
 * One class gives way on a kind, by a lesser option or another kind, so that another may have a
 * better one there: carried out when both together gain.
 */
function swap({ classes, rules }: PlanProblem, mix: Mix): boolean {
  const { rates } = mix;
  const shares = rates.flatMap((mine, classAt) =>
    mine.flatMap((rateQps, at) => (rateQps > least ? { classAt, at, rateQps } : [])),
  );
  if (shares.length > swapSharesMax) return false;
  for (const giver of shares) {
    const giving = classes[giver.classAt]?.options ?? [];
    const from = giving[giver.at];
    if (from === undefined) continue;
    for (const [toAt, to] of giving.entries()) {
      const frees = 1 / from.unitQps - (to.kind === from.kind ? 1 / to.unitQps : 0);
      if (toAt === giver.at || frees <= 0) continue;
      const loss = (worthUsd(from, rules) - worthUsd(to, rules)) / frees;
      for (const taker of shares) {
        if (taker.classAt === giver.classAt) continue;
        const taking = classes[taker.classAt]?.options ?? [];
        const old = taking[taker.at];
        if (old === undefined) continue;
        for (const [newAt, next] of taking.entries()) {
          const needs = 1 / next.unitQps - (old.kind === next.kind ? 1 / old.unitQps : 0);
          if (next.kind !== from.kind || needs <= 0) continue;
          const gain = (worthUsd(next, rules) - worthUsd(old, rules)) / needs;
          if (gain <= loss * (1 + 1e-6) + 1e-12) continue;
          const given = roomToMove(mix, from, to, giver.rateQps);
          const taken = Math.min(taker.rateQps, (given * frees) / needs);
          const gives = (taken * needs) / frees;
          if (taken <= least || gives <= least) continue;
          const givingRates = rates[giver.classAt] ?? [];
          const there = { at: giver.at, option: from };
          const instead = { at: toAt, option: to };
          move(givingRates, mix, there, instead, gives);
          // Only now it shows what memory is left for the other.
          if (roomToMove(mix, old, next, taken) < taken * (1 - 1e-9)) {
            move(givingRates, mix, instead, there, gives);
            continue;
          }
          const [takingAt, takes] = [taker.at, { at: newAt, option: next }];
          move(rates[taker.classAt] ?? [], mix, { at: takingAt, option: old }, takes, taken);
          return true;
        }
      }
    }
  }
  return false;
}
