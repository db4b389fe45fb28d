/**
 * The simulator's side of `infaas what-if`: a recorded system simulated as it was and as it might
 * have been, beside what was seen.
 */

import { observe, type Observed } from '../replay/observed.ts';
import { type Changes, scenarioOf } from '../replay/scenario-of.ts';
import type { TallyReport } from '../scenario/report.ts';
import { runScenario } from '../scenario/run-scenario.ts';
import { readRecordings } from './recording-files.ts';

export interface Outcome extends TallyReport {
  readonly machineUsd: number;
  readonly occupancyUsd: number;
}

export interface WhatIf {
  /** What the recordings tell. */
  readonly recorded: Outcome;
  /** Simulated, nothing changed: how far the simulation is from what was. */
  readonly asItWas: Outcome;
  readonly changed: Outcome;
  readonly policy: string;
  readonly text: string;
}

/** Throws ConfigInvalid. */
export function whatIf(paths: readonly string[], changes: Changes): WhatIf {
  const observed = observe(readRecordings(paths).map(({ pieces }) => pieces));
  const name = paths.join(', ');
  const { seed } = changes;
  const asItWas = runScenario(scenarioOf(observed, name, { seed }));
  const scenario = scenarioOf(observed, name, changes);
  const changed = runScenario(scenario);
  const recorded: Outcome = {
    ...observed.report,
    machineUsd: machineUsdOf(observed),
    occupancyUsd: observed.occupancyUsd,
  };
  const outcomes = { recorded, asItWas, changed };
  return { ...outcomes, policy: scenario.policy, text: textOf(outcomes, scenario.policy) };
}

const hourMs = 3_600_000;

/** Of each worker, between the first query and the last, as long as it reported. */
function machineUsdOf({ workers, queries }: Observed): number {
  const fromMs = queries[0]?.atMs ?? 0;
  const untilMs = queries.at(-1)?.atMs ?? 0;
  let usd = 0;
  for (const { hardware, firstMs, lastMs } of workers) {
    const onMs = Math.max(0, Math.min(lastMs, untilMs) - Math.max(firstMs, fromMs));
    for (const { units, costUsdPerUnitHour } of hardware) {
      usd += (onMs / hourMs) * units * costUsdPerUnitHour;
    }
  }
  return usd;
}

type Outcomes = Pick<WhatIf, 'recorded' | 'asItWas' | 'changed'>;

const columns = ['', 'recorded', 'simulated', 'what if'] as const;

function textOf(outcomes: Outcomes, policy: string): string {
  const { recorded, asItWas, changed } = outcomes;
  const rowOf = (what: string, of: (outcome: Outcome) => string): string[] => [
    what,
    ...[recorded, asItWas, changed].map(of),
  ];
  const rows = [
    [...columns],
    rowOf('queries', ({ queries }) => String(queries)),
    rowOf('violated', ({ violations }) => `${(100 * violations).toFixed(2)} %`),
    rowOf('served', ({ served }) => String(served)),
    rowOf('accuracy', ({ accuracyMean }) => `${accuracyMean.toFixed(2)} %`),
    rowOf('p50', ({ latencyMs }) => `${latencyMs.p50.toFixed(1)} ms`),
    rowOf('p99', ({ latencyMs }) => `${latencyMs.p99.toFixed(1)} ms`),
    rowOf('batch', ({ batchMean }) => batchMean.toFixed(2)),
    rowOf('machines', ({ machineUsd }) => usd(machineUsd)),
    rowOf('occupied', ({ occupancyUsd }) => usd(occupancyUsd)),
  ];
  const widths = columns.map((_, at) => Math.max(...rows.map((row) => (row[at] ?? '').length)));
  const table = rows.map((row) =>
    row
      .map((cell, at) => (at === 0 ? cell.padEnd(widths[0] ?? 0) : cell.padStart(widths[at] ?? 0)))
      .join('  '),
  );
  const { violations, machineUsd } = changed;
  const sentence =
    `With ${policy === 'as recorded' ? 'the same policies' : policy} it would have cost ` +
    `${usd(machineUsd)} and violated ${(100 * violations).toFixed(2)} %; simulated as it was, ` +
    `${usd(asItWas.machineUsd)} and ${(100 * asItWas.violations).toFixed(2)} %.`;
  return [...table, sentence].join('\n');
}

function usd(amount: number): string {
  return `$${amount.toPrecision(3)}`;
}
