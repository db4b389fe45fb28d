/**
 * What a decision costs, by what the query says and what is loaded (the paper's Figure on decision
 * overhead): a selection policy on the dispatcher's own index, at the paper's scale.
 */

import {
  type FleetView,
  type QueryView,
  selectionPolicies,
  type SelectionPolicyName,
} from '../../actors/policy/selection/index.ts';
import { seededRandom, type Random } from '../../runtime/random.ts';
import { buildFleet, drawQuery, paperFleet } from '../selection.ts';
import { percentile } from '../statistics.ts';

export interface DecisionTimes {
  readonly policy: SelectionPolicyName;
  readonly state: string;
  readonly p50Us: number;
  readonly p99Us: number;
}

interface Situation {
  readonly state: string;
  readonly instancesPerVariant: number;
  readonly named: boolean;
}

const situations: readonly Situation[] = [
  { state: 'variant named, loaded', instancesPerVariant: 2, named: true },
  { state: 'requirement given, loaded', instancesPerVariant: 2, named: false },
  { state: 'requirement given, nothing loaded', instancesPerVariant: 0, named: false },
];

const decisions = 10_000;
const rounds = 5;

/** Rounds of all combinations in turn, so that what disturbs one disturbs all; the best of each. */
export function measureDecisions(policies: readonly SelectionPolicyName[]): DecisionTimes[] {
  const measured = policies.flatMap((policy) =>
    situations.map((situation) => ({ policy, situation, p50Us: Infinity, p99Us: Infinity })),
  );
  for (let round = 0; round <= rounds; round += 1) {
    for (const each of measured) {
      const { p50Us, p99Us } = measure(each.policy, each.situation);
      // The first round warms up.
      if (round === 0) continue;
      each.p50Us = Math.min(each.p50Us, p50Us);
      each.p99Us = Math.min(each.p99Us, p99Us);
    }
  }
  return measured.map(({ policy, situation: { state }, p50Us, p99Us }) => ({
    ...{ policy, state, p50Us, p99Us },
  }));
}

function measure(
  policy: SelectionPolicyName,
  { instancesPerVariant, named }: Situation,
): { readonly p50Us: number; readonly p99Us: number } {
  const random = seededRandom(7);
  const index = buildFleet({ ...paperFleet, instancesPerVariant }, random);
  const candidates = named
    ? [...index.variants.values()].map((variant) => [variant])
    : [...index.useCases.values()].map(({ variants }) => variants);
  const select = selectionPolicies[policy];
  const times = new Float64Array(decisions);
  for (let at = 0; at < decisions; at += 1) {
    const view: FleetView = {
      ...{ nowMs: 1_000, workers: index.workerList, hopMs: 0.5, loadExtraMs: 0 },
      variants: candidates[at % candidates.length] ?? [],
    };
    const query = named ? withoutFloor(random) : drawQuery(random);
    const startMs = performance.now();
    select(view, query, random);
    times[at] = (performance.now() - startMs) * 1_000;
  }
  times.sort();
  return { p50Us: percentile(times, 0.5), p99Us: percentile(times, 0.99) };
}

/** Who names a variant takes its accuracy. */
function withoutFloor(random: Random): QueryView {
  const query = drawQuery(random);
  return { ...query, slo: { latencyMs: query.slo.latencyMs } };
}
