/**
 * What the demo prints: the table of SLOs, a few digits, the stream, and the last line's summary.
 */

import { formatMs, formatPercent } from '../format.ts';
import { formatTable } from '../table.ts';
import type { Terminal } from '../terminal.ts';
import type { DigitExample, SloRow } from './ask-digits.ts';
import { speechShare, type SpeechRow } from './ask-speech.ts';
import type { Digit } from './digits.ts';
import { drawDigit, sideBySide } from './draw-digit.ts';

const right = 'right' as const;

export function describeRows(rows: readonly SloRow[], style: Pick<Terminal, 'colours'>): string {
  return formatTable(
    [
      { title: 'SLO ASKED' },
      { title: 'ANSWERED BY' },
      { title: 'STATED %', align: right },
      { title: 'MEASURED %', align: right },
      { title: 'P50 MS', align: right },
      { title: 'P95 MS', align: right },
      { title: 'SLO MET', align: right },
      { title: 'CORRECT', align: right },
    ],
    rows.map((row) => [
      row.title,
      answeredBy(row),
      formatPercent(row.statedAccuracy),
      formatPercent((100 * row.correct) / row.answered),
      formatMs(row.p50Ms),
      formatMs(row.p95Ms),
      `${String(row.sloMet)}/${String(row.queries)}`,
      `${String(row.correct)}/${String(row.queries)}`,
    ]),
    style,
  );
}

/** The most frequent variant, and who answered besides. */
function answeredBy({ variants }: SloRow): string {
  const [most, ...others] = variants;
  if (most === undefined) return 'nobody';
  if (others.length === 0) return most[0];
  const answers = others.reduce((sum, [, one]) => sum + one, 0);
  return `${most[0]} (+ ${String(answers)} by ${String(others.length)} other)`;
}

/** One digit of each SLO, another each time where there is one, with what was read in it. */
export function describeExamples(rows: readonly SloRow[]): string {
  const drawn = new Set<Digit>();
  const examples: DigitExample[] = [];
  for (const row of rows) {
    const example = row.examples.find(({ digit }) => !drawn.has(digit)) ?? row.examples[0];
    if (example === undefined) continue;
    drawn.add(example.digit);
    examples.push(example);
  }
  return sideBySide(
    examples.map((example) => ({
      lines: drawDigit(example.digit.image),
      captions: captionsOf(example),
    })),
  );
}

function captionsOf({ digit, read, variant, ms }: DigitExample): string[] {
  const verdict =
    read === digit.label ? `${String(read)}, right` : `${String(read)}, is ${String(digit.label)}`;
  return [`read ${verdict}`, variant, `${formatMs(ms)} ms`];
}

const levels = ' ▁▂▃▄▅▆▇█';

export function describeSpeech(row: SpeechRow): string {
  const title =
    `Speech: ${String(row.frames)} frames, ${String(row.answered)} answered by ` +
    `${row.variants.join(', ') || 'nobody'}; state carried for ${row.architecture || 'none'}`;
  const strip = row.probabilities
    .map((probability) => levels[Math.round(probability * (levels.length - 1))] ?? '?')
    .join('');
  const heard = `${formatPercent(100 * speechShare(row))} % of the frames hold speech`;
  return [
    title,
    `  ${strip}`,
    `  ${heard}; p50 ${formatMs(row.p50Ms)} ms, p95 ${formatMs(row.p95Ms)} ms, ` +
      `SLO (50 ms) met ${String(row.sloMet)}/${String(row.frames)}`,
  ].join('\n');
}

export interface DemoSummary {
  /** Digits asked; warm-ups and the stream are not among them. */
  readonly queries: number;
  readonly answered: number;
  readonly correct: number;
  readonly sloMet: number;
  /** Names of all variants that answered, sorted. */
  readonly variantsUsed: readonly string[];
  readonly seed: number;
  readonly speech: { readonly frames: number; readonly answered: number; readonly sloMet: number };
}

/** Nothing but sums of the answers that came. */
export function summarise(
  rows: readonly SloRow[],
  speech: SpeechRow | undefined,
  seed: number,
): DemoSummary {
  const sum = (pick: (row: SloRow) => number): number =>
    rows.reduce((total, row) => total + pick(row), 0);
  const used = new Set([
    ...rows.flatMap(({ variants }) => variants.map(([name]) => name)),
    ...(speech?.variants ?? []),
  ]);
  return {
    queries: sum(({ queries }) => queries),
    answered: sum(({ answered }) => answered),
    correct: sum(({ correct }) => correct),
    sloMet: sum(({ sloMet }) => sloMet),
    variantsUsed: [...used].sort(),
    seed,
    speech: {
      frames: speech?.frames ?? 0,
      answered: speech?.answered ?? 0,
      sloMet: speech?.sloMet ?? 0,
    },
  };
}
