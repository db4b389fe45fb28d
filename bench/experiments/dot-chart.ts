/** Means with their intervals as an SVG: a panel a metric, a column a case, a dot a contender. */

import type { Experiment, Metric } from './experiment.ts';
import type { Row } from './summary.ts';

const colours = [
  ...['#1b6ca8', '#d1495b', '#2e933c', '#8f5bb5', '#c98b00', '#444444'],
  ...['#00a3a3', '#b5651d', '#e377c2'],
];
const left = 70;
const right = 230;
const width = 960;
const panelHeight = 150;
const panelGap = 46;
const top = 50;

export function dotChart(experiment: Experiment, rows: readonly Row[]): string {
  const { title, metrics } = experiment;
  const height = top + metrics.length * (panelHeight + panelGap);
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" width="${String(width)}" height="${String(height)}"`,
    ' font-family="system-ui, sans-serif" font-size="12">',
    '<rect width="100%" height="100%" fill="#ffffff"/>',
    `<text x="${String(left)}" y="22" font-size="16">${escaped(title)}</text>`,
    ...legend(experiment),
    ...metrics.map((metric, at) =>
      panel(experiment, metric, rows, top + at * (panelHeight + panelGap)),
    ),
    '</svg>\n',
  ].join('\n');
}

function colourOf(at: number): string {
  return colours[at % colours.length] ?? '#000000';
}

function legend({ contenders }: Experiment): string[] {
  const x = width - right + 20;
  return contenders.map(({ id }, at) => {
    const y = top + 6 + 18 * at;
    return (
      `<circle cx="${String(x)}" cy="${String(y - 4)}" r="4" fill="${colourOf(at)}"/>` +
      `<text x="${String(x + 10)}" y="${String(y)}">${escaped(id)}</text>`
    );
  });
}

function panel(
  { cases, contenders }: Experiment,
  { id, label }: Metric,
  rows: readonly Row[],
  y: number,
): string {
  const bottom = y + panelHeight;
  const figures = rows.map((row) => row.figures[id]).filter((each) => each !== undefined);
  const finite = figures.filter(({ mean }) => Number.isFinite(mean));
  const most = Math.max(1e-9, ...finite.map(({ mean, half }) => mean + half));
  const least = Math.min(...finite.map(({ mean, half }) => mean - half));
  // Accuracies and the like: from just below, for their differences would not be seen from 0.
  const from = least > 0.6 * most ? least - 0.15 * (most - least) - 1e-9 : 0;
  const yOf = (value: number): string =>
    (bottom - (panelHeight * (Math.max(from, value) - from)) / (most - from)).toFixed(1);
  const columnWidth = (width - left - right) / cases.length;
  const dots = cases.flatMap((one, column) =>
    contenders.flatMap((contender, at) => {
      const row = rows.find((each) => each.caseId === one.id && each.contender === contender.id);
      const figure = row?.figures[id];
      if (figure === undefined || !Number.isFinite(figure.mean)) return [];
      const within = (at + 1) / (contenders.length + 1);
      const x = (left + columnWidth * (column + within)).toFixed(1);
      const { mean, half } = figure;
      return [
        `<path d="M${x} ${yOf(mean - half)}V${yOf(mean + half)}" stroke="${colourOf(at)}"/>` +
          `<circle cx="${x}" cy="${yOf(mean)}" r="3.5" fill="${colourOf(at)}"/>`,
      ];
    }),
  );
  const names = cases.map((one, column) => {
    const x = (left + columnWidth * (column + 0.5)).toFixed(1);
    const at = `x="${x}" y="${String(bottom + 16)}"`;
    return `<text ${at} text-anchor="middle">${escaped(one.id)}</text>`;
  });
  const axis = String(left - 6);
  return [
    `<text x="${String(left)}" y="${String(y - 6)}" font-weight="bold">${escaped(label)}</text>`,
    `<path d="M${String(left)} ${String(y)}V${String(bottom)}H${String(width - right)}"`,
    ' fill="none" stroke="#bbbbbb"/>',
    `<text x="${axis}" y="${String(y + 10)}" text-anchor="end">${most.toPrecision(3)}</text>`,
    `<text x="${axis}" y="${String(bottom)}" text-anchor="end">${from.toPrecision(3)}</text>`,
    ...dots,
    ...names,
  ].join('');
}

function escaped(text: string): string {
  return text.replace(/&/g, '&amp;').replace(/</g, '&lt;');
}
