/**
 * How fast an instance really is against its profile, and how fast queries come. Both feed
 * batching, predicted completion and the monitor's judgement of interference
 * (`reference/policies.md` §5).
 */

const slowdownWeight = 0.2;
const ratiosKept = 5;
const gapWeight = 0.1;

export interface Pace {
  /** EWMA of the median of the last five ratios of execution time to T(observed batch). */
  slowdown: number;
  readonly ratios: number[];
  lastArrivalMs: number;
  meanGapMs: number;
}

export function createPace(slowdown: number): Pace {
  return { slowdown, ratios: [], lastArrivalMs: -Infinity, meanGapMs: Infinity };
}

export function observeRatio(pace: Pace, ratio: number): void {
  const { ratios } = pace;
  if (ratios.length < ratiosKept) ratios.push(ratio);
  else {
    ratios.copyWithin(0, 1);
    ratios[ratiosKept - 1] = ratio;
  }
  pace.slowdown += slowdownWeight * (upperMedian(ratios) - pace.slowdown);
}

/** Of a few numbers, where sorting a copy of them would cost more. */
function upperMedian(values: readonly number[]): number {
  const rank = values.length >> 1;
  for (const candidate of values) {
    let below = 0;
    let equal = 0;
    for (const value of values) {
      if (value < candidate) below += 1;
      else if (value === candidate) equal += 1;
    }
    if (below <= rank && rank < below + equal) return candidate;
  }
  return 1;
}

export function observeArrival(pace: Pace, nowMs: number): void {
  const gapMs = nowMs - pace.lastArrivalMs;
  pace.lastArrivalMs = nowMs;
  if (gapMs === Infinity) return;
  pace.meanGapMs =
    pace.meanGapMs === Infinity ? gapMs : pace.meanGapMs + gapWeight * (gapMs - pace.meanGapMs);
}

/** Arrivals a millisecond, fading when none came for longer than the mean gap. */
export function arrivalsPerMs(pace: Pace, nowMs: number): number {
  const gapMs = Math.max(pace.meanGapMs, nowMs - pace.lastArrivalMs, 1e-3);
  return gapMs === Infinity ? 0 : 1 / gapMs;
}
