/** What a load run adds up: answers, errors by code, variants, latencies, SLO attainment. */

import type { Random } from '../../../runtime/random.ts';
import { type LatencySummary, LatencySamples, percentile } from './percentiles.ts';

/** One query of the load, ended. Times are milliseconds on one monotonic clock. */
export interface LoadResult {
  /** When it should have been sent: what latency counts from. */
  readonly intendedMs: number;
  readonly sentMs: number;
  readonly endedMs: number;
  readonly outcome:
    | { readonly ok: true; readonly variant: string; readonly sloMet: boolean }
    | { readonly ok: false; readonly code: string };
}

export interface LoadTotals {
  readonly queries: number;
  readonly ok: number;
  readonly errors: Readonly<Record<string, number>>;
  /** From the intended send to the answer, of those answered ok. */
  readonly latencyMs: LatencySummary;
  /** How late the generator itself was. */
  readonly sendLagMs: LatencySummary;
  /** Share of all queries answered ok within the SLO, by this side's clock. 0..1. */
  readonly sloAttainment: number;
  /** Answers that said themselves that the SLO was met. */
  readonly sloMetReported: number;
  readonly variants: Readonly<Record<string, number>>;
}

/** Latencies that the live line is made of. */
const recentMax = 1_000;

export class LoadRecorder {
  queries = 0;
  ok = 0;
  private within = 0;
  private reported = 0;
  private readonly errors = new Map<string, number>();
  private readonly variants = new Map<string, number>();
  private readonly latencies: LatencySamples;
  private readonly lags: LatencySamples;
  private recent: number[] = [];
  private readonly latencySloMs: number;

  /** `latencySloMs` is Infinity where no latency was asked. */
  constructor(latencySloMs: number, random: Random) {
    this.latencySloMs = latencySloMs;
    this.latencies = new LatencySamples(random);
    this.lags = new LatencySamples(random);
  }

  record(result: LoadResult): void {
    this.queries += 1;
    this.lags.add(result.sentMs - result.intendedMs);
    const { outcome } = result;
    if (!outcome.ok) {
      count(this.errors, outcome.code);
      return;
    }
    const ms = result.endedMs - result.intendedMs;
    this.ok += 1;
    if (ms <= this.latencySloMs) this.within += 1;
    if (outcome.sloMet) this.reported += 1;
    count(this.variants, outcome.variant);
    this.latencies.add(ms);
    this.recent.push(ms);
    if (this.recent.length >= 2 * recentMax) this.recent = this.recent.slice(-recentMax);
  }

  /** Sent, and no longer waited for. */
  giveUp(unanswered: number): void {
    if (unanswered === 0) return;
    this.queries += unanswered;
    this.errors.set('unanswered', unanswered);
  }

  get failed(): number {
    return this.queries - this.ok;
  }

  /** p95 of the last thousand answers. */
  recentP95Ms(): number {
    const sorted = Float64Array.from(this.recent.slice(-recentMax)).sort();
    return percentile(sorted, 95);
  }

  totals(): LoadTotals {
    return {
      queries: this.queries,
      ok: this.ok,
      errors: sorted(this.errors),
      latencyMs: this.latencies.summary(),
      sendLagMs: this.lags.summary(),
      sloAttainment: this.queries === 0 ? 0 : this.within / this.queries,
      sloMetReported: this.reported,
      variants: sorted(this.variants),
    };
  }
}

function count(counts: Map<string, number>, name: string): void {
  counts.set(name, (counts.get(name) ?? 0) + 1);
}

/** Most frequent first. */
function sorted(counts: ReadonlyMap<string, number>): Readonly<Record<string, number>> {
  return Object.fromEntries([...counts].sort((a, b) => b[1] - a[1] || (a[0] < b[0] ? -1 : 1)));
}
