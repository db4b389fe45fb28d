/**
 * Instances: a variant loaded on a worker, the states it goes through, and the pure transition
 * between them (INFaaS §3; constants: `reference/infaas.md` §3, `reference/policies.md` §5).
 */

import { assertNever } from '../../runtime/assert.ts';

export type InstanceId = string;

export type InstanceState =
  | 'loading'
  | 'active'
  | 'overloaded'
  | 'interfered'
  | 'migrating'
  | 'draining'
  | 'unloaded'
  | 'failed';

/** The states that the monitor judges between. */
export type JudgedState = 'active' | 'overloaded' | 'interfered';

export function isJudged(state: InstanceState): state is JudgedState {
  return state === 'active' || state === 'overloaded' || state === 'interfered';
}

/** What the monitor saw of an instance in the last window of one second. */
export interface InstanceObservation {
  readonly rateQps: number;
  /** Profiled saturation throughput. */
  readonly saturationQps: number;
  /**
   * Median of execution time over the profile's prediction for the same batch; no queueing in it.
   */
  readonly slowdown: number;
  readonly batches: number;
  /** Work owed at the end of the window, ms of engine time at the pace observed. */
  readonly backlogMs: number;
}

export interface StateRules {
  /** Overloaded when the rate reaches this share of saturation; clears below `overloadClears`. */
  readonly overloadSets: number;
  readonly overloadClears: number;
  /**
   * Overloaded too when it owes this much work, whatever its rate (the released code's bound on
   * outstanding queries, 0.8 to 1.1 s of them); clears below `backlogClearsMs`.
   */
  readonly backlogSetsMs: number;
  readonly backlogClearsMs: number;
  /**
   * Interfered when slower than this in `interferedWindows` windows running, below saturation, with
   * at least `batchesMin` batches in them: a heavy model runs few a second, and all of them count.
   * One that owes `backlogSetsMs` because it is slow is so after two.
   */
  readonly slowdownSets: number;
  readonly slowdownClears: number;
  readonly interferedWindows: number;
  readonly clearWindows: number;
  readonly batchesMin: number;
}

export const defaultStateRules: StateRules = {
  overloadSets: 1.0,
  overloadClears: 0.9,
  backlogSetsMs: 1_000,
  backlogClearsMs: 500,
  slowdownSets: 1.5,
  slowdownClears: 1.2,
  interferedWindows: 3,
  clearWindows: 5,
  batchesMin: 20,
};

/** State and the evidence gathered so far for leaving it. */
export interface InstanceCondition {
  readonly state: InstanceState;
  /** Consecutive windows that spoke for the pending change, and the batches in them. */
  readonly windows: number;
  readonly batches: number;
}

/** At the beginning of a state there is no evidence for leaving it. */
export function newlyIn(state: InstanceState): InstanceCondition {
  return { state, windows: 0, batches: 0 };
}

/** The next condition after one window. Only the three serving states ever change here. */
export function observeInstance(
  condition: InstanceCondition,
  seen: InstanceObservation,
  rules: StateRules = defaultStateRules,
): InstanceCondition {
  const load = seen.saturationQps > 0 ? seen.rateQps / seen.saturationQps : 0;
  switch (condition.state) {
    case 'active':
      if (load >= rules.overloadSets) return newlyIn('overloaded');
      return isSlow(seen, rules)
        ? suspect(condition, seen, rules)
        : seen.backlogMs >= rules.backlogSetsMs
          ? newlyIn('overloaded')
          : seen.batches === 0
            ? condition
            : newlyIn('active');
    case 'overloaded':
      if (load >= rules.overloadClears) return condition;
      // What it owes, it owes because something else slows it down.
      if (isSlow(seen, rules)) return suspect(newlyIn('active'), seen, rules);
      return seen.backlogMs < rules.backlogClearsMs ? newlyIn('active') : condition;
    case 'interfered':
      // A window without batches speaks for a change: avoided by queries, it would never prove
      // itself.
      if (seen.batches > 0 && seen.slowdown >= rules.slowdownClears) return newlyIn('interfered');
      return condition.windows + 1 >= rules.clearWindows
        ? newlyIn('active')
        : { ...condition, windows: condition.windows + 1 };
    case 'loading':
    case 'migrating':
    case 'draining':
    case 'unloaded':
    case 'failed':
      return condition;
    default:
      return assertNever(condition.state);
  }
}

/**
 * By a share of its time, and by an amount that matters, to who waits or to the core. A model of
 * 20 µs is never on time, and one that runs now and then finds the caches cold.
 */
function isSlow(seen: InstanceObservation, { slowdownSets }: StateRules): boolean {
  const { batches, slowdown, saturationQps, rateQps } = seen;
  if (batches === 0 || slowdown <= slowdownSets || saturationQps === 0) return false;
  const excessMs = ((slowdown - 1) * 1000) / saturationQps;
  const lostShare = (excessMs * rateQps) / 1000;
  return excessMs >= feltMs || (excessMs >= measurableMs && lostShare >= missedShare);
}

/** Of engine time a query, beyond the profile's. */
const feltMs = 2;
const measurableMs = 0.05;
/** Of a core's time. */
const missedShare = 0.05;

/** One more slow window of an active instance. */
function suspect(
  condition: InstanceCondition,
  seen: InstanceObservation,
  rules: StateRules,
): InstanceCondition {
  const windows = condition.windows + 1;
  const batches = condition.batches + seen.batches;
  const isProven = windows >= rules.interferedWindows && batches >= rules.batchesMin;
  const isHarmed = windows >= harmedWindows && seen.backlogMs >= rules.backlogSetsMs;
  return isProven || isHarmed ? newlyIn('interfered') : { state: 'active', windows, batches };
}

/** A single slow window may be a burst of arrivals, or a pause of the machine. */
const harmedWindows = 2;
