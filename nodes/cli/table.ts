/**
 * Aligned tables for people. Programs read `--json`; this is never parsed. Columns are as wide as
 * their widest cell, so a wide table wraps where the terminal ends rather than losing text.
 */

import type { Terminal } from './terminal.ts';

export interface Column {
  readonly title: string;
  /** Numbers stand to the right. */
  readonly align?: 'left' | 'right';
  /** For `--help`, where the title does not say it all. */
  readonly help?: string;
}

const gap = '  ';

/** Header and rows as lines, no trailing spaces. The header is bold where there are colours. */
export function formatTable(
  columns: readonly Column[],
  rows: readonly (readonly string[])[],
  style: Pick<Terminal, 'colours'> = { colours: false },
): string {
  const widths = columns.map((column, at) =>
    Math.max(widthOf(column.title), ...rows.map((row) => widthOf(row[at] ?? ''))),
  );
  const line = (cells: readonly string[]): string =>
    columns
      .map((column, at) => pad(cells[at] ?? '', widths[at] ?? 0, column.align ?? 'left'))
      .join(gap)
      .trimEnd();
  const header = line(columns.map(({ title }) => title));
  return [style.colours ? bold(header) : header, ...rows.map(line)].join('\n');
}

export function bold(text: string): string {
  return `\u001b[1m${text}\u001b[22m`;
}

/** Code points, not UTF-16 units: `µs` and `≥` are as wide as they look. */
export function widthOf(text: string): number {
  return Array.from(text).length;
}

function pad(text: string, width: number, align: 'left' | 'right'): string {
  const space = ' '.repeat(Math.max(0, width - widthOf(text)));
  return align === 'right' ? space + text : text + space;
}
