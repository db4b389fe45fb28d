/**
 * Latencies and their percentiles: exact up to a bound on how many are kept, beyond it over a
 * uniform sample (algorithm R), with count, mean and maximum exact always.
 */

import type { Random } from '../../../runtime/random.ts';

export interface LatencySummary {
  readonly count: number;
  readonly mean: number;
  readonly p50: number;
  readonly p90: number;
  readonly p95: number;
  readonly p99: number;
  readonly max: number;
}

const startCapacity = 1024;
export const samplesMaxDefault = 4_000_000;

export class LatencySamples {
  private kept = new Float64Array(startCapacity);
  private count = 0;
  private sum = 0;
  private most = 0;
  private readonly random: Random;
  private readonly samplesMax: number;

  constructor(random: Random, samplesMax = samplesMaxDefault) {
    this.random = random;
    this.samplesMax = samplesMax;
  }

  add(ms: number): void {
    this.count += 1;
    this.sum += ms;
    if (ms > this.most) this.most = ms;
    if (this.count <= this.samplesMax) {
      this.grow();
      this.kept[this.count - 1] = ms;
      return;
    }
    const at = Math.floor(this.random() * this.count);
    if (at < this.samplesMax) this.kept[at] = ms;
  }

  /** All zero where nothing was added. */
  summary(): LatencySummary {
    const sorted = this.kept.slice(0, Math.min(this.count, this.samplesMax)).sort();
    return {
      count: this.count,
      mean: this.count === 0 ? 0 : this.sum / this.count,
      p50: percentile(sorted, 50),
      p90: percentile(sorted, 90),
      p95: percentile(sorted, 95),
      p99: percentile(sorted, 99),
      max: this.most,
    };
  }

  private grow(): void {
    if (this.count <= this.kept.length) return;
    const larger = new Float64Array(Math.min(this.samplesMax, this.kept.length * 2));
    larger.set(this.kept);
    this.kept = larger;
  }
}

/** Nearest rank: the least value that at least `percent` of all are not above. 0 of nothing. */
export function percentile(sorted: ArrayLike<number>, percent: number): number {
  const rank = Math.ceil((percent / 100) * sorted.length);
  return sorted[Math.max(0, rank - 1)] ?? 0;
}
