/** The simulator's side of `infaas replay`: plays recordings again and words what came. */

import type { RecordedTold } from '../../actors/recording/entries.ts';
import { type Difference, replay, type ReplayReport } from '../replay/replay.ts';
import { readRecordings } from './recording-files.ts';

export interface FileReplay extends ReplayReport {
  readonly file: string;
}

export interface ReplayedFiles {
  readonly files: readonly FileReplay[];
  readonly same: boolean;
  /** For people. */
  readonly text: string;
}

/** Throws ConfigInvalid. */
export function replayFiles(paths: readonly string[]): ReplayedFiles {
  const files = readRecordings(paths).map(({ file, pieces }): FileReplay => {
    return { file, ...replay(pieces) };
  });
  const same = files.every(({ different }) => different === 0);
  return { files, same, text: files.map(textOf).join('\n') };
}

/** What people ask after, of the messages that were told. */
const counted: readonly (readonly [type: string, what: string])[] = [
  ['worker.run-query', 'placements'],
  ['engine.run-batch', 'batches'],
  ['worker.carry-out', 'scaling decisions'],
  ['engine.load-variant', 'loads'],
  ['decisions.decision-made', 'decisions told'],
];

function textOf(file: FileReplay): string {
  const { turns, decided, skipped, different, differences, cutShort, node } = file;
  const counts = counted.flatMap(([type, what]) => {
    const count = decided[type] ?? 0;
    return count === 0 ? [] : [`${String(count)} ${what}`];
  });
  const lines = [
    `${node}: ${String(turns)} turns${counts.length === 0 ? '' : `, ${counts.join(', ')}`}`,
    different === 0
      ? '  all the same as then, bit for bit'
      : `  ${String(different)} turns tell something else than then:`,
    ...differences.map(differenceText),
  ];
  if (skipped > 0) lines.push(`  ${String(skipped)} turns are of actors whose start is not in it`);
  if (cutShort) lines.push('  it was cut short: its process did not end in good order');
  return lines.join('\n');
}

const shown = 160;

function differenceText({ at, path, took, then, now }: Difference): string {
  return [
    `  turn ${String(at)}, ${path}, on ${took}`,
    `    then ${toldText(then)}`,
    `    now  ${toldText(now)}`,
  ].join('\n');
}

function toldText(told: RecordedTold | undefined): string {
  if (told === undefined) return 'nothing more';
  const [node, path, message] = told;
  const text = JSON.stringify(message);
  return `to ${node}${path}: ${text.length > shown ? `${text.slice(0, shown)}…` : text}`;
}
