/**
 * When an open-loop load sends: absolute times from the start, so that a slow answer or a late
 * timer never shifts what comes after (coordinated omission; G. Tene, "How NOT to Measure
 * Latency"). Pure.
 */

import type { Random } from '../../../runtime/random.ts';

export type ArrivalKind = 'poisson' | 'constant';

/** A rate that holds for a while. */
export interface RateSegment {
  readonly rateQps: number;
  readonly forMs: number;
}

/**
 * Arrival times in milliseconds from the start, ascending, until the segments end.
 *
 * Every gap is an amount of "expected queries": 1 for constant arrivals, exponential with mean 1
 * for Poisson. It is used up at the rate of the moment, so a rate that changes in the middle of a
 * gap, or is 0 for a while, is right (time rescaling of an inhomogeneous process).
 */
export function* arrivalTimes(
  segments: Iterable<RateSegment>,
  kind: ArrivalKind,
  random: Random,
): Generator<number, void, undefined> {
  const nextGap = (): number => (kind === 'constant' ? 1 : -Math.log(1 - random()));
  let startMs = 0;
  // The first constant arrival is at once; a Poisson process has no such privileged moment.
  let gapLeft = kind === 'constant' ? 0 : nextGap();
  for (const { rateQps, forMs } of segments) {
    const expected = (rateQps * forMs) / 1000;
    let used = 0;
    // A gap that ends with the segment belongs to the next one; rounding must not decide it twice.
    while (rateQps > 0 && used + gapLeft < expected - 1e-9) {
      used += gapLeft;
      yield startMs + (used * 1000) / rateQps;
      gapLeft = nextGap();
    }
    gapLeft = Math.max(0, gapLeft - (expected - used));
    startMs += forMs;
  }
}
