/**
 * From what workers report to the problem of a plan: classes with their forecasts and the ways to
 * serve each, machines by kind.
 */

import { type ClassDemand, meets } from '../../domain/demand.ts';
import type { Hardware, HardwareKind } from '../../domain/hardware.ts';
import { predictBatchMs, type Profile } from '../../domain/profile.ts';
import type { Variant, VariantId } from '../../domain/variant.ts';
import { alikeOf, namedLike } from '../alike.ts';
import { type Forecast, observeRate } from './forecast.ts';
import { type Paces, slowdownOf } from './pace.ts';
import type { PlanClass, PlanMachines, PlanOption } from './problem.ts';

/** What a class of queries asks, and a variant that serves it now: who else may is judged by it. */
export interface SeenClass {
  readonly key: string;
  readonly asks: ClassDemand;
  readonly servedBy: Variant;
  readonly rateQps: number;
}

/** An instance as reported: what it is, and what is asked of it. */
export interface SeenInstance {
  readonly variantId: VariantId;
  readonly demand: readonly ClassDemand[];
}

/** Classes over all instances, by key. */
export function classesOf(
  instances: Iterable<SeenInstance>,
  variants: ReadonlyMap<VariantId, Variant>,
): ReadonlyMap<string, SeenClass> {
  const classes = new Map<string, SeenClass>();
  for (const { variantId, demand } of instances) {
    const variant = variants.get(variantId);
    if (variant === undefined) continue;
    for (const asks of demand) {
      const key = keyOf(asks, variant);
      const known = classes.get(key);
      const rateQps = (known?.rateQps ?? 0) + asks.rateQps;
      classes.set(key, { key, asks, servedBy: known?.servedBy ?? variant, rateQps });
    }
  }
  return classes;
}

function keyOf({ by, accuracyMin, latencyMs }: ClassDemand, variant: Variant): string {
  const target =
    by === 'variant'
      ? variant.id
      : by === 'architecture'
        ? variant.architecture
        : `${variant.task}/${variant.dataset}`;
  return `${by} ${target} ${String(accuracyMin)} ${String(latencyMs)}`;
}

/** What is remembered of each class: its forecast and what it asks. */
export type Expectations = Readonly<
  Record<string, { readonly seen: SeenClass; readonly forecast: Forecast }>
>;

/** Takes a second's reports in; what was not asked for in `rememberMs` is forgotten. */
export function expectDemand(
  before: Expectations,
  seen: ReadonlyMap<string, SeenClass>,
  nowMs: number,
  rememberMs: number,
): Expectations {
  const after: Record<string, Expectations[string]> = {};
  for (const key of new Set([...Object.keys(before), ...seen.keys()])) {
    const known = before[key];
    const now = seen.get(key);
    const last = now ?? known?.seen;
    if (last === undefined) continue;
    const forecast = observeRate(known?.forecast, now?.rateQps ?? 0, nowMs, rememberMs);
    if (now === undefined && forecast.smoothQps === 0) continue;
    after[key] = { seen: last, forecast };
  }
  return after;
}

/** Of a class's latency so much may be spent in the engine: half waits for the batch before. */
const engineShare = 0.5;
/** A single query that takes more than this of it has no time to wait for anything. */
const aloneShare = 0.8;

/**
 * The greatest rate of one instance at batches that leave a query of this latency in time: as
 * Nexus, T(b) within half of it (`reference/policies.md` §1); undefined where it is too slow.
 * `slowdown` is how much longer batches take than the profile says.
 */
export function unitQpsFor(
  profile: Profile,
  batchMax: number,
  latencyMs: number,
  slowdown = 1,
): number | undefined {
  const aloneMs = slowdown * predictBatchMs(profile, 1);
  if (aloneMs <= 0 || aloneMs > aloneShare * latencyMs) return undefined;
  let best = 1_000 / aloneMs;
  for (let batch = 2; batch <= batchMax; batch += 1) {
    const ms = slowdown * predictBatchMs(profile, batch);
    if (ms > engineShare * latencyMs) break;
    best = Math.max(best, (batch * 1_000) / ms);
  }
  return best;
}

/** What there is already. */
export interface Running {
  readonly loaded: ReadonlySet<VariantId>;
  readonly paces: Paces;
}

/** Every variant that may serve the class where there is, or may be, hardware for it. */
function optionsFor(
  { asks, servedBy }: SeenClass,
  variants: ReadonlyMap<VariantId, Variant>,
  kinds: ReadonlySet<HardwareKind>,
  running: Running,
): readonly PlanOption[] {
  const options: PlanOption[] = [];
  for (const variant of namedLike(alikeOf(variants), servedBy, [asks])) {
    if (!kinds.has(variant.hardware) || !meets(variant, servedBy, asks)) continue;
    const option = optionOf(variant, asks.latencyMs, running);
    if (option !== undefined) options.push(option);
  }
  if (options.length > 0) return withoutDominated(options);
  // Nothing is good enough, and what comes closest serves: that is not to be taken away.
  const closest = kinds.has(servedBy.hardware) ? optionOf(servedBy, Infinity, running) : undefined;
  return closest === undefined ? [] : [closest];
}

function optionOf(
  variant: Variant,
  latencyMs: number,
  { loaded, paces }: Running,
): PlanOption | undefined {
  const { id, profile, batchMax, hardware, accuracy } = variant;
  const slowdown = slowdownOf(paces, id, hardware);
  const unitQps = unitQpsFor(profile, batchMax, latencyMs, slowdown);
  if (unitQps === undefined) return undefined;
  const { memoryBytes, loadMs } = profile;
  const isLoaded = loaded.has(id);
  return {
    variantId: id,
    kind: hardware,
    accuracy,
    unitQps,
    memoryBytes,
    loadMs,
    loaded: isLoaded,
  };
}

/** An option that is no more accurate and no faster than another of its kind is never taken. */
function withoutDominated(options: readonly PlanOption[]): readonly PlanOption[] {
  const sorted = [...options].sort(
    (a, b) =>
      b.accuracy - a.accuracy ||
      b.unitQps - a.unitQps ||
      Number(b.loaded) - Number(a.loaded) ||
      (a.variantId < b.variantId ? -1 : 1),
  );
  const fastest = new Map<HardwareKind, number>();
  return sorted.filter(({ kind, unitQps, loaded }) => {
    const best = fastest.get(kind) ?? 0;
    // One that is loaded and nearly as fast spares a load.
    if (unitQps <= best && !(loaded && unitQps > 0.9 * best)) return false;
    fastest.set(kind, Math.max(best, unitQps));
    return true;
  });
}

/** The ways to serve a class on hardware of these kinds; found once for each. */
export type OptionsOf = (
  seen: SeenClass,
  kinds: ReadonlySet<HardwareKind>,
) => readonly PlanOption[];

/** For problems that differ in what is bought, and so hardly in how a class may be served. */
export function createOptionsOf(
  variants: ReadonlyMap<VariantId, Variant>,
  running: Running,
): OptionsOf {
  const known = new Map<string, Map<string, readonly PlanOption[]>>();
  return (seen, kinds) => {
    const on = [...kinds].join(' ');
    const ofKinds = known.get(on) ?? new Map<string, readonly PlanOption[]>();
    known.set(on, ofKinds);
    const options = ofKinds.get(seen.key) ?? optionsFor(seen, variants, kinds, running);
    ofKinds.set(seen.key, options);
    return options;
  };
}

/** The classes of a plan; `qpsOf` is what to provide for. What nothing serves is left out. */
export function planClassesOf(
  expectations: Expectations,
  kinds: ReadonlySet<HardwareKind>,
  optionsOf: OptionsOf,
  qpsOf: (forecast: Forecast) => number,
): readonly PlanClass[] {
  const classes: PlanClass[] = [];
  for (const key of Object.keys(expectations).sort()) {
    const expected = expectations[key];
    if (expected === undefined) continue;
    const rateQps = qpsOf(expected.forecast);
    if (rateQps <= 0) continue;
    const options = optionsOf(expected.seen, kinds);
    if (options.length > 0) classes.push({ key, rateQps, options });
  }
  return classes;
}

/** A kind as the average of the machines that there are; `fallback` where there is none yet. */
export function machinesOf(
  kind: HardwareKind,
  there: readonly Hardware[],
  limits: Pick<PlanMachines, 'now' | 'min' | 'max'>,
  fallback: Hardware,
): PlanMachines {
  const known = there.length > 0 ? there : [fallback];
  const mean = (of: (each: Hardware) => number): number =>
    known.reduce((sum, each) => sum + of(each), 0) / known.length;
  return {
    kind,
    units: mean(({ units }) => units),
    memoryBytes: mean(({ memoryBytes }) => memoryBytes),
    usdPerHour: mean(({ units, costUsdPerUnitHour }) => units * costUsdPerUnitHour),
    ...limits,
  };
}
