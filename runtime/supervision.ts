/**
 * Supervision as data: what happens to an actor whose behaviour threw, decided by a pure function.
 *
 * The intensity rule is Erlang/OTP's: more than `restartsMax` restarts within `withinMs` and the
 * actor is stopped for good, which its watchers learn; so a restart storm ends by itself.
 */

export interface SupervisionPolicy {
  readonly onFailure: 'restart' | 'stop' | 'escalate';
  readonly restartsMax: number;
  readonly withinMs: number;
  /** The n-th consecutive restart waits initialMs × factor^(n−1), at most maxMs. */
  readonly backoff: { readonly initialMs: number; readonly factor: number; readonly maxMs: number };
}

export type FailureDecision =
  | { readonly do: 'restart'; readonly afterMs: number; readonly history: readonly number[] }
  | { readonly do: 'stop'; readonly why: 'policy' | 'intensity' }
  | { readonly do: 'escalate' };

export const restartPolicy: SupervisionPolicy = {
  onFailure: 'restart',
  restartsMax: 5,
  withinMs: 10_000,
  backoff: { initialMs: 0, factor: 2, maxMs: 1_000 },
};

export const stopPolicy: SupervisionPolicy = { ...restartPolicy, onFailure: 'stop' };
export const escalatePolicy: SupervisionPolicy = { ...restartPolicy, onFailure: 'escalate' };

/**
 * Decides after a failure at `nowMs`, given the times of the actor's earlier restarts.
 * Restarts older than `withinMs` no longer count, neither for intensity nor for back-off.
 */
export function decideAfterFailure(
  policy: SupervisionPolicy,
  history: readonly number[],
  nowMs: number,
): FailureDecision {
  if (policy.onFailure === 'stop') return { do: 'stop', why: 'policy' };
  if (policy.onFailure === 'escalate') return { do: 'escalate' };
  const recent = history.filter((atMs) => nowMs - atMs < policy.withinMs);
  if (recent.length >= policy.restartsMax) return { do: 'stop', why: 'intensity' };
  const { initialMs, factor, maxMs } = policy.backoff;
  // Without an initial delay there is none: the product would be NaN once the power overflows.
  const afterMs = initialMs === 0 ? 0 : Math.min(maxMs, initialMs * factor ** recent.length);
  return { do: 'restart', afterMs, history: [...recent, nowMs] };
}
