/**
 * The scenario of a recorded system: its queries at the moments at which they came, its variants,
 * its machines, and the policies that it had, or others in their place.
 */

import { policies, type PolicyName } from '../../actors/policy/policies.ts';
import type { Variant } from '../../actors/domain/variant.ts';
import { ConfigInvalid } from '../../runtime/errors.ts';
import { modelledBy } from '../profiles/modelled.ts';
import { simulatedSignature } from '../profiles/simulated-variant.ts';
import type { MachineGroup, RecordedQuery, Scenario } from '../scenario/scenario.ts';
import type { Observed } from './observed.ts';

/** What is to be otherwise than it was. */
export interface Changes {
  readonly seed?: number | undefined;
  readonly policy?: PolicyName | undefined;
  /** Machines at the start, and to grow to; without `workersMax` that many all the time. */
  readonly workers?: number | undefined;
  readonly workersMax?: number | undefined;
  /** Cores of each machine. */
  readonly cores?: number | undefined;
  /** Of a machine. */
  readonly usdPerHour?: number | undefined;
}

const secondMs = 1_000;
/** Starts are not what is asked about: by then what was loaded then is loaded. */
const warmUpMaxS = 60;
const warmUpMinS = 5;
/** Fewer batches say little of their spread. */
const batchesMin = 50;
const quantiles = 101;
/** What a worker process takes to join here; a machine of a cloud takes longer. */
const startUpS = 2;

/** Throws ConfigInvalid when the recording has too little in it. */
export function scenarioOf(observed: Observed, name: string, changes: Changes = {}): Scenario {
  const { queries, variants, beganMs, dispatcher, worker, slowdowns } = observed;
  const [first] = queries;
  const last = queries.at(-1);
  if (first === undefined || last === undefined || dispatcher === undefined) {
    throw new ConfigInvalid(`${name} has no query in it; record a gateway while it serves`, name);
  }
  const modelled = modelledBy({});
  const chosen = changes.policy === undefined ? undefined : policies[changes.policy];
  const warmUpS = Math.min(warmUpMaxS, Math.max(warmUpMinS, (first.atMs - beganMs) / secondMs));
  const hasNoise = slowdowns.length >= batchesMin;
  const fallback = policies[observed.fleet === undefined ? 'static' : 'ours'];
  return {
    ...{ name, about: '', seed: changes.seed ?? 1, warmUpS, loadFactor: 1 },
    durationS: Math.ceil((last.atMs - first.atMs) / secondMs) + 1,
    gateways: Math.max(1, observed.gateways),
    fleet: machinesOf(observed, name, changes),
    variants: variants.map(asSimulated),
    preload: worker?.preload ?? {},
    ...{ load: [], incidents: [], network: 'direct', hopMs: modelled.hopMs },
    recorded: queries.map(({ atMs, ...query }): RecordedQuery => {
      return { ...query, atS: (atMs - first.atMs) / secondMs };
    }),
    policy: changes.policy ?? 'as recorded',
    selection: chosen?.selection ?? dispatcher.selection,
    batching: chosen?.batching ?? worker?.instance.batching ?? fallback.batching,
    scaling: chosen?.scaling ?? worker?.scaling.policy ?? fallback.scaling,
    fleetPolicy: chosen?.fleet ?? observed.fleet?.policy ?? fallback.fleet,
    ...(hasNoise ? { noise: quantilesOf(slowdowns) } : {}),
    spread: hasNoise ? 0 : 0.05 * modelled.spread,
    // It is in the times that were seen.
    interference: 0,
  };
}

/** What is computed is not simulated. */
function asSimulated(variant: Variant): Variant {
  return { ...variant, signature: simulatedSignature, adapter: {} };
}

function quantilesOf(sorted: readonly number[]): number[] {
  return Array.from({ length: quantiles }, (_, at) => {
    const index = Math.round((at / (quantiles - 1)) * (sorted.length - 1));
    return sorted[index] ?? 1;
  });
}

/** One group of machines alike, after the worker that was seen first. */
function machinesOf(observed: Observed, name: string, changes: Changes): MachineGroup[] {
  const { workers, fleet, beganMs, queries } = observed;
  const [example] = workers;
  const hardware = example?.hardware[0];
  if (hardware === undefined) {
    throw new ConfigInvalid(`${name} has no worker in it`, name);
  }
  const startMs = Math.max(beganMs, queries[0]?.atMs ?? beganMs);
  // One that came just then had been ordered before.
  const latestMs = startMs + startUpS * secondMs;
  const there = workers.filter(({ firstMs, lastMs }) => firstMs <= latestMs && lastMs >= startMs);
  const limits = fleet?.limits[hardware.kind];
  const count = changes.workers ?? Math.max(1, there.length);
  const isGiven = changes.workers !== undefined || changes.workersMax !== undefined;
  const units = changes.cores ?? hardware.units;
  return [
    {
      ...{ name: hardware.kind, hardware: hardware.kind, count, units },
      min: isGiven ? count : Math.min(count, limits?.min ?? count),
      max: changes.workersMax ?? (isGiven ? count : Math.max(count, limits?.max ?? count)),
      memoryBytes: hardware.memoryBytes,
      usdPerHour: changes.usdPerHour ?? units * hardware.costUsdPerUnitHour,
      startUpS,
    },
  ];
}
