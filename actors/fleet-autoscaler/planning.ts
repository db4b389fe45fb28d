/**
 * The plan for the whole fleet, for policies that have one: every second the demand is taken in,
 * every few the planner is asked, and what comes of it is told to the workers, each its part. What
 * a plan would unload goes only when the next one agrees, unless hardware is short.
 */

import type { Hardware, HardwareKind } from '../domain/hardware.ts';
import { unitUsdPerHour } from '../domain/hardware.ts';
import { tellDecision } from '../domain/decision.ts';
import { saturationQps } from '../domain/profile.ts';
import type { Variant, VariantId } from '../domain/variant.ts';
import { type Assignment, type AssignWorker, assignPlan } from '../policy/planning/assign.ts';
import {
  classesOf,
  createOptionsOf,
  expectDemand,
  machinesOf,
  type OptionsOf,
  planClassesOf,
  type Running,
} from '../policy/planning/demand.ts';
import type { Forecast } from '../policy/planning/forecast.ts';
import { planGreedily } from '../policy/planning/greedy.ts';
import { type Planning, plannings } from '../policy/planning/index.ts';
import { observePaces } from '../policy/planning/pace.ts';
import {
  faultOf,
  type Plan,
  type PlanClass,
  type PlanProblem,
} from '../policy/planning/problem.ts';
import {
  type Context,
  type Fleet,
  type FleetOptions,
  type KnownWorker,
  type PlanningState,
  sinksOf,
} from './fleet.ts';

const observeMs = 1_000;
/** Until a worker has shown what it takes: the paper's machines came up in 20 to 30 s. */
const usualStartMs = 25_000;
/** A planner that has not answered by then is asked anew. */
const patienceMs = 20_000;
const rememberMs = 60_000;

export function startPlanning({ config }: FleetOptions, ctx: Context): PlanningState {
  if (plannings[config.policy] !== undefined) {
    ctx.after(observeMs, 'plan', { type: 'fleet.plan-due' });
  }
  return {
    ...{ revision: -1, variants: new Map(), expectations: {}, requests: 0, asked: undefined },
    ...{ askedAtMs: -Infinity, planned: new Map(), plannedWorkers: '', plan: undefined },
    ...{ assignment: {}, startMs: usualStartMs, paces: {} },
    seen: new Map(),
  };
}

/** Every second. */
export function planWhenDue(fleet: Fleet, ctx: Context): void {
  const { options, planning, workers } = fleet;
  const rules = plannings[options.config.policy];
  if (rules === undefined) return;
  ctx.after(observeMs, 'plan', { type: 'fleet.plan-due' });
  if (options.controller !== undefined) {
    const { revision } = planning;
    const replyTo = ctx.self;
    ctx.tell(options.controller, { type: 'controller.compare-registry', revision, replyTo });
  }
  const instances = [...workers.values()].flatMap(({ report }) => report.instances);
  for (const { report } of workers.values())
    for (const hardware of report.hardware) planning.seen.set(hardware.kind, hardware);
  const seen = classesOf(instances, planning.variants);
  planning.paces = observePaces(planning.paces, instances);
  planning.expectations = expectDemand(planning.expectations, seen, ctx.nowMs, rememberMs);
  if (planning.asked !== undefined && ctx.nowMs - planning.asked.atMs < patienceMs) return;
  if (!isDue(fleet, rules, ctx.nowMs)) return;
  ask(fleet, rules, ctx);
}

/** Less work is not worth a plan of its own: a class of a query a second is never even. */
const leastUnits = 0.05;

/** As often as the policy says; at once when workers changed or a class outgrew its plan. */
function isDue(fleet: Fleet, { everyMs, soonerAbove, qpsOf }: Planning, nowMs: number): boolean {
  const { planning } = fleet;
  if (nowMs - planning.askedAtMs >= everyMs) return true;
  if (soonerAbove === undefined) return false;
  if (planning.plannedWorkers !== namesOf(fleet)) return true;
  for (const [key, { seen, forecast }] of Object.entries(planning.expectations)) {
    const { rateQps = 0, unitQps } = planning.planned.get(key) ?? {};
    const overQps = qpsOf(forecast, 0) - soonerAbove * rateQps;
    if (overQps > leastUnits * (unitQps ?? saturationOf(seen.servedBy))) return true;
  }
  return false;
}

function saturationOf({ profile, batchMax }: Variant): number {
  return saturationQps(profile, batchMax);
}

/** The fastest way to serve it. */
function unitQpsOf({ options }: PlanClass): number {
  return options.reduce((most, { unitQps }) => Math.max(most, unitQps), 0);
}

function staying({ workers, removing }: Fleet): readonly KnownWorker[] {
  return [...workers.values()].filter(({ report }) => !removing.has(report.workerId));
}

function namesOf(fleet: Fleet): string {
  return staying(fleet)
    .map(({ report }) => report.workerId)
    .sort()
    .join(' ');
}

function ask(fleet: Fleet, rules: Planning, ctx: Context): void {
  const { options, planning } = fleet;
  planning.askedAtMs = ctx.nowMs;
  planning.plannedWorkers = namesOf(fleet);
  const optionsOf = createOptionsOf(planning.variants, runningOn(fleet));
  const mix = problemOf(fleet, rules, optionsOf, 'mix');
  const buy = rules.elastic ? problemOf(fleet, rules, optionsOf, 'buy') : mix;
  planning.planned = new Map(
    mix.classes.map((each) => [each.key, { rateQps: each.rateQps, unitQps: unitQpsOf(each) }]),
  );
  planning.requests += 1;
  const requestId = planning.requests;
  planning.asked = { requestId, problems: { buy, mix }, atMs: ctx.nowMs };
  const problems = [buy, mix];
  if (options.planner === undefined) {
    takePlans(fleet, requestId, problems.map(planGreedily), ctx);
    return;
  }
  ctx.tell(options.planner, { type: 'planner.solve', requestId, problems, replyTo: ctx.self });
}

function runningOn(fleet: Fleet): Running {
  const loaded = new Set(
    staying(fleet).flatMap(({ report }) => report.instances.map(({ variantId }) => variantId)),
  );
  return { loaded, paces: fleet.planning.paces };
}

/** Memory that a new worker is taken to have for each unit, where nothing tells. */
const bytesPerUnit = 2 ** 30;

function problemOf(
  fleet: Fleet,
  rules: Planning,
  optionsOf: OptionsOf,
  what: 'buy' | 'mix',
): PlanProblem {
  const isBuying = what === 'buy';
  const { options, planning, starting } = fleet;
  const { limits } = options.config;
  const there = staying(fleet);
  const kinds = Object.keys(limits) as HardwareKind[];
  const machines = kinds.flatMap((kind) => {
    const hardware = there.flatMap(({ report }) =>
      report.hardware.filter((each) => each.kind === kind),
    );
    const { min = 0, max = 0 } = limits[kind] ?? {};
    const coming = [...starting.values()].filter((each) => each.kind === kind).length;
    const now = hardware.length + (isBuying ? coming : 0);
    const canGo = there.filter(({ report }) => isRemovable(fleet, report.workerId)).length;
    const least = isBuying ? Math.max(min, hardware.length - canGo) : now;
    const most = isBuying ? Math.max(now, canAdd(fleet) ? max : now) : now;
    if (most === 0) return [];
    return machinesOf(kind, hardware, { now, min: least, max: most }, newWorkerOf(fleet, kind));
  });
  const usable = new Set(machines.map(({ kind }) => kind));
  const leadMs = rules.everyMs + (isBuying ? planning.startMs : 0);
  const qpsOf = (forecast: Forecast): number => rules.qpsOf(forecast, leadMs);
  return {
    classes: planClassesOf(planning.expectations, usable, optionsOf, qpsOf),
    machines,
    rules: rules.rules,
  };
}

/** What one more of a kind would have: known, as it is configured, or as others of it have. */
function newWorkerOf({ options, planning, provisioners }: Fleet, kind: HardwareKind): Hardware {
  const { newWorkers, workerUnits, workerMemoryBytes } = options.config;
  const known = newWorkers?.[kind];
  if (known !== undefined) return known;
  const seen = planning.seen.get(kind);
  const rooms = [...provisioners.values()].flatMap(({ report }) => report.room);
  const room = rooms.find((each) => each.kind === kind && each.units > 0) ?? seen;
  const bytesEach = room === undefined ? bytesPerUnit : room.memoryBytes / room.units;
  return {
    kind,
    units: workerUnits,
    memoryBytes: workerMemoryBytes ?? workerUnits * bytesEach,
    costUsdPerUnitHour: seen?.costUsdPerUnitHour ?? unitUsdPerHour[kind],
  };
}

function isRemovable({ provisioners }: Fleet, workerId: string): boolean {
  for (const { report } of provisioners.values()) {
    if (report.workers.includes(workerId)) return true;
  }
  return false;
}

/** Somebody starts workers. */
function canAdd({ provisioners, options }: Fleet): boolean {
  return provisioners.size > 0 || options.provisioner !== undefined;
}

/** What the planner found: checked, made instances of, and told to the workers. */
export function takePlans(
  fleet: Fleet,
  requestId: number,
  [bought, mixed]: readonly Plan[],
  ctx: Context,
): void {
  const { planning, options } = fleet;
  const rules = plannings[options.config.policy];
  if (rules === undefined || planning.asked?.requestId !== requestId) return;
  const { buy, mix } = planning.asked.problems;
  planning.asked = undefined;
  const before = planning.plan;
  if (isSound(buy, bought, ctx)) planning.plan = bought;
  if (!isSound(mix, mixed, ctx) || mix.classes.length === 0) return;
  tellWorkers(fleet, rules, mix, mixed, before === undefined, ctx);
}

function isSound(problem: PlanProblem, plan: Plan | undefined, ctx: Context): plan is Plan {
  const fault = plan === undefined ? 'there is none' : faultOf(problem, plan);
  if (fault === undefined) return true;
  ctx.log.warn('plan refused', { fault, by: plan?.by });
  ctx.metrics.count('infaas_plans_refused_total');
  return false;
}

function tellWorkers(
  fleet: Fleet,
  rules: Planning,
  problem: PlanProblem,
  found: Plan,
  isFirst: boolean,
  ctx: Context,
): void {
  const { planning } = fleet;
  ctx.metrics.count('infaas_plans_total', 1, { by: found.by });
  const workers = staying(fleet);
  const assignment = assignPlan(problem, found, workers.flatMap(binsOf));
  const isShort = found.unservedQps > 0 || isFirst;
  const kept = rules.agreed && !isShort ? planning.assignment : {};
  planning.assignment = assignment;
  for (const { report } of workers) {
    const counts = mostOf(assignment[report.workerId] ?? {}, kept[report.workerId] ?? {});
    ctx.tell(report.worker, { type: 'worker.plan-assigned', counts });
  }
  tellDecision(
    sinksOf(fleet),
    {
      kind: 'fleet',
      by: 'controller',
      atMs: ctx.nowMs,
      subject: 'plan',
      chosen: describe(assignment),
      why: `the best (${found.by}) for ${String(problem.classes.length)} classes`,
      seen: { value: found.value, unservedQps: found.unservedQps, ...found.machines },
      rejected: [],
    },
    ctx,
  );
}

function binsOf({ report }: KnownWorker): AssignWorker[] {
  const loaded: Record<VariantId, number> = {};
  let heldBytes = 0;
  for (const { variantId, state, memoryBytes } of report.instances) {
    heldBytes += memoryBytes;
    if (state === 'draining' || state === 'unloaded' || state === 'failed') continue;
    loaded[variantId] = (loaded[variantId] ?? 0) + 1;
  }
  const baseBytes = Math.max(0, report.memoryUsedBytes - heldBytes);
  return report.hardware.map(({ kind, units, memoryBytes }) => ({
    ...{ id: report.workerId, kind, units, loaded },
    memoryBytes: memoryBytes - baseBytes,
  }));
}

type Counts = Readonly<Record<VariantId, number>>;

function mostOf(a: Counts, b: Counts): Counts {
  const counts: Record<VariantId, number> = { ...a };
  for (const [variantId, count] of Object.entries(b)) {
    counts[variantId] = Math.max(count, counts[variantId] ?? 0);
  }
  return counts;
}

function describe(assignment: Assignment): string {
  const totals = new Map<VariantId, number>();
  for (const counts of Object.values(assignment)) {
    for (const [id, count] of Object.entries(counts)) {
      totals.set(id, (totals.get(id) ?? 0) + count);
    }
  }
  return [...totals].map(([id, count]) => `${String(count)} of ${id}`).join(', ');
}
