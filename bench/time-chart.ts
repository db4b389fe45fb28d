/** A report of a run as an SVG: panels of lines over one time axis, without any package. */

export interface Line {
  readonly name: string;
  readonly points: readonly (readonly [seconds: number, value: number])[];
}

export interface Panel {
  readonly title: string;
  readonly lines: readonly Line[];
}

const width = 900;
const panelHeight = 130;
const left = 60;
const right = 170;
const colours = ['#1b6ca8', '#d1495b', '#2e933c', '#8f5bb5', '#c98b00', '#444444'];

export function timeChart(title: string, panels: readonly Panel[]): string {
  const endS = Math.max(1, ...panels.flatMap(({ lines }) => lines.flatMap(lastSecond)));
  const height = panels.length * panelHeight + 60;
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" width="${String(width)}" height="${String(height)}" ` +
      'font-family="sans-serif" font-size="11">',
    '<rect width="100%" height="100%" fill="white"/>',
    `<text x="${String(left)}" y="20" font-size="14">${escaped(title)}</text>`,
    ...panels.flatMap((panel, at) => panelOf(panel, 40 + at * panelHeight, endS)),
    `<text x="${String(left)}" y="${String(height - 8)}">0 to ${endS.toFixed(0)} s</text>`,
    '</svg>',
  ].join('\n');
}

function lastSecond({ points }: Line): number[] {
  return points.slice(-1).map(([seconds]) => seconds);
}

function panelOf({ title, lines }: Panel, top: number, endS: number): string[] {
  const most = Math.max(1e-9, ...lines.flatMap(({ points }) => points.map(([, value]) => value)));
  const plot = panelHeight - 40;
  const x = (seconds: number): number => left + (seconds / endS) * (width - left - right);
  const y = (value: number): number => top + 12 + plot * (1 - value / most);
  const axis = `${String(left)},${String(y(most))} ${String(left)},${String(y(0))}`;
  return [
    `<text x="${String(left)}" y="${String(top + 4)}" font-weight="bold">${escaped(title)}</text>`,
    `<text x="${String(left - 6)}" y="${String(y(most) + 8)}" text-anchor="end">` +
      `${most.toPrecision(3)}</text>`,
    `<polyline points="${axis} ${String(width - right)},${String(y(0))}" fill="none" ` +
      'stroke="#999"/>',
    ...lines.flatMap(({ name, points }, at) => {
      const colour = colours[at % colours.length] ?? 'black';
      const path = points
        .map(([s, value]) => `${x(s).toFixed(1)},${y(value).toFixed(1)}`)
        .join(' ');
      return [
        `<polyline points="${path}" fill="none" stroke="${colour}" stroke-width="1.5"/>`,
        `<text x="${String(width - right + 8)}" y="${String(top + 20 + 13 * at)}" ` +
          `fill="${colour}">${escaped(name)}</text>`,
      ];
    }),
  ];
}

function escaped(text: string): string {
  return text.replace(/&/g, '&amp;').replace(/</g, '&lt;');
}
