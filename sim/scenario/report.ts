/** What a scenario comes to: totals, by tenant, and what went on second by second. */

export interface TallyReport {
  readonly queries: number;
  readonly served: number;
  readonly refusals: Readonly<Record<string, number>>;
  /** Without any terminal answer, refusals included: always 0, or something is broken. */
  readonly unanswered: number;
  /** Served in time or without a deadline, a second. */
  readonly goodputQps: number;
  readonly throughputQps: number;
  /** Share of queries that were refused or served late. */
  readonly violations: number;
  /** Of served queries, by their variants' own figures, percent. */
  readonly accuracyMean: number;
  readonly latencyMs: { readonly p50: number; readonly p99: number };
  readonly batchMean: number;
}

export interface ScenarioReport extends TallyReport {
  readonly scenario: string;
  readonly policy: string;
  readonly seed: number;
  readonly durationS: number;
  /** Busy share of all cores and devices. */
  readonly utilisation: number;
  /** Of the machines that were on. */
  readonly machineUsd: number;
  /** Of the time that queries occupied. */
  readonly occupancyUsd: number;
  readonly variants: Readonly<Record<string, number>>;
  readonly tenants: Readonly<Record<string, TallyReport>>;
  /** Offline items answered after the warm-up, a second; 0 without offline work. */
  readonly offlineQps: number;
  readonly events: number;
  readonly seconds: readonly Second[];
}

export interface Second {
  readonly asked: number;
  readonly served: number;
  readonly violations: number;
  readonly utilisation: number;
  readonly instances: number;
  readonly workers: number;
}
