/**
 * Drift: whether a profile still tells the truth. Observed execution times are compared with the
 * profile's for the same batches; when they are off by more than a bound, slower or faster, for
 * long enough, the profile is stale and wants measuring again. Two bounds and a time, so that
 * neither a burst nor a ratio that sits on the bound makes it flap.
 *
 * It differs from `interfered` (domain/instance.ts): interference is seconds of one instance and
 * cured by moving it; drift is minutes, on whatever machine, and cured by a new profile.
 */

export interface DriftRule {
  /** Off when observed/profiled, or its inverse, exceeds this. */
  readonly setsAt: number;
  /** Right again when neither exceeds this; less than `setsAt`. */
  readonly clearsAt: number;
  /** How long it must have been off, milliseconds. */
  readonly forMs: number;
  /** Observations with fewer batches than this say nothing. */
  readonly batchesMin: number;
  /** Share of the latest observation in the running ratio, 0 < x <= 1. */
  readonly weight: number;
}

export const defaultDriftRule: DriftRule = {
  setsAt: 1.5,
  clearsAt: 1.25,
  forMs: 60_000,
  batchesMin: 10,
  weight: 0.2,
};

export interface DriftState {
  /** Running geometric mean of observed over profiled; 1 before anything was observed. */
  readonly ratio: number;
  readonly observations: number;
  /** Since when the ratio has been off; undefined: it is not. */
  readonly offSinceMs: number | undefined;
  readonly stale: boolean;
}

export const noDrift: DriftState = {
  ratio: 1,
  observations: 0,
  offSinceMs: undefined,
  stale: false,
};

/** What a monitor saw of one variant in one window. */
export interface DriftObservation {
  readonly nowMs: number;
  /** Executed batches in the window. */
  readonly batches: number;
  /** Sum of their execution times over the sum of what the profile says of them. */
  readonly ratio: number;
}

/**
 * The next state. `stale` is set once off for `forMs`, and cleared only by `noDrift` (a new
 * profile) or by a ratio back within `clearsAt`, which shows that the cause has gone.
 */
export function observeDrift(
  state: DriftState,
  { nowMs, batches, ratio }: DriftObservation,
  rule: DriftRule,
): DriftState {
  if (batches < rule.batchesMin || !(ratio > 0 && ratio < Infinity)) return state;
  const observations = state.observations + 1;
  // Ratios multiply, so they are averaged as logarithms: twice and half cancel out.
  const running =
    state.observations === 0
      ? ratio
      : Math.exp(Math.log(state.ratio) * (1 - rule.weight) + Math.log(ratio) * rule.weight);
  const off = Math.max(running, 1 / running);
  const wasOff = state.offSinceMs !== undefined;
  const isOff = off > (wasOff ? rule.clearsAt : rule.setsAt);
  if (!isOff) return { ratio: running, observations, offSinceMs: undefined, stale: false };
  const offSinceMs = state.offSinceMs ?? nowMs;
  const stale = state.stale || nowMs - offSinceMs >= rule.forMs;
  return { ratio: running, observations, offSinceMs, stale };
}
