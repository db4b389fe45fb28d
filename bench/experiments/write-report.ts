/** `docs/experiments.md`: tables, charts, claims, and how each figure came to be. */

import type { DecisionTimes } from './decision-overhead.ts';
import type { GapFigures } from './exact-gap.ts';
import { type Experiment } from './experiment.ts';
import type { ClaimOutcome, Row, Summary } from './summary.ts';

export interface Reported {
  readonly experiment: Experiment;
  readonly summary: Summary;
  /** Of each run. */
  readonly commits: readonly string[];
}

export interface ReportFacts {
  readonly seeds: number;
  readonly changedSeeds: number;
  readonly machine: string;
  readonly date: string;
}

export function reportOf(
  reported: readonly Reported[],
  overhead: readonly DecisionTimes[] | undefined,
  gaps: readonly GapFigures[] | undefined,
  facts: ReportFacts,
): string {
  return [
    '# Experiments',
    '',
    'Written by `npm run experiments`; not edited by hand. The same actors and policies as in',
    'production, under virtual time; hardware and network are models (`sim/profiles/`, with a',
    'source',
    'beside each figure, and `docs/interference.md`).',
    '',
    `Each figure is a mean over ${String(facts.seeds)} seeds with its 95 % interval (Student's t).`,
    'Policies may be tuned on seeds 1 to 99, and with them other days of load; these are seeds',
    'from',
    `1001. ${constantsText(facts)}`,
    `${facts.machine}; ${facts.date}; runs of commit ${commitsOf(reported)}.`,
    '',
    'The paper is INFaaS, USENIX ATC’21 (Romero, Li, Yadwadkar, Kozyrakis). Costs are of',
    'machines, at',
    'the on-demand prices of its time: $0.384/h for 8 cores, $0.584/h for an Inferentia chip,',
    '$3.06/h',
    'for a GPU; `occupied` is the part of it that queries were run on.',
    '',
    ...reported.flatMap(({ experiment, summary }) => sectionOf(experiment, summary)),
    ...(overhead === undefined ? [] : overheadSection(overhead)),
    ...(gaps === undefined ? [] : gapSection(gaps)),
  ].join('\n');
}

function constantsText({ changedSeeds }: ReportFacts): string {
  return changedSeeds === 0
    ? 'This was a run without changed constants: no claim below is a conclusion yet.'
    : `Claims were tried again on ${String(changedSeeds)} seeds with every modelled constant ` +
        '(`sim/profiles/modelled.ts`) halved and doubled, one at a time: what does not survive ' +
        'is ' +
        'not claimed.';
}

function commitsOf(reported: readonly Reported[]): string {
  const counts = new Map<string, number>();
  for (const commit of reported.flatMap(({ commits }) => commits)) {
    counts.set(commit, (counts.get(commit) ?? 0) + 1);
  }
  return [...counts].map(([commit, count]) => `${commit} (${String(count)})`).join(', ');
}

function sectionOf(experiment: Experiment, summary: Summary): string[] {
  const { id, title, about, paper, scaled, cases, metrics } = experiment;
  const files = [...new Set(cases.map(({ scenario }) => scenario))];
  const links = files.map((file) => `[${file}](../examples/experiments/${file}.yaml)`);
  const head = ['', ...metrics.map(({ label }) => label)];
  return [
    `## ${title}`,
    '',
    about,
    '',
    `*The paper:* ${paper}`,
    '',
    `*Smaller here:* ${scaled} Scenarios: ${links.join(', ')}.`,
    '',
    ...cases.flatMap((one) => {
      const rows = summary.rows.filter(({ caseId }) => caseId === one.id);
      return [
        ...(cases.length > 1 ? [`**${one.id}**`, ''] : []),
        `| ${head.join(' | ')} |`,
        `|---${'|---:'.repeat(metrics.length)}|`,
        ...rows.map((row) => rowOf(experiment, row)),
        '',
      ];
    }),
    `![${title}](experiments/${id}.svg)`,
    '',
    ...summary.claims.map(claimLine),
    '',
    ...servedLines(experiment, summary),
  ];
}

function rowOf({ metrics }: Experiment, { contender, figures }: Row): string {
  const cells = metrics.map(({ id, digits }) => {
    const { mean, half } = figures[id] ?? { mean: NaN, half: NaN };
    return Number.isFinite(mean) ? `${mean.toFixed(digits)} ± ${half.toFixed(digits)}` : '–';
  });
  return `| ${contender} | ${cells.join(' | ')} |`;
}

export function claimLine({ text, holds, triedWith, failsWith }: ClaimOutcome): string {
  if (!holds) return `- **Not reached:** ${text}.`;
  if (triedWith === 0) return `- Holds here, not tried with other constants: ${text}.`;
  if (failsWith.length === 0) {
    return `- **Holds**, and with each of ${String(triedWith)} changed constants: ${text}.`;
  }
  const which = failsWith.join(', ');
  return `- Holds here, but is no conclusion, for it does not with ${which}: ${text}.`;
}

/** Which variants served, where that is asked. */
function servedLines({ metrics, cases, contenders }: Experiment, { variants }: Summary): string[] {
  if (!metrics.some(({ id }) => id === 'variants')) return [];
  const lines = cases.flatMap((one) =>
    contenders
      .filter(({ set }) => set?.(one.id)['variantsOnly'] === undefined)
      .flatMap(({ id }) => {
        const served = variants[`${one.id} ${id}`];
        return served === undefined ? [] : [`- ${one.id}, ${id}: ${served.join(', ')}`];
      }),
  );
  return ['What served:', '', ...lines, ''];
}

function overheadSection(times: readonly DecisionTimes[]): string[] {
  return [
    '## 4. Decision overhead',
    '',
    'Measured, not simulated: one decision of the selection policy on the dispatcher’s own',
    'index of',
    '175 variants and 50 workers (`bench/selection.ts`), by what the query says and what is',
    'loaded.',
    '',
    '*The paper:* 2.2 ms (median) for a requirement whose variant is loaded, 3.5 ms where it',
    'is not;',
    'low where the variant is named. Those include round trips to a metadata store; here the',
    'view is',
    'in memory.',
    '',
    '| policy | state | p50, µs | p99, µs |',
    '|---|---|---:|---:|',
    ...times.map(({ policy, state, p50Us, p99Us }) => {
      return `| ${policy} | ${state} | ${p50Us.toFixed(2)} | ${p99Us.toFixed(2)} |`;
    }),
    '',
  ];
}

function gapSection(gaps: readonly GapFigures[]): string[] {
  return [
    '## 5. Greedy against exact',
    '',
    'The paper’s optimisation (minimise cost and loading, subject to load, latency and',
    'resources) solved exactly and by a greedy heuristic, on the built-in profiles and drawn',
    'loads.',
    '',
    '*The paper:* a commercial solver took 23 s for 50 architectures and 50 s for 100.',
    '',
    '| architectures | greedy, ms | exact, ms | solved to optimality | gap in cost, % | ' +
      'worst gap, % | left unserved by greedy, % |',
    '|---:|---:|---:|---:|---:|---:|---:|',
    ...gaps.map((each) => {
      const { architectures, greedyMs, exactMs, optimal, draws, gapPercent, worstPercent } = each;
      return (
        `| ${String(architectures)} | ${greedyMs.toFixed(2)} | ${exactMs.toFixed(0)} | ` +
        `${String(optimal)} of ${String(draws)} | ${gapPercent.toFixed(2)} | ` +
        `${worstPercent.toFixed(2)} | ${each.unservedPercent.toFixed(2)} |`
      );
    }),
    '',
  ];
}
