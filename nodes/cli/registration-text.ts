/** A registration for people: a bar for the stage it is at, and the table it ends with. */

import type { VariantDescription } from '../../actors/domain/fleet-description.ts';
import type { RegistrationProgress, RegistrationReport } from '../../actors/domain/registration.ts';
import { formatBytes, formatMs, formatPercent, formatUsd } from './format.ts';
import { formatTable } from './table.ts';
import type { Terminal } from './terminal.ts';

const barWidth = 24;

/** `profiling   [########----------------]  4 of 12  cnn-small-int8-static`. */
export function progressText({ stage, variant = '', done, total }: RegistrationProgress): string {
  const name = stage.padEnd(stageWidth);
  if (total === 0) return `${name} ${variant}`.trimEnd();
  const share = Math.min(1, done / total);
  const filled = Math.round(share * barWidth);
  const bar = `[${'#'.repeat(filled)}${'-'.repeat(barWidth - filled)}]`;
  const count =
    stage === 'uploading'
      ? `${formatBytes(done)} of ${formatBytes(total)}`
      : `${String(done)} of ${String(total)}`;
  return `${name} ${bar}  ${count}  ${variant}`.trimEnd();
}

const stageWidth = 'generating'.length;

/** The table's batches. */
const batches = [1, 8, 64] as const;
const right = 'right' as const;

export function registrationText(report: RegistrationReport, style: Terminal): string {
  const { architecture, version, changed, variants, refused, servingMs, totalMs } = report;
  const name = `${architecture}, version ${String(version)}`;
  if (!changed) return `${name} is registered already, from the same files: nothing to do`;
  const seconds = (ms: number): string => `${(ms / 1000).toFixed(1)} s`;
  const lines = [
    formatTable(columns, variants.map(cellsOf), style),
    '',
    `${name}: ${String(variants.length)} variants in ${seconds(totalMs)}; ` +
      `the first served after ${seconds(servingMs)}`,
    ...variants.flatMap(noteOn).slice(0, 1),
  ];
  if (refused.length === 0) return lines.join('\n');
  const rows = refused.map((one) => `  ${one.name}: ${one.reason}`);
  return [...lines, '', `Not registered (${String(refused.length)}):`, ...rows].join('\n');
}

const columns = [
  { title: 'VARIANT' },
  { title: 'ACCURACY %', align: right },
  { title: 'SIZE', align: right },
  { title: 'LOAD MS', align: right },
  ...batches.map((batch) => ({ title: `MS AT ${String(batch)}`, align: right })),
  { title: 'MEMORY', align: right },
  { title: 'USD/1000', align: right },
];

function cellsOf(row: VariantDescription): string[] {
  return [
    row.name,
    `${formatPercent(row.accuracy)}${row.accuracyKind === 'agreement' ? '*' : ''}`,
    formatBytes(row.sizeBytes),
    formatMs(row.loadMs),
    ...batches.map((batch) => formatMs(latencyAt(row, batch))),
    formatBytes(row.memoryBytes),
    formatUsd(row.costUsdPer1000),
  ];
}

function latencyAt({ latencyMs }: VariantDescription, batch: number): number {
  return latencyMs.find((point) => point.batch === batch)?.ms ?? NaN;
}

function noteOn({ accuracyKind }: VariantDescription): string[] {
  return accuracyKind === 'agreement'
    ? ['* by agreement with the source: no labels were given (--validation)']
    : [];
}
