/** Gathers what a run does, query by query and second by second. */

import type { QueryAnswer } from '../../actors/domain/query.ts';
import type { ScenarioReport, Second } from './report.ts';
import type { Scenario } from './scenario.ts';

type Writable<T> = { -readonly [K in keyof T]: T[K] };

/** Latencies are counted in buckets this much wider one than the last: within 1 %. */
const bucketGrowth = 1.01;
const bucketMinMs = 0.01;
const logOfGrowth = Math.log(bucketGrowth);

export class Measures {
  private readonly seconds: Writable<Second>[];
  private readonly latencies: number[] = [];
  private readonly refusals: Record<string, number> = {};
  private readonly variants: Record<string, number> = {};
  private asks = 0;
  private serves = 0;
  private late = 0;
  private accuracySum = 0;
  private batchSum = 0;
  private occupancyUsd = 0;

  constructor(durationS: number) {
    this.seconds = Array.from({ length: Math.ceil(durationS) }, () => ({
      ...{ asked: 0, served: 0, violations: 0, utilisation: 0, instances: 0, workers: 0 },
    }));
  }

  /** @param timeMs Since the end of the warm-up. */
  asked(timeMs: number): void {
    const second = this.seconds[Math.floor(timeMs / 1_000)];
    if (second === undefined) return;
    second.asked += 1;
    this.asks += 1;
  }

  /** A query counts when it was asked after the warm-up, however late its answer. */
  answered(timeMs: number, answer: QueryAnswer): void {
    const totalMs = answer.ok ? answer.timing.totalMs : 0;
    if (timeMs - totalMs < 0) return;
    // An answer after the end belongs to the last second.
    const second = this.seconds[Math.min(this.seconds.length - 1, Math.floor(timeMs / 1_000))];
    if (second === undefined) return;
    if (!answer.ok) {
      const { code } = answer.error;
      this.refusals[code] = (this.refusals[code] ?? 0) + 1;
      second.violations += 1;
      return;
    }
    const { servedBy, slo, costUsd } = answer;
    second.served += 1;
    this.serves += 1;
    if (!slo.met) {
      this.late += 1;
      second.violations += 1;
    }
    this.variants[servedBy.variant] = (this.variants[servedBy.variant] ?? 0) + 1;
    this.accuracySum += servedBy.accuracy;
    this.batchSum += servedBy.batchSize;
    this.occupancyUsd += costUsd;
    const bucket = bucketOf(totalMs);
    this.latencies[bucket] = (this.latencies[bucket] ?? 0) + 1;
  }

  sampled(timeMs: number, fleet: Pick<Second, 'utilisation' | 'instances' | 'workers'>): void {
    const second = this.seconds[Math.floor(timeMs / 1_000)];
    if (second !== undefined) Object.assign(second, fleet);
  }

  report(scenario: Scenario, machineUsd: number, events: number): ScenarioReport {
    const { name, policy, seed, durationS } = scenario;
    const { serves, asks, seconds } = this;
    const refused = Object.values(this.refusals).reduce((sum, count) => sum + count, 0);
    const utilisation = seconds.reduce((sum, second) => sum + second.utilisation, 0);
    return {
      ...{ scenario: name, policy, seed, durationS, queries: asks, served: serves },
      goodputQps: (serves - this.late) / durationS,
      throughputQps: serves / durationS,
      violations: asks === 0 ? 0 : (refused + this.late) / asks,
      refusals: this.refusals,
      accuracyMean: serves === 0 ? 0 : this.accuracySum / serves,
      latencyMs: { p50: this.quantile(0.5), p99: this.quantile(0.99) },
      batchMean: serves === 0 ? 0 : this.batchSum / serves,
      utilisation: utilisation / seconds.length,
      ...{ machineUsd, occupancyUsd: this.occupancyUsd, variants: this.variants, events, seconds },
    };
  }

  private quantile(share: number): number {
    let left = share * this.serves;
    for (let bucket = 0; bucket < this.latencies.length; bucket += 1) {
      left -= this.latencies[bucket] ?? 0;
      if (left <= 0 && this.serves > 0) return bucketMinMs * bucketGrowth ** (bucket + 0.5);
    }
    return 0;
  }
}

function bucketOf(ms: number): number {
  if (ms <= bucketMinMs) return 0;
  return Math.floor(Math.log(ms / bucketMinMs) / logOfGrowth);
}
