/**
 * What an owner who knows the load sets up where the policy does not change it: machines for nearly
 * the peak where the fleet stays as it is, and for Clipper+ (`reference/infaas.md` §7) of every
 * variant that users would choose as many instances as carry that. Nothing changes afterwards.
 */

import { latencyTable } from '../../actors/domain/profile.ts';
import type { QueryView, VariantView } from '../../actors/policy/selection/index.ts';
import { designatedFor } from '../../actors/policy/selection/designated.ts';
import { costUsdPer1000, type Variant } from '../../actors/domain/variant.ts';
import { unitQpsFor } from '../../actors/policy/planning/demand.ts';
import { rateOf } from '../workloads/shape.ts';
import { zipfShares } from '../workloads/zipf.ts';
import type { Scenario, Stream } from './scenario.ts';

/** Tuned for the rate that is exceeded in one second of twenty, each instance at most so busy. */
const quantile = 0.95;
const busyMax = 0.8;

/** The scenario with what its policy leaves to its owner. */
export function asOwned(scenario: Scenario): Scenario {
  const { policy, fleetPolicy, preload, fleet } = scenario;
  const isFixed = fleetPolicy === 'static' || fleetPolicy === 'proteus';
  const tuned = isFixed ? asTuned(scenario) : scenario;
  const isPreloaded = policy === 'clipper-plus' && Object.keys(preload).length === 0;
  return {
    ...tuned,
    preload: isPreloaded ? tuned.preload : preload,
    fleet: isFixed ? tuned.fleet : fleet,
  };
}

/** With `preload` and machines for it. */
function asTuned(scenario: Scenario): Scenario {
  const needs = new Map<Variant, number>();
  scenario.load.forEach((stream, index) => {
    const peakQps = peakOf(scenario, stream, index);
    for (const [share, candidates] of targetsOf(scenario, stream)) {
      const variant = chosenOf(scenario, stream, candidates);
      if (variant === undefined) continue;
      const { profile, batchMax } = variant;
      const each = unitQpsFor(profile, batchMax, stream.latencyMs ?? Infinity) ?? 1;
      needs.set(variant, (needs.get(variant) ?? 0) + (share * peakQps) / (each * busyMax));
    }
  });
  const fleet = scenario.fleet.map((group) => {
    let units = 0;
    for (const [{ hardware }, instances] of needs) {
      if (hardware === group.hardware) units += instances;
    }
    const wanted = Math.ceil(units / group.units);
    const isElastic = group.min < group.count || group.max > group.count;
    // Of a kind that nothing was chosen for nobody would pay for a machine.
    const count = isElastic ? Math.min(group.max, Math.max(group.min, wanted)) : group.count;
    return { ...group, count, min: count, max: count };
  });
  const preload: Record<string, number> = {};
  for (const [{ id, hardware }, instances] of needs) {
    const machines = fleet
      .filter((group) => group.hardware === hardware)
      .reduce((sum, { count }) => sum + count, 0);
    if (machines > 0) preload[id] = Math.ceil(instances / machines);
  }
  return { ...scenario, fleet, preload };
}

function peakOf(
  { durationS, seed, loadFactor }: Scenario,
  { shape }: Stream,
  index: number,
): number {
  const rate = rateOf(shape, durationS * 1_000, seed + index);
  const rates = Array.from({ length: Math.ceil(durationS) }, (_, second) => rate(second * 1_000));
  rates.sort((a, b) => a - b);
  return loadFactor * (rates[Math.floor(quantile * (rates.length - 1))] ?? 0);
}

/** What the stream's queries name, and how large a share of them. */
function targetsOf(
  { variants }: Scenario,
  { task, architectures, zipf }: Stream,
): readonly (readonly [number, readonly Variant[]])[] {
  if (task !== undefined) return [[1, variants.filter((each) => each.task === task)]];
  const shares = zipfShares(architectures.length, zipf);
  const byArchitecture = new Map<string, Variant[]>(architectures.map((each) => [each, []]));
  for (const variant of variants) byArchitecture.get(variant.architecture)?.push(variant);
  return architectures.map((each, at) => [shares[at] ?? 0, byArchitecture.get(each) ?? []]);
}

function chosenOf(
  { fleet }: Scenario,
  { latencyMs, accuracyMin }: Stream,
  candidates: readonly Variant[],
): Variant | undefined {
  const views = candidates.map((variant): VariantView => ({
    id: variant.id,
    accuracy: variant.accuracy,
    hardware: variant.hardware,
    costUsd: costUsdPer1000(variant) / 1_000,
    latencyMs: latencyTable(variant.profile, variant.batchMax),
    loadMs: variant.profile.loadMs,
    memoryBytes: variant.profile.memoryBytes,
    instances: [],
  }));
  const kinds = new Set<string>(fleet.map(({ hardware }) => hardware));
  const workers = [{ id: 'any', memoryFreeBytes: 0, utilisation: 0, kinds }];
  const query: QueryView = {
    slo: { latencyMs, accuracyMin },
    ...{ onMiss: 'best-effort', batch: 1, avoid: undefined },
    ...{ sloLeftMs: latencyMs ?? Infinity, timeoutLeftMs: Infinity },
  };
  const view = { nowMs: 0, variants: views, workers, hopMs: 0, loadExtraMs: 0 };
  const chosen = designatedFor(view, query);
  return candidates.find(({ id }) => id === chosen?.id);
}
