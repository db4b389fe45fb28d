/** What runs come to: means with intervals, and which claims hold under which constants. */

import type { ScenarioReport } from '../../sim/scenario/report.ts';
import { type Interval, intervalOf } from '../statistics.ts';
import { changes } from './cells.ts';
import type { Cell, Claim, Experiment, Means } from './experiment.ts';

export interface Row {
  readonly caseId: string;
  readonly contender: string;
  readonly seeds: number;
  readonly figures: Readonly<Record<string, Interval>>;
}

export interface ClaimOutcome {
  readonly text: string;
  readonly holds: boolean;
  /** How many changed constants it was tried with, and with which it does not hold. */
  readonly triedWith: number;
  readonly failsWith: readonly string[];
}

export interface Summary {
  readonly id: string;
  readonly rows: readonly Row[];
  readonly claims: readonly ClaimOutcome[];
  readonly variants: Readonly<Record<string, readonly string[]>>;
}

type Results = ReadonlyMap<Cell, ScenarioReport>;

export function summarise(experiment: Experiment, main: Results, changed: Results): Summary {
  const rows = rowsOf(experiment, main);
  const mean = meansOf(rows);
  const under = changes.flatMap(({ name }) => {
    const some = new Map([...changed].filter(([cell]) => cell.changed === name));
    return some.size === 0 ? [] : [{ name, mean: meansOf(rowsOf(experiment, some)) }];
  });
  const claims = experiment.claims.map((claim) => outcomeOf(claim, mean, under));
  return { id: experiment.id, rows, claims, variants: variantsOf(main) };
}

function outcomeOf(
  { text, holds }: Claim,
  mean: Means,
  under: readonly { readonly name: string; readonly mean: Means }[],
): ClaimOutcome {
  const failsWith = under.filter((each) => !holds(each.mean)).map(({ name }) => name);
  return { text, holds: holds(mean), triedWith: under.length, failsWith };
}

export function rowsOf({ metrics }: Experiment, results: Results): Row[] {
  const groups = new Map<string, [Cell, ScenarioReport][]>();
  for (const [cell, report] of results) {
    const key = `${cell.caseId} ${cell.contender}`;
    const group = groups.get(key) ?? [];
    group.push([cell, report]);
    groups.set(key, group);
  }
  return [...groups.values()].flatMap((group) => {
    const cell = group[0]?.[0];
    if (cell === undefined) return [];
    const figures = metrics.map(({ id, of }) => {
      return [id, intervalOf(group.map(([, report]) => of(report)))] as const;
    });
    const { caseId, contender } = cell;
    return [{ caseId, contender, seeds: group.length, figures: Object.fromEntries(figures) }];
  });
}

export function meansOf(rows: readonly Row[]): Means {
  return (caseId, contender, metric) => {
    const row = rows.find((each) => each.caseId === caseId && each.contender === contender);
    return row?.figures[metric]?.mean ?? NaN;
  };
}

const variantsShown = 3;

/** The variants that served most, with their shares, by case and contender. */
function variantsOf(results: Results): Record<string, readonly string[]> {
  const counts = new Map<string, Map<string, number>>();
  for (const [{ caseId, contender }, { variants }] of results) {
    const key = `${caseId} ${contender}`;
    const sums = counts.get(key) ?? new Map<string, number>();
    counts.set(key, sums);
    for (const [id, count] of Object.entries(variants)) sums.set(id, (sums.get(id) ?? 0) + count);
  }
  const entries = [...counts].map(([key, sums]) => {
    const total = [...sums.values()].reduce((sum, count) => sum + count, 0);
    const most = [...sums].sort(([, a], [, b]) => b - a).slice(0, variantsShown);
    const shares = most.map(([id, count]) => `${id} ${((100 * count) / total).toFixed(0)} %`);
    return [key, shares] as const;
  });
  return Object.fromEntries(entries);
}
