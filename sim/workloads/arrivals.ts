/**
 * When queries arrive, given a rate over time: constant, Poisson, or gamma (burstier than Poisson).
 * Every gap is an amount of expected queries, used up at the rate of the moment, so that a rate
 * that changes within a gap, or is 0 for a while, is right (time rescaling).
 */

import type { Random } from '../../runtime/random.ts';
import type { RateAt } from './shape.ts';

export type Arrivals =
  | { readonly kind: 'constant' }
  | { readonly kind: 'poisson' }
  /** `variation`: of the gaps, their standard deviation over their mean; 1 is Poisson. */
  | { readonly kind: 'gamma'; readonly variation: number };

/** A rate is taken for constant for so long. */
const stepMs = 100;

/** The times, ms, ascending and below `untilMs`. */
export function* arrivalTimes(
  rateAt: RateAt,
  arrivals: Arrivals,
  untilMs: number,
  random: Random,
): Generator<number, void, undefined> {
  const nextGap = gapsOf(arrivals, random);
  let gapLeft = arrivals.kind === 'constant' ? 0 : nextGap();
  for (let startMs = 0; startMs < untilMs; startMs += stepMs) {
    const forMs = Math.min(stepMs, untilMs - startMs);
    const perMs = Math.max(0, rateAt(startMs + forMs / 2)) / 1_000;
    const expected = perMs * forMs;
    let used = 0;
    // Rounding must not put one arrival into two steps.
    while (used + gapLeft < expected - 1e-9) {
      used += gapLeft;
      yield startMs + used / perMs;
      gapLeft = nextGap();
    }
    gapLeft = Math.max(0, gapLeft - (expected - used));
  }
}

function gapsOf(arrivals: Arrivals, random: Random): () => number {
  if (arrivals.kind === 'constant') return () => 1;
  if (arrivals.kind === 'poisson') return () => exponential(random);
  const shape = 1 / arrivals.variation ** 2;
  return () => drawGamma(shape, random) / shape;
}

function exponential(random: Random): number {
  return -Math.log(1 - random());
}

/** Source: G. Marsaglia, W. W. Tsang, "A Simple Method for Generating Gamma Variables" (2000). */
function drawGamma(shape: number, random: Random): number {
  if (shape < 1) return drawGamma(shape + 1, random) * (1 - random()) ** (1 / shape);
  const d = shape - 1 / 3;
  const c = 1 / Math.sqrt(9 * d);
  for (;;) {
    const x = drawNormal(random);
    const v = (1 + c * x) ** 3;
    if (v <= 0) continue;
    if (Math.log(1 - random()) < 0.5 * x * x + d - d * v + d * Math.log(v)) return d * v;
  }
}

function drawNormal(random: Random): number {
  return Math.sqrt(2 * exponential(random)) * Math.cos(2 * Math.PI * random());
}
