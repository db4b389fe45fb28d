/**
 * Demand foreseen rather than observed: the greater of e + 3·sqrt(e), e being the rate smoothed
 * over ten seconds, and of the peaks of the last minute. On a week's trace it left 0.4 % of the
 * queries over capacity, a tenth of what smoothing with 5 % on top leaves (`reference/policies.md`
 * §3).
 */

export interface Forecast {
  readonly smoothQps: number;
  /** Over thirty seconds; against the other it tells the trend. */
  readonly slowQps: number;
  /** Later than `sinceMs`, each lower than the one before. */
  readonly peaks: readonly { readonly atMs: number; readonly rateQps: number }[];
  readonly atMs: number;
}

const smoothMs = 10_000;
const slowMs = 30_000;

/** Takes a second's observation in. */
export function observeRate(
  before: Forecast | undefined,
  rateQps: number,
  nowMs: number,
  rememberMs: number,
): Forecast {
  const elapsedMs = before === undefined ? Infinity : nowMs - before.atMs;
  const towards = (last: number, ms: number): number =>
    last + (1 - Math.exp(-elapsedMs / ms)) * (rateQps - last);
  const smoothQps = towards(before?.smoothQps ?? rateQps, smoothMs);
  const slowQps = towards(before?.slowQps ?? rateQps, slowMs);
  const peaks = (before?.peaks ?? []).filter(
    // Lower ones before a peak will never be the maximum again.
    ({ atMs, rateQps: peak }) => atMs > nowMs - rememberMs && peak > rateQps,
  );
  return {
    // Below one query in ten seconds it has faded.
    smoothQps: smoothQps < 0.1 && rateQps === 0 ? 0 : smoothQps,
    slowQps,
    peaks: [...peaks, { atMs: nowMs, rateQps }],
    atMs: nowMs,
  };
}

/**
 * With `leadMs` a rise is carried on for so long. A mean over τ lags a steady rise by τ of it, so
 * the two differ by twenty seconds' worth.
 */
export function expectedQps({ smoothQps, slowQps, peaks }: Forecast, leadMs = 0): number {
  const riseQpsPerMs = Math.max(0, smoothQps - slowQps) / (slowMs - smoothMs);
  const thenQps = leadMs > 0 ? smoothQps + riseQpsPerMs * (smoothMs + leadMs) : smoothQps;
  return Math.max(thenQps + 3 * Math.sqrt(thenQps), ...peaks.map(({ rateQps }) => rateQps));
}
