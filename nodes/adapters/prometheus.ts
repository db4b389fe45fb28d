/**
 * The metrics port over prom-client. Metrics come into being when first used; counting is a map
 * look-up and an addition, and text is made only when somebody scrapes.
 */

import { Counter, Gauge, Histogram, Registry } from 'prom-client';

import type { MetricLabels, Metrics } from '../../runtime/metrics.ts';

export interface PrometheusMetrics extends Metrics {
  /** The exposition text, for `/metrics`. */
  text(): Promise<string>;
  readonly contentType: string;
}

/** Milliseconds from 0.1 ms to 30 s, the range between a tiny model and the default time-out. */
const buckets = [0.1, 0.25, 0.5, 1, 2.5, 5, 10, 25, 50, 100, 250, 500, 1_000, 5_000, 30_000];

export function createPrometheusMetrics(node: string): PrometheusMetrics {
  const registry = new Registry();
  registry.setDefaultLabels({ node });
  const counters = new Map<string, Counter>();
  const gauges = new Map<string, Gauge>();
  const histograms = new Map<string, Histogram>();
  const shape = (name: string, labels: MetricLabels | undefined) => ({
    name: named(name),
    help: named(name).replaceAll('_', ' '),
    labelNames: Object.keys(labels ?? {}),
    registers: [registry],
  });
  return {
    count(name, by = 1, labels) {
      let counter = counters.get(name);
      if (counter === undefined) {
        counter = new Counter(shape(name, labels));
        counters.set(name, counter);
      }
      if (labels === undefined) counter.inc(by);
      else counter.inc(labels, by);
    },
    gauge(name, value, labels) {
      let gauge = gauges.get(name);
      if (gauge === undefined) {
        gauge = new Gauge(shape(name, labels));
        gauges.set(name, gauge);
      }
      if (labels === undefined) gauge.set(value);
      else gauge.set(labels, value);
    },
    observe(name, value, labels) {
      let histogram = histograms.get(name);
      if (histogram === undefined) {
        histogram = new Histogram({ ...shape(name, labels), buckets });
        histograms.set(name, histogram);
      }
      if (labels === undefined) histogram.observe(value);
      else histogram.observe(labels, value);
    },
    text: () => registry.metrics(),
    contentType: registry.contentType,
  };
}

/** Everything we export begins with `infaas_`; the runtime's own names do not know that. */
function named(name: string): string {
  return name.startsWith('infaas_') ? name : `infaas_${name}`;
}
