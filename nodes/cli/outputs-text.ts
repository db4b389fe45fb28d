/** A query's outputs in a few words: the largest elements of a row of scores, else the values. */

import { type Element, elementsOf } from '../../runtime/wire/tensor-elements.ts';
import { elementCount, type NamedTensors, type Tensor } from '../../runtime/wire/tensors.ts';

const rowsShown = 5;
const topShown = 3;
const valuesShown = 8;
/** A last axis this long or longer, of floats, is taken for scores of classes. */
const classesMin = 3;
const classesMax = 100_000;

export function describeOutputs(outputs: NamedTensors): string[] {
  return Object.entries(outputs).flatMap(([name, tensor]) => describeOutput(name, tensor));
}

function describeOutput(name: string, tensor: Tensor): string[] {
  const title = `${name} ${tensor.datatype} [${tensor.shape.join(', ')}]`;
  if (elementCount(tensor.shape) === 0) return [`${title}: empty`];
  const elements = elementsOf(tensor);
  const scores = scoresOf(tensor, elements);
  if (scores === undefined) {
    const shown = elements.slice(0, valuesShown).map(formatElement).join(', ');
    return [`${title}: ${shown}${elements.length > valuesShown ? ', …' : ''}`];
  }
  if (scores.length === 1) return [`${title}: ${describeScores(scores[0] ?? [])}`];
  const rows = scores
    .slice(0, rowsShown)
    .map((row, index) => `  row ${String(index)}: ${describeScores(row)}`);
  const left = scores.length - rowsShown;
  return [title, ...rows, ...(left > 0 ? [`  … ${String(left)} more rows`] : [])];
}

/** Rows of a float tensor `[batch, classes]`; undefined for anything else. */
function scoresOf(tensor: Tensor, elements: readonly Element[]): number[][] | undefined {
  const classes = tensor.shape.at(-1) ?? 0;
  const floats = tensor.datatype.startsWith('FP');
  if (!floats || tensor.shape.length > 2 || classes < classesMin || classes > classesMax) {
    return undefined;
  }
  const rows = elements.length / classes;
  return Array.from({ length: rows }, (_, row) =>
    elements.slice(row * classes, (row + 1) * classes).map(Number),
  );
}

/** `7 (9.31), then 2 (1.02), 3 (0.55)`: positions with their scores, greatest first. */
function describeScores(row: readonly number[]): string {
  const [best, ...rest] = row
    .map((score, at) => ({ score, at }))
    .sort((a, b) => b.score - a.score)
    .slice(0, topShown)
    .map(({ score, at }) => `${String(at)} (${formatElement(score)})`);
  return `${best ?? ''}, then ${rest.join(', ')}`;
}

/** Position of the greatest element; −1 of nothing. */
export function argmax(row: ArrayLike<number>): number {
  let best = -1;
  let most = -Infinity;
  for (let at = 0; at < row.length; at += 1) {
    const value = row[at] ?? -Infinity;
    if (value > most) {
      most = value;
      best = at;
    }
  }
  return best;
}

function formatElement(element: Element): string {
  if (typeof element === 'string') return JSON.stringify(element.slice(0, 60));
  return typeof element === 'number' && !Number.isInteger(element)
    ? String(Number(element.toPrecision(4)))
    : String(element);
}
