/**
 * The metrics port: counters, gauges and histograms by name; the adapter (prom-client) is in
 * `nodes/`.
 */

export type MetricLabels = Readonly<Record<string, string>>;

export interface Metrics {
  count(name: string, by?: number, labels?: MetricLabels): void;
  gauge(name: string, value: number, labels?: MetricLabels): void;
  /** Milliseconds, or whatever unit the name's suffix says. */
  observe(name: string, value: number, labels?: MetricLabels): void;
}

export const silentMetrics: Metrics = {
  count: () => undefined,
  gauge: () => undefined,
  observe: () => undefined,
};
