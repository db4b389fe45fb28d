/** What is read off a run: each a figure of its report. */

import type { ScenarioReport } from '../../sim/scenario/report.ts';
import type { Metric } from './experiment.ts';

export const violations: Metric = {
  ...{ id: 'violations', label: 'violations, %', digits: 2 },
  of: (report) => 100 * report.violations,
};
export const throughput: Metric = {
  ...{ id: 'throughput', label: 'served/s', digits: 1 },
  of: (report) => report.throughputQps,
};
export const goodput: Metric = {
  ...{ id: 'goodput', label: 'in time/s', digits: 1 },
  of: (report) => report.goodputQps,
};
export const cost: Metric = {
  ...{ id: 'cost', label: 'machines, $/h', digits: 3 },
  of: ({ machineUsd, durationS }) => (3_600 * machineUsd) / durationS,
};
export const occupancy: Metric = {
  ...{ id: 'occupancy', label: 'occupied, $/h', digits: 4 },
  of: ({ occupancyUsd, durationS }) => (3_600 * occupancyUsd) / durationS,
};
export const accuracy: Metric = {
  ...{ id: 'accuracy', label: 'accuracy, %', digits: 2 },
  of: (report) => report.accuracyMean,
};
export const utilisation: Metric = {
  ...{ id: 'utilisation', label: 'busy, %', digits: 1 },
  of: (report) => 100 * report.utilisation,
};
export const p99: Metric = {
  ...{ id: 'p99', label: 'p99, ms', digits: 0 },
  of: (report) => report.latencyMs.p99,
};
export const variantsUsed: Metric = {
  ...{ id: 'variants', label: 'variants that served > 1 %', digits: 1 },
  of: ({ variants, served }) =>
    Object.values(variants).filter((count) => count > 0.01 * served).length,
};
export const workersAtEnd: Metric = {
  ...{ id: 'workers', label: 'machines at the end', digits: 1 },
  of: ({ seconds }) => seconds.at(-1)?.workers ?? 0,
};
export const lost: Metric = {
  ...{ id: 'lost', label: 'queries without an answer', digits: 1 },
  of: (report) => report.unanswered,
};

export const p50: Metric = {
  ...{ id: 'p50', label: 'p50, ms', digits: 1 },
  of: (report) => report.latencyMs.p50,
};
export const offline: Metric = {
  ...{ id: 'offline', label: 'offline items/s', digits: 1 },
  of: (report) => report.offlineQps,
};

export function tenantLatency(tenant: string, share: 'p50' | 'p99'): Metric {
  return {
    ...{ id: `${tenant} ${share}`, label: `${tenant} ${share}, ms`, digits: 1 },
    of: ({ tenants }) => tenants[tenant]?.latencyMs[share] ?? NaN,
  };
}

/** Seconds from `atS` to the end of the last second with a violation. */
export function recovery(atS: number): Metric {
  return {
    ...{ id: 'recovery', label: 'until the last violation, s', digits: 1 },
    of: ({ seconds }) => {
      const last = seconds.findLastIndex((each, at) => at >= atS && each.violations > 0);
      return last < 0 ? 0 : last + 1 - atS;
    },
  };
}

/**
 * Jain's index over the shares of each tenant's queries that were served in time: 1 when all are
 * treated alike, 1/n when one has everything. Source: R. Jain, D. Chiu, W. Hawe, "A Quantitative
 * Measure of Fairness and Discrimination for Resource Allocation" (DEC-TR-301, 1984).
 */
export const fairness: Metric = {
  ...{ id: 'fairness', label: "fairness (Jain's index)", digits: 3 },
  of: (report) => jain(Object.values(report.tenants).map((each) => 1 - each.violations)),
};

export function jain(shares: readonly number[]): number {
  const sum = shares.reduce((total, share) => total + share, 0);
  const squares = shares.reduce((total, share) => total + share ** 2, 0);
  // Nobody got anything: alike.
  return squares === 0 ? 1 : sum ** 2 / (shares.length * squares);
}

/** Of what was asked, how much of the accuracy there could be was delivered in time, percent. */
export const accuracyDelivered: Metric = {
  ...{ id: 'delivered', label: 'accuracy × share in time, %', digits: 1 },
  of: (report: ScenarioReport) => report.accuracyMean * (1 - report.violations),
};
