/** What a scenario comes to: totals, and what went on second by second. */

export interface ScenarioReport {
  readonly scenario: string;
  readonly policy: string;
  readonly seed: number;
  readonly durationS: number;
  readonly queries: number;
  readonly served: number;
  /** Served in time or without a deadline, a second. */
  readonly goodputQps: number;
  readonly throughputQps: number;
  /** Share of queries that were refused or served late. */
  readonly violations: number;
  readonly refusals: Readonly<Record<string, number>>;
  /** Of served queries, by their variants' own figures, percent. */
  readonly accuracyMean: number;
  readonly latencyMs: { readonly p50: number; readonly p99: number };
  readonly batchMean: number;
  /** Busy share of all cores and devices. */
  readonly utilisation: number;
  /** Of the machines that were on. */
  readonly machineUsd: number;
  /** Of the time that queries occupied. */
  readonly occupancyUsd: number;
  readonly variants: Readonly<Record<string, number>>;
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
