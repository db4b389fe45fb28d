/** Explanations and quotes for people: what was asked, what was chosen, and why not the others. */

import type {
  Attempt,
  Considered,
  Explanation,
  Quote,
  Verdict,
} from '../../actors/domain/explanation.ts';
import type { Selector, Slo } from '../../actors/domain/query.ts';
import { sloText } from './answer-text.ts';
import { formatMs, formatPercent, formatUsd } from './format.ts';
import { type Column, formatTable } from './table.ts';
import type { Terminal } from './terminal.ts';

type Style = Pick<Terminal, 'colours'>;

export function explanationText(explanation: Explanation, style: Style): string {
  const { asked, attempts, policy } = explanation;
  const slo = sloText(asked.slo);
  const rows = asked.batch === 1 ? '' : `, ${String(asked.batch)} rows`;
  const strict = asked.onMiss === 'reject' ? ', or be refused' : '';
  const lines = [
    `asked    ${selectorText(asked.selector)}${rows}: ${slo === '' ? 'no SLO' : slo + strict}`,
    `outcome  ${outcomeText(explanation)}`,
  ];
  attempts.forEach((attempt, at) => {
    const which = attempts.length === 1 ? '' : ` ${String(at + 1)} of ${String(attempts.length)}`;
    lines.push('', `decision${which}, ${formatMs(attempt.afterMs)} ms after it came`);
    lines.push(...attemptLines(attempt, policy, style));
  });
  return lines.join('\n');
}

export function quoteText(quote: Quote, slo: Slo, style: Style): string {
  const { variant, worker, instance, predictedMs, chance } = quote;
  const where = instance === undefined ? `to be loaded on ${worker}` : `loaded on ${worker}`;
  return [
    `variant   ${variant}, ${formatPercent(quote.accuracy)} % accurate, ${where}`,
    `latency   ${formatMs(predictedMs)} ms predicted${chanceText(slo, chance)}`,
    `cost      ${formatUsd(quote.costUsd * 1000)} USD for 1,000 such queries`,
    `why       ${quote.reason}`,
    '',
    considerations(quote, quote.policy, style),
  ].join('\n');
}

function chanceText({ latencyMs }: Slo, chance: number | undefined): string {
  if (latencyMs === undefined) return '';
  const asked = `≤ ${String(latencyMs)} ms`;
  if (chance === undefined) return `; nothing seen yet that says how likely ${asked} is`;
  return `; ${asked} in ${formatPercent(100 * chance)} % of cases, going by recent answers`;
}

function selectorText(selector: Selector): string {
  switch (selector.by) {
    case 'task':
      return selector.dataset === undefined
        ? `task ${selector.task}`
        : `task ${selector.task}, dataset ${selector.dataset}`;
    case 'architecture':
      return `architecture ${selector.architecture}`;
    case 'variant':
      return `variant ${selector.variant}`;
  }
}

function outcomeText({ outcome }: Explanation): string {
  switch (outcome.state) {
    case 'in-flight':
      return 'not answered yet';
    case 'refused':
      return `refused, ${outcome.error.code}: ${outcome.error.message}`;
    case 'served': {
      const { timing, missed, batchSize, batchReason } = outcome;
      const slo = missed.length === 0 ? '' : `, which missed ${missed.join(' and ')}`;
      const batch = batchSize === 1 ? 'alone' : `in a batch of ${String(batchSize)}`;
      return (
        `served by ${outcome.variant} on ${outcome.worker} in ${formatMs(timing.totalMs)} ms` +
        `${slo}: ran ${batch} for ${formatMs(timing.inferMs)} ms after ` +
        `${formatMs(timing.queueMs)} ms in the queue (${batchReason})`
      );
    }
  }
}

function attemptLines(attempt: Attempt, policy: string, style: Style): string[] {
  const { chosen, reason, ended } = attempt;
  const lines: string[] = [];
  if (chosen === undefined) {
    lines.push(`refused  ${reason}`);
  } else {
    const where = chosen.instance ?? `${chosen.worker}, to be loaded there`;
    lines.push(
      `chosen   ${chosen.variant} at ${where}, ${formatMs(chosen.predictedMs)} ms predicted`,
    );
    lines.push(`why      ${reason}`);
  }
  if (ended !== undefined) lines.push(`but      ${ended}`);
  lines.push('', considerations(attempt, policy, style));
  return lines;
}

const columns: readonly Column[] = [
  { title: 'VARIANT' },
  { title: 'ACCURACY %', align: 'right' },
  { title: 'USD/1000', align: 'right' },
  { title: 'PREDICTED MS', align: 'right' },
  { title: 'VERDICT' },
];

function considerations(
  { considered, leftOut }: Pick<Attempt, 'considered' | 'leftOut'>,
  policy: string,
  style: Style,
): string {
  const rows = considered.map((each) => [
    each.variant,
    formatPercent(each.accuracy),
    formatUsd(each.costUsdPer1000),
    formatMs(each.predictedMs),
    verdictText(each, policy),
  ]);
  const table = formatTable(columns, rows, style);
  return leftOut > 0 ? `${table}\nand ${String(leftOut)} more variants, not recorded` : table;
}

const verdicts: Readonly<Record<Verdict, string>> = {
  chosen: 'chosen',
  eligible: 'would do too',
  'less-accurate': 'less accurate than asked',
  'too-dear': 'costs more than asked',
  'too-slow': 'would answer too late',
  'not-loaded': 'not loaded: it would load first',
  loading: 'still loading',
  busy: 'only where it is overloaded or disturbed',
};

function verdictText({ verdict }: Considered, policy: string): string {
  return verdict === 'eligible'
    ? `would do too; policy ${policy} prefers another`
    : verdicts[verdict];
}
