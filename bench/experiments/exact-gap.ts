/**
 * Greedy against exact: the paper's optimisation (infaas-paper's Model-Autoscaler decides by it,
 * greedily) solved to optimality as an integer program by HiGHS, on one large pool of hardware.
 *
 * min Σ C_v·x_v + λ·Tload_v·C_v·u_v over counts x_v of each variant, with u_v >= x_v − now_v, so
 * that each architecture's load is carried with the paper's headroom of 5 %, and neither units nor
 * memory are exceeded. C is the price of the memory occupied.
 */

import { createRequire } from 'node:module';

import type { Highs } from 'highs';

import type { HardwareKind, Hardware } from '../../actors/domain/hardware.ts';
import { predictBatchMs, saturationQps } from '../../actors/domain/profile.ts';
import type { Variant } from '../../actors/domain/variant.ts';
import { occupancyUsdPerHour } from '../../actors/policy/scaling/groups.ts';
import { scalingPolicies } from '../../actors/policy/scaling/index.ts';
import {
  defaultScalingRules,
  type ScaleAction,
  type ScalingInstance,
} from '../../actors/policy/scaling/view.ts';
import { type Random, seededRandom } from '../../runtime/random.ts';
import { imageClassifiers } from '../../sim/profiles/image-classifiers.ts';
import { median } from '../statistics.ts';

export interface GapFigures {
  readonly architectures: number;
  readonly draws: number;
  /** Medians over draws. */
  readonly greedyMs: number;
  readonly exactMs: number;
  /** How often the solver proved it within its time. */
  readonly optimal: number;
  /** By how much the greedy plan costs more than the exact one, mean and worst. */
  readonly gapPercent: number;
  readonly worstPercent: number;
  /**
   * Of the load, what the greedy plan leaves unserved, mean percent; such plans are not
   * compared.
   */
  readonly unservedPercent: number;
}

/** One machine room: 50 CPU machines, 10 Inferentia chips and 5 GPUs of the paper's types. */
const gibibyte = 2 ** 30;
const hardware: readonly Hardware[] = [
  { kind: 'cpu', units: 400, memoryBytes: 1_600 * gibibyte, costUsdPerUnitHour: 0.384 / 8 },
  { kind: 'inferentia', units: 40, memoryBytes: 80 * gibibyte, costUsdPerUnitHour: 0.584 / 4 },
  { kind: 'cuda', units: 5, memoryBytes: 80 * gibibyte, costUsdPerUnitHour: 3.06 },
];
const memoryBytes = hardware.reduce((sum, each) => sum + each.memoryBytes, 0);
type HighsLoader = (options: { locateFile(file: string): string }) => Promise<Highs>;

/** A new one each time: it keeps what it was given. Its WebAssembly lies beside its entry point. */
function loadHighs(): Promise<Highs> {
  const require = createRequire(import.meta.url);
  const folder = require.resolve('highs').replace(/[^/]*$/, '');
  return (require('highs') as HighsLoader)({ locateFile: (file) => folder + file });
}

const latencyMs = 300;
const totalQps = 3_000;
const solverTimeS = 20;
const ticksMax = 120;

interface Problem {
  readonly variants: readonly Variant[];
  /** By architecture. */
  readonly loadQps: ReadonlyMap<string, number>;
  readonly now: ReadonlyMap<string, number>;
}

export async function measureGaps(
  sizes: readonly number[],
  draws: number,
  onDraw: (architectures: number, draw: number) => void,
): Promise<GapFigures[]> {
  const figures: GapFigures[] = [];
  for (const architectures of sizes) {
    const greedyMs: number[] = [];
    const exactMs: number[] = [];
    const gaps: number[] = [];
    const unserved: number[] = [];
    let optimal = 0;
    for (let draw = 1; draw <= draws; draw += 1) {
      onDraw(architectures, draw);
      const problem = drawProblem(architectures, seededRandom(1_000 + draw));
      const greedy = solveGreedily(problem);
      const highs = await loadHighs();
      const startedMs = performance.now();
      const solved = highs.solve(programOf(problem), {
        time_limit: solverTimeS,
        mip_rel_gap: 1e-4,
      });
      exactMs.push(performance.now() - startedMs);
      greedyMs.push(greedy.ms);
      if (solved.Status === 'Optimal') optimal += 1;
      unserved.push((100 * greedy.unservedQps) / totalOf(problem));
      // A plan that leaves load unserved is no cheaper plan.
      if (greedy.unservedQps < 1e-3 * totalOf(problem))
        gaps.push(100 * (greedy.cost / solved.ObjectiveValue - 1));
    }
    figures.push({
      ...{ architectures, draws, optimal },
      ...{ greedyMs: median(greedyMs), exactMs: median(exactMs) },
      gapPercent: meanOf(gaps),
      worstPercent: Math.max(...gaps),
      unservedPercent: meanOf(unserved),
    });
  }
  return figures;
}

function totalOf({ loadQps }: Problem): number {
  return [...loadQps.values()].reduce((sum, load) => sum + load, 0);
}

function meanOf(samples: readonly number[]): number {
  return samples.reduce((sum, each) => sum + each, 0) / samples.length;
}

/** The built-in architectures, again under other names where more are asked for. */
function drawProblem(count: number, random: Random): Problem {
  const built = imageClassifiers();
  const known = [...new Set(built.map(({ architecture }) => architecture))];
  const variants: Variant[] = [];
  const loadQps = new Map<string, number>();
  const now = new Map<string, number>();
  let zipf = 0;
  for (let rank = 1; rank <= count; rank += 1) zipf += 1 / rank;
  for (let at = 0; at < count; at += 1) {
    const of = known[Math.floor(random() * known.length)] ?? '';
    const architecture = `${of}-${String(at)}`;
    const own = built
      .filter((variant) => variant.architecture === of)
      .map((variant) => ({ ...variant, architecture, id: `${variant.id}-${String(at)}` }));
    variants.push(...own);
    loadQps.set(architecture, (totalQps / (at + 1) / zipf) * (0.5 + random()));
    // What serves before the load changes: one instance, on a CPU where that is fast enough.
    const fast = own.filter(meetsSlo);
    const onCpu = fast.filter((each) => each.hardware === 'cpu');
    const usable = onCpu.length > 0 ? onCpu : fast;
    const first = usable[Math.floor(random() * usable.length)];
    if (first !== undefined) now.set(first.id, 1);
  }
  return { variants, loadQps, now };
}

function meetsSlo({ profile }: Variant): boolean {
  return predictBatchMs(profile, 1) <= latencyMs;
}

function hardwareOf(kind: HardwareKind): Hardware {
  const found = hardware.find((each) => each.kind === kind);
  if (found === undefined) throw new Error(`the room has no ${kind}`);
  return found;
}

function costOf({ variants, now }: Problem, counts: ReadonlyMap<string, number>): number {
  return variants.reduce((sum, variant) => {
    const count = counts.get(variant.id) ?? 0;
    const more = Math.max(0, count - (now.get(variant.id) ?? 0));
    return sum + priceOf(variant) * count + loadPriceOf(variant) * more;
  }, 0);
}

function priceOf(variant: Variant): number {
  return occupancyUsdPerHour(variant, hardwareOf(variant.hardware));
}

function loadPriceOf(variant: Variant): number {
  const { loadWeightPerS } = defaultScalingRules;
  return (priceOf(variant) * loadWeightPerS * variant.profile.loadMs) / 1_000;
}

/** The policy's own passes, each carried out at once, until it wants nothing more. */
function solveGreedily(problem: Problem): { ms: number; cost: number; unservedQps: number } {
  const counts = new Map(problem.now);
  let scaler = scalingPolicies['infaas-paper'];
  let ms = 0;
  let calm = 0;
  for (let tick = 0; tick < ticksMax && calm < 10; tick += 1) {
    const instances = instancesOf(problem, counts);
    const used = problem.variants.reduce(
      (sum, { id, profile }) => sum + (counts.get(id) ?? 0) * profile.memoryBytes,
      0,
    );
    const view = {
      ...{ nowMs: tick * 1_000, hardware, memoryFreeBytes: memoryBytes - used },
      ...{ variants: problem.variants, instances, floors: {}, rules: defaultScalingRules },
    };
    const startedMs = performance.now();
    const [decisions, next] = scaler(view);
    ms += performance.now() - startedMs;
    scaler = next;
    const actions = decisions.flatMap((decision) => decision.actions);
    for (const action of actions) carryOut(action, instances, counts);
    // Scaling down waits for slots to pass.
    calm = actions.some(({ do: what }) => what !== 'place-elsewhere') ? 0 : calm + 1;
  }
  return { ms, cost: costOf(problem, counts), unservedQps: unservedOf(problem, counts) };
}

function carryOut(
  action: ScaleAction,
  instances: readonly ScalingInstance[],
  counts: Map<string, number>,
): void {
  const add = (variantId: string, more: number): void => {
    counts.set(variantId, (counts.get(variantId) ?? 0) + more);
  };
  if (action.do === 'load') add(action.variantId, action.count);
  if (action.do !== 'unload' && action.do !== 'replace') return;
  const gone = instances.find(({ id }) => id === action.instanceId);
  if (gone !== undefined) add(gone.variantId, -1);
  if (action.do === 'replace') add(action.variantId, 1);
}

/** An architecture's load over its instances, by their capacities. */
function instancesOf(problem: Problem, counts: ReadonlyMap<string, number>): ScalingInstance[] {
  return [...problem.loadQps].flatMap(([architecture, loadQps]) => {
    const own = problem.variants.filter((variant) => variant.architecture === architecture);
    const capacity = own.reduce((sum, each) => sum + (counts.get(each.id) ?? 0) * qpsOf(each), 0);
    return own.flatMap((variant) =>
      Array.from({ length: counts.get(variant.id) ?? 0 }, (_, at) => ({
        ...{ id: `${variant.id}/${String(at)}`, variantId: variant.id, state: 'active' as const },
        ...{ slowdown: 1, idleMs: 0, queued: 0, running: 0, moving: false },
        demand: [
          {
            ...{ by: 'architecture' as const, accuracyMin: 0, latencyMs },
            rateQps: (loadQps * qpsOf(variant)) / capacity,
          },
        ],
      })),
    );
  });
}

function qpsOf({ profile, batchMax }: Variant): number {
  return saturationQps(profile, batchMax);
}

function unservedOf({ variants, loadQps }: Problem, counts: ReadonlyMap<string, number>): number {
  let unserved = 0;
  for (const [architecture, load] of loadQps) {
    const own = variants.filter((variant) => variant.architecture === architecture);
    const capacity = own.reduce((sum, each) => sum + (counts.get(each.id) ?? 0) * qpsOf(each), 0);
    unserved += Math.max(0, load - capacity);
  }
  return unserved;
}

/** The same as text in CPLEX' LP format: x counts, u loads, z queries a second. */
function programOf({ variants, loadQps, now }: Problem): string {
  const { headroomMin } = defaultScalingRules;
  const numbered = variants.flatMap((variant, at) =>
    meetsSlo(variant) ? [[variant, at] as const] : [],
  );
  const sum = (terms: readonly string[]): string => terms.join('\n + ');
  const term = (factor: number, name: string): string => `${factor.toPrecision(9)} ${name}`;
  const objective = numbered.flatMap(([variant, at]) => [
    term(priceOf(variant), `x${String(at)}`),
    term(loadPriceOf(variant), `u${String(at)}`),
  ]);
  const loads = [...loadQps].map(([architecture, load]) => {
    const own = numbered.filter(([variant]) => variant.architecture === architecture);
    return ` ${sum(own.map(([, at]) => `z${String(at)}`))} = ${load.toPrecision(9)}`;
  });
  const capacities = numbered.map(([variant, at]) => {
    const each = qpsOf(variant) / headroomMin;
    return ` z${String(at)} - ${term(each, `x${String(at)}`)} <= 0`;
  });
  const raised = numbered.map(([variant, at]) => {
    return ` x${String(at)} - u${String(at)} <= ${String(now.get(variant.id) ?? 0)}`;
  });
  const units = hardware.map(({ kind, units: there }) => {
    const own = numbered.filter(([variant]) => variant.hardware === kind);
    const busy = own.map(([variant, at]) => term(1 / qpsOf(variant), `z${String(at)}`));
    return ` ${sum(busy)} <= ${String(there)}`;
  });
  const memory = numbered.map(([{ profile }, at]) => {
    return term(profile.memoryBytes / gibibyte, `x${String(at)}`);
  });
  return [
    ...['Minimize', ` obj: ${sum(objective)}`, 'Subject To'],
    ...[...loads, ...capacities, ...raised, ...units],
    ` ${sum(memory)} <= ${String(memoryBytes / gibibyte)}`,
    ...['General', ...numbered.map(([, at]) => ` x${String(at)}`), 'End'],
  ].join('\n');
}
