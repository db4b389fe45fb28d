/** Counts queries and how they were answered: of a whole run, or of one tenant. */

import type { QueryAnswer } from '../../actors/domain/query.ts';
import type { TallyReport } from './report.ts';

/** Latencies are counted in buckets this much wider one than the last: within 1 %. */
const bucketGrowth = 1.01;
const bucketGrowthLog = Math.log(bucketGrowth);
const bucketMinMs = 0.01;

export class Tally {
  private readonly latencies: number[] = [];
  private readonly refusals: Record<string, number> = {};
  private asks = 0;
  private answers = 0;
  private serves = 0;
  private late = 0;
  private accuracySum = 0;
  private batchSum = 0;

  asked(): void {
    this.asks += 1;
  }

  refused(code: string): void {
    this.answers += 1;
    this.refusals[code] = (this.refusals[code] ?? 0) + 1;
  }

  served({ servedBy, slo, timing }: Extract<QueryAnswer, { ok: true }>): void {
    this.answers += 1;
    this.serves += 1;
    if (!slo.met) this.late += 1;
    this.accuracySum += servedBy.accuracy;
    this.batchSum += servedBy.batchSize;
    const bucket = bucketOf(timing.totalMs);
    this.latencies[bucket] = (this.latencies[bucket] ?? 0) + 1;
  }

  report(durationS: number): TallyReport {
    const { asks, answers, serves, late, refusals } = this;
    const refused = Object.values(refusals).reduce((sum, count) => sum + count, 0);
    return {
      ...{ queries: asks, served: serves, refusals, unanswered: asks - answers },
      goodputQps: (serves - late) / durationS,
      throughputQps: serves / durationS,
      violations: asks === 0 ? 0 : (refused + late) / asks,
      accuracyMean: serves === 0 ? 0 : this.accuracySum / serves,
      latencyMs: { p50: this.quantile(0.5), p99: this.quantile(0.99) },
      batchMean: serves === 0 ? 0 : this.batchSum / serves,
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
  return Math.floor(Math.log(ms / bucketMinMs) / bucketGrowthLog);
}
