/**
 * How a rate goes over time, as data: each shape is a pure function of the time since the start.
 * Rates are queries per second.
 */

import { assertNever } from '../../runtime/assert.ts';
import { splitRandom } from '../../runtime/random.ts';
import { twitterLikeRate } from './twitter-like.ts';

export type Shape =
  | { readonly kind: 'constant'; readonly qps: number }
  | { readonly kind: 'ramp'; readonly fromQps: number; readonly toQps: number }
  | {
      readonly kind: 'step';
      readonly fromQps: number;
      readonly toQps: number;
      /** When it steps, s. */
      readonly atS: number;
    }
  | {
      readonly kind: 'on-off';
      readonly onQps: number;
      readonly offQps: number;
      readonly onS: number;
      readonly offS: number;
    }
  | {
      /** A cosine: the least at the start, the most in the middle of each period. */
      readonly kind: 'diurnal';
      readonly minQps: number;
      readonly maxQps: number;
      readonly periodS: number;
    }
  | {
      /** A rate a line, each for `stepS`; begins again at its end. */
      readonly kind: 'trace';
      readonly rates: readonly number[];
      readonly stepS: number;
      readonly scale: number;
    }
  | {
      readonly kind: 'twitter-like';
      readonly meanQps: number;
      /** Seconds of the day at the start, 0..86400. */
      readonly fromS: number;
      /** How much faster than the clock the day goes by: 24 makes an hour of it. */
      readonly speed: number;
    };

export type RateAt = (timeMs: number) => number;

/** @param durationMs Of the whole run: what a ramp ends with. */
export function rateOf(shape: Shape, durationMs: number, seed: number): RateAt {
  switch (shape.kind) {
    case 'constant':
      return () => shape.qps;
    case 'ramp':
      return (timeMs) => shape.fromQps + ((shape.toQps - shape.fromQps) * timeMs) / durationMs;
    case 'step':
      return (timeMs) => (timeMs < 1_000 * shape.atS ? shape.fromQps : shape.toQps);
    case 'on-off': {
      const cycleMs = 1_000 * (shape.onS + shape.offS);
      return (timeMs) => (timeMs % cycleMs < 1_000 * shape.onS ? shape.onQps : shape.offQps);
    }
    case 'diurnal': {
      const { minQps, maxQps, periodS } = shape;
      return (timeMs) => {
        const swing = (1 - Math.cos((2 * Math.PI * timeMs) / (1_000 * periodS))) / 2;
        return minQps + (maxQps - minQps) * swing;
      };
    }
    case 'trace': {
      const { rates, stepS, scale } = shape;
      return (timeMs) => scale * (rates[Math.floor(timeMs / (1_000 * stepS)) % rates.length] ?? 0);
    }
    case 'twitter-like': {
      const rate = twitterLikeRate(splitRandom(seed, 'twitter-like'));
      const { meanQps, fromS, speed } = shape;
      return (timeMs) => meanQps * rate(fromS + (speed * timeMs) / 1_000);
    }
    default:
      return assertNever(shape);
  }
}
