/** The simulator's side of `infaas simulate`: finds a scenario, runs it, words what came. */

import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';

import { ConfigInvalid } from '../../runtime/errors.ts';
import { chartOf } from '../scenario/chart.ts';
import type { ScenarioReport } from '../scenario/report.ts';
import { runScenario } from '../scenario/run-scenario.ts';
import { type Instead, readScenario } from './read-scenario.ts';

const extension = '.yaml';

/** The scenarios in a folder, by name. Throws ConfigInvalid when one is not right. */
export function listScenarios(
  folder: string,
): { readonly name: string; readonly about: string; readonly file: string }[] {
  if (!existsSync(folder)) return [];
  return readdirSync(folder)
    .filter((file) => file.endsWith(extension))
    .sort()
    .map((file) => {
      const { about } = readScenario(join(folder, file));
      return { name: file.slice(0, -extension.length), about, file: join(folder, file) };
    });
}

export interface Simulated {
  readonly report: ScenarioReport;
  /** For people. */
  readonly text: string;
  /** SVG. */
  readonly chart: string;
}

/** @param named A file, or the name of a scenario in `folder`. Throws ConfigInvalid. */
export function simulate(named: string, folder: string, instead: Instead = {}): Simulated {
  const scenario = readScenario(fileOf(named, folder), instead);
  const startedMs = performance.now();
  const report = runScenario(scenario);
  const tookS = (performance.now() - startedMs) / 1_000;
  return { report, text: textOf(report, tookS), chart: chartOf(report) };
}

function fileOf(named: string, folder: string): string {
  if (existsSync(named)) return named;
  const known = listScenarios(folder);
  const found = known.find(({ name }) => name === named);
  if (found !== undefined) return found.file;
  const names = known.map(({ name }) => name).join(', ');
  throw new ConfigInvalid(`there is no file and no scenario "${named}"; known: ${names}`, named);
}

const variantsShown = 6;

function textOf(report: ScenarioReport, tookS: number): string {
  const percent = (share: number): string => `${(100 * share).toFixed(2)} %`;
  const usd = (amount: number): string => `$${amount.toFixed(4)}`;
  const lines: [string, string][] = [
    ['queries', `${String(report.queries)} in ${String(report.durationS)} s`],
    [
      'throughput',
      `${report.throughputQps.toFixed(1)}/s, ${report.goodputQps.toFixed(1)}/s in time`,
    ],
    ['violations', `${percent(report.violations)} refused or late`],
    [
      'latency',
      `p50 ${report.latencyMs.p50.toFixed(1)} ms, p99 ${report.latencyMs.p99.toFixed(1)} ms`,
    ],
    ['accuracy', report.served > 0 ? `${report.accuracyMean.toFixed(2)} % on average` : 'none'],
    ['batch', `${report.batchMean.toFixed(2)} on average`],
    ['utilisation', `${percent(report.utilisation)}${withOffline(report)}`],
    ['cost', `${usd(report.machineUsd)} of machines, ${usd(report.occupancyUsd)} of it occupied`],
  ];
  if (report.offlineQps > 0) {
    lines.push(['offline', `${report.offlineQps.toFixed(1)} items/s beside the queries`]);
  }
  const tenants = Object.entries(report.tenants);
  for (const [name, { queries, violations }] of tenants.length > 1 ? tenants : []) {
    lines.push(['tenant', `${name}: ${String(queries)} queries, ${percent(violations)} violated`]);
  }
  const refused = Object.entries(report.refusals).map(
    ([code, count]) => `${code} ${String(count)}`,
  );
  if (refused.length > 0) lines.push(['refused', refused.join(', ')]);
  const served = Object.entries(report.variants).sort(([, a], [, b]) => b - a);
  for (const [variant, count] of served.slice(0, variantsShown)) {
    lines.push(['served by', `${variant} ${percent(count / Math.max(1, report.served))}`]);
  }
  if (served.length > variantsShown) {
    lines.push(['', `and ${String(served.length - variantsShown)} more variants`]);
  }
  const speed = `${String(report.events)} events in ${tookS.toFixed(1)} s`;
  return [
    `${report.scenario}, ${report.policy}, seed ${String(report.seed)}: ${speed}`,
    ...lines.map(([what, value]) => `  ${what.padEnd(12)} ${value}`),
  ].join('\n');
}

function withOffline({ offlineQps }: ScenarioReport): string {
  return offlineQps > 0 ? ', offline work included' : '';
}
