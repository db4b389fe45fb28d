/** A scenario's course as an SVG chart: load and answers, violations, utilisation, over time. */

import type { ScenarioReport, Second } from './report.ts';

interface Panel {
  readonly title: string;
  readonly lines: readonly {
    readonly label: string;
    readonly colour: string;
    readonly of: (second: Second) => number;
  }[];
}

const panels: readonly Panel[] = [
  {
    title: 'queries a second',
    lines: [
      { label: 'asked', colour: '#8a8f98', of: ({ asked }) => asked },
      { label: 'served', colour: '#1f6feb', of: ({ served }) => served },
    ],
  },
  {
    title: 'refused or late a second',
    lines: [{ label: 'violations', colour: '#cf222e', of: ({ violations }) => violations }],
  },
  {
    title: 'utilisation, %',
    lines: [{ label: 'busy', colour: '#1a7f37', of: ({ utilisation }) => 100 * utilisation }],
  },
  {
    title: 'instances and workers',
    lines: [
      { label: 'instances', colour: '#8250df', of: ({ instances }) => instances },
      { label: 'workers', colour: '#bf8700', of: ({ workers }) => workers },
    ],
  },
];

const width = 840;
const left = 60;
const panelHeight = 120;
const panelGap = 44;
const top = 48;
const pointsMax = 400;

export function chartOf(report: ScenarioReport): string {
  const height = top + panels.length * (panelHeight + panelGap);
  const parts = panels.map((panel, at) =>
    drawPanel(panel, report, top + at * (panelHeight + panelGap)),
  );
  const title = `${escapeText(report.scenario)}, seed ${String(report.seed)}`;
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" width="${String(width)}" height="${String(height)}"`,
    ' font-family="system-ui, sans-serif" font-size="12">',
    `<rect width="100%" height="100%" fill="#ffffff"/>`,
    `<text x="${String(left)}" y="22" font-size="16" fill="#1f2328">${title}</text>`,
    ...parts,
    '</svg>\n',
  ].join('\n');
}

function drawPanel(panel: Panel, { seconds, durationS }: ScenarioReport, y: number): string {
  const right = width - 20;
  const bottom = y + panelHeight;
  // Several seconds a point where there are more than can be seen.
  const every = Math.max(1, Math.ceil(seconds.length / pointsMax));
  const series = panel.lines.map(({ of }) => means(seconds.map(of), every));
  const most = niceAbove(Math.max(1, ...series.flat()));
  const xOf = (at: number): string =>
    (left + ((right - left) * at * every) / Math.max(1, seconds.length)).toFixed(1);
  const yOf = (value: number): string => (bottom - (panelHeight * value) / most).toFixed(1);
  const drawn = panel.lines.map(({ label, colour }, at) => {
    const points = (series[at] ?? []).map((value, index) => `${xOf(index)},${yOf(value)}`);
    const legendX = String(right - 90 * (panel.lines.length - at));
    return (
      `<polyline fill="none" stroke="${colour}" stroke-width="1.5" points="${points.join(' ')}"/>` +
      `<text x="${legendX}" y="${String(y - 6)}" fill="${colour}">${label}</text>`
    );
  });
  return [
    `<text x="${String(left)}" y="${String(y - 6)}" fill="#1f2328">${panel.title}</text>`,
    `<path d="M${String(left)} ${String(y)}V${String(bottom)}H${String(right)}" fill="none"`,
    ' stroke="#d0d7de"/>',
    `<text x="${String(left - 6)}" y="${String(y + 10)}" text-anchor="end">${String(most)}</text>`,
    `<text x="${String(left - 6)}" y="${String(bottom)}" text-anchor="end">0</text>`,
    `<text x="${String(right)}" y="${String(bottom + 14)}" text-anchor="end">`,
    `${String(durationS)} s</text>`,
    ...drawn,
  ].join('');
}

function means(values: readonly number[], every: number): number[] {
  const joined: number[] = [];
  for (let at = 0; at < values.length; at += every) {
    const some = values.slice(at, at + every);
    joined.push(some.reduce((sum, value) => sum + value, 0) / some.length);
  }
  return joined;
}

/** 1, 2 or 5 times a power of ten. */
function niceAbove(value: number): number {
  const power = 10 ** Math.floor(Math.log10(value));
  return [1, 2, 5, 10].map((step) => step * power).find((nice) => nice >= value) ?? value;
}

function escapeText(text: string): string {
  return text.replace(/&/g, '&amp;').replace(/</g, '&lt;').replace(/>/g, '&gt;');
}
