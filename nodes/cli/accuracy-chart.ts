/**
 * Accuracy against latency over variants, as an SVG: one point a variant, a colour an architecture,
 * and the Pareto front, the variants that no other is both faster and more accurate than.
 */

import type { VariantDescription } from '../../actors/domain/fleet-description.ts';
import { formatMs, formatPercent } from './format.ts';

interface Point {
  readonly variant: VariantDescription;
  readonly ms: number;
  readonly accuracy: number;
}

const width = 880;
const height = 520;
const box = { left: 70, right: 700, top: 56, bottom: 460 } as const;
const colours = [
  ...['#1f6feb', '#cf222e', '#1a7f37', '#bf8700', '#8250df', '#1b7c83'],
  ...['#bc4c00', '#bf3989', '#57606a', '#0550ae'],
];
const grey = '#57606a';
const line = '#d0d7de';

/** Those that no other beats in one respect without losing in the other, fastest first. */
export function paretoFront(variants: readonly VariantDescription[]): VariantDescription[] {
  return frontOf(pointsOf(variants)).map(({ variant }) => variant);
}

export function accuracyChart(title: string, variants: readonly VariantDescription[]): string {
  const points = pointsOf(variants);
  const scale = scaleOf(points);
  const architectures = [...new Set(points.map(({ variant }) => variant.architecture))].sort();
  const colourOf = (name: string): string =>
    colours[architectures.indexOf(name) % colours.length] ?? grey;
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}"`,
    ` height="${height}" font-family="system-ui, sans-serif" font-size="12" fill="${grey}">`,
    '<rect width="100%" height="100%" fill="#ffffff"/>',
    `<text x="${box.left}" y="26" font-size="16" fill="#1f2328">${escapeText(title)}</text>`,
    ...axes(scale),
    drawFront(frontOf(points), scale),
    ...points.map((point) => drawPoint(point, scale, colourOf(point.variant.architecture))),
    ...labels(frontOf(points), scale),
    ...architectures.map((name, at) => legend(name, colourOf(name), at)),
    '</svg>\n',
  ].join('\n');
}

/** Variants without a time at batch 1 have no place on it. */
function pointsOf(variants: readonly VariantDescription[]): Point[] {
  return variants.flatMap((variant) => {
    const ms = variant.latencyMs.find(({ batch }) => batch === 1)?.ms ?? 0;
    return ms > 0 ? [{ variant, ms, accuracy: variant.accuracy }] : [];
  });
}

function frontOf(points: readonly Point[]): Point[] {
  const front: Point[] = [];
  const byTime = [...points].sort((a, b) => a.ms - b.ms || b.accuracy - a.accuracy);
  for (const point of byTime) {
    if (point.accuracy > (front.at(-1)?.accuracy ?? -Infinity)) front.push(point);
  }
  return front;
}

interface Scale {
  readonly x: (ms: number) => number;
  readonly y: (accuracy: number) => number;
  readonly times: readonly number[];
  readonly accuracies: readonly number[];
}

function scaleOf(points: readonly Point[]): Scale {
  const times = points.map(({ ms }) => ms);
  // Times lie orders of magnitude apart.
  const first = Math.floor(Math.log10(Math.min(...times, 1)));
  const last = Math.max(first + 1, Math.ceil(Math.log10(Math.max(...times, first))));
  const least = Math.min(...points.map(({ accuracy }) => accuracy), 99);
  const step = stepFor(100 - least);
  const floor = Math.max(0, Math.floor(least / step) * step);
  const { left, right, top, bottom } = box;
  return {
    x: (ms) => left + ((right - left) * (Math.log10(ms) - first)) / (last - first),
    y: (accuracy) => bottom - ((bottom - top) * (accuracy - floor)) / (100 - floor),
    times: Array.from({ length: last - first + 1 }, (_, at) => 10 ** (first + at)),
    accuracies: Array.from({ length: Math.round((100 - floor) / step) + 1 }, (_, at) =>
      Number((floor + at * step).toFixed(6)),
    ),
  };
}

/** Some five steps over a range. */
function stepFor(range: number): number {
  return [0.1, 0.2, 0.5, 1, 2, 5, 10, 20].find((step) => range / step <= 6) ?? 20;
}

function axes({ x, y, times, accuracies }: Scale): string[] {
  const { left, right, top, bottom } = box;
  return [
    ...times.map(
      (ms) =>
        `<path d="M${at(x(ms))} ${top}V${bottom}" stroke="${line}"/>` +
        `<text x="${at(x(ms))}" y="${bottom + 18}" text-anchor="middle">${String(ms)}</text>`,
    ),
    ...accuracies.map(
      (accuracy) =>
        `<path d="M${left} ${at(y(accuracy))}H${right}" stroke="${line}"/>` +
        `<text x="${left - 8}" y="${at(y(accuracy) + 4)}" text-anchor="end">` +
        `${String(accuracy)}</text>`,
    ),
    `<text x="${(left + right) / 2}" y="${bottom + 40}" text-anchor="middle">` +
      'latency at batch 1, ms (logarithmic)</text>',
    `<text x="12" y="${top - 12}">accuracy, %</text>`,
  ];
}

function drawFront(front: readonly Point[], { x, y }: Scale): string {
  const steps = front.map(({ ms, accuracy }, index) => {
    const across = index === 0 ? 'M' : `H${at(x(ms))}V`;
    return index === 0 ? `M${at(x(ms))} ${at(y(accuracy))}` : `${across}${at(y(accuracy))}`;
  });
  return `<path d="${steps.join('')}" fill="none" stroke="#1f2328" stroke-dasharray="4 3"/>`;
}

function drawPoint({ variant, ms, accuracy }: Point, { x, y }: Scale, colour: string): string {
  const title = `${variant.name}: ${formatPercent(accuracy)} %, ${formatMs(ms)} ms`;
  return (
    `<circle cx="${at(x(ms))}" cy="${at(y(accuracy))}" r="5" fill="${colour}" ` +
    `fill-opacity="0.75"><title>${escapeText(title)}</title></circle>`
  );
}

/** Names of the front's variants, moved down where they would lie over one another. */
function labels(front: readonly Point[], { x, y }: Scale): string[] {
  const taken: { x: number; y: number }[] = [];
  return front.map(({ variant, ms, accuracy }) => {
    const place = { x: x(ms) + 8, y: y(accuracy) + 14 };
    while (taken.some((other) => Math.abs(other.y - place.y) < 13 && place.x - other.x < 150)) {
      place.y += 13;
    }
    taken.push(place);
    return (
      `<text x="${at(place.x)}" y="${at(place.y)}" font-size="11" fill="#1f2328">` +
      `${escapeText(variant.name)}</text>`
    );
  });
}

function legend(name: string, colour: string, position: number): string {
  const y = box.top + 20 * position;
  return (
    `<circle cx="${box.right + 24}" cy="${y}" r="5" fill="${colour}"/>` +
    `<text x="${box.right + 36}" y="${y + 4}">${escapeText(name)}</text>`
  );
}

function at(pixels: number): string {
  return pixels.toFixed(1);
}

function escapeText(text: string): string {
  return text.replace(/&/g, '&amp;').replace(/</g, '&lt;').replace(/>/g, '&gt;');
}
