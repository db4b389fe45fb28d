/** Metrics as plain sums by name, to hold against each other after a run. */

import type { Metrics } from '../runtime/metrics.ts';

export class CountedMetrics implements Metrics {
  private readonly sums = new Map<string, { sum: number }>();

  count(name: string, by = 1): void {
    const counted = this.sums.get(name);
    if (counted === undefined) this.sums.set(name, { sum: by });
    else counted.sum += by;
  }

  gauge(): void {
    // Gauges say what is, and a simulation can look at that itself.
  }

  observe(): void {
    // As above.
  }

  /** 0 where nothing was counted. */
  of(name: string): number {
    return this.sums.get(name)?.sum ?? 0;
  }
}
