/**
 * Ranges of activations over calibration samples: from least to largest, or, cutting off rare
 * extremes, between percentiles of a histogram that grows with what it sees.
 */

import type { Range } from './quantise.ts';

export type CalibrationMethod = 'min-max' | 'percentile';

export interface CalibrationSettings {
  readonly method: CalibrationMethod;
  /** Share of values that the range holds, percent; half of the rest lies at each end. */
  readonly percentile: number;
}

export const calibrationDefaults: CalibrationSettings = { method: 'min-max', percentile: 99.99 };

const bins = 4096;

/** Counts by magnitude over `[-limit, limit]`. When a value lies beyond, bins are joined. */
class Histogram {
  min = Infinity;
  max = -Infinity;
  #limit = 0;
  #counts = new Float64Array(bins);
  #total = 0;

  see(values: Float32Array): void {
    for (const value of values) {
      if (!Number.isFinite(value)) continue;
      if (value < this.min) this.min = value;
      if (value > this.max) this.max = value;
    }
    const reach = Math.max(Math.abs(this.min), Math.abs(this.max));
    if (!Number.isFinite(reach)) return;
    if (this.#limit === 0) this.#limit = reach === 0 ? 1 : reach;
    while (this.#limit < reach) this.#double();
    const width = (2 * this.#limit) / bins;
    for (const value of values) {
      if (!Number.isFinite(value)) continue;
      const at = Math.min(bins - 1, Math.max(0, Math.floor((value + this.#limit) / width)));
      this.#counts[at] = (this.#counts[at] ?? 0) + 1;
      this.#total += 1;
    }
  }

  #double(): void {
    const wider = new Float64Array(bins);
    for (let at = 0; at < bins; at += 1) {
      const to = bins / 4 + (at >> 1);
      wider[to] = (wider[to] ?? 0) + (this.#counts[at] ?? 0);
    }
    this.#counts = wider;
    this.#limit *= 2;
  }

  between(percentile: number): Range {
    const tail = (this.#total * (1 - percentile / 100)) / 2;
    const width = (2 * this.#limit) / bins;
    let low = 0;
    for (let left = tail; low < bins - 1; low += 1) {
      left -= this.#counts[low] ?? 0;
      if (left < 0) break;
    }
    let high = bins - 1;
    for (let left = tail; high > 0; high -= 1) {
      left -= this.#counts[high] ?? 0;
      if (left < 0) break;
    }
    return {
      min: Math.max(this.min, low * width - this.#limit),
      max: Math.min(this.max, (high + 1) * width - this.#limit),
    };
  }
}

export class RangeObserver {
  readonly #settings: CalibrationSettings;
  readonly #seen = new Map<string, Histogram>();

  constructor(settings: CalibrationSettings = calibrationDefaults) {
    this.#settings = settings;
  }

  see(name: string, values: Float32Array): void {
    let histogram = this.#seen.get(name);
    if (histogram === undefined) {
      histogram = new Histogram();
      this.#seen.set(name, histogram);
    }
    histogram.see(values);
  }

  /** A tensor of which no finite value was seen has no range. */
  ranges(): ReadonlyMap<string, Range> {
    const { method, percentile } = this.#settings;
    const found = new Map<string, Range>();
    for (const [name, histogram] of this.#seen) {
      const { min, max } = histogram;
      if (max < min) continue;
      found.set(name, method === 'min-max' ? { min, max } : histogram.between(percentile));
    }
    return found;
  }
}
