/** What makes one example right, by metric. Pure; outputs of one example at a time. */

import type { Tensor } from '../../runtime/wire/tensors.ts';
import { numbersOf } from './batching.ts';
import type { Metric } from './messages.ts';

export type Judgement =
  | { readonly ok: true; readonly right: boolean }
  /** The label does not fit the output: how. */
  | { readonly ok: false; readonly problem: string };

/**
 * Judges `output` by a label: for top1 and top5 a class index for each row along the last axis, for
 * threshold 0 or 1 for each element, for within a number for each element. One number will do where
 * there is one row or element; nested arrays are flattened.
 */
export function judge(metric: Metric, output: Tensor, label: unknown): Judgement {
  const values = numbersOf(output.datatype, output.data);
  const labels = numbersIn(label);
  if (labels === undefined) return { ok: false, problem: 'its label is not a number' };
  switch (metric.kind) {
    case 'top1':
    case 'top5':
      return judgeClasses(metric.kind === 'top1' ? 1 : 5, output, values, labels);
    case 'threshold':
    case 'within':
      return judgeElements(metric, values, labels);
  }
}

/** The label that an output itself would be: what a reference's answer stands for. */
export function labelFrom(metric: Metric, output: Tensor): readonly number[] {
  const values = numbersOf(output.datatype, output.data);
  if (metric.kind === 'within') return [...values];
  if (metric.kind === 'threshold') {
    return [...values].map((value) => (value >= metric.threshold ? 1 : 0));
  }
  const classes = classesOf(output, values);
  return rowsOf(values, classes).map((row) => largest(row, 1)[0] ?? 0);
}

function judgeClasses(
  among: number,
  output: Tensor,
  values: Float64Array,
  labels: readonly number[],
): Judgement {
  const classes = classesOf(output, values);
  const rows = rowsOf(values, classes);
  if (labels.length !== rows.length) return wrongCount(labels.length, rows.length, 'rows');
  const outside = labels.find((label) => !Number.isInteger(label) || label < 0 || label >= classes);
  if (outside !== undefined) {
    const problem = `label ${String(outside)} is no class: the output has ${String(classes)}`;
    return { ok: false, problem };
  }
  const right = rows.every((row, at) => largest(row, among).includes(labels[at] ?? -1));
  return { ok: true, right };
}

function judgeElements(
  metric: Extract<Metric, { kind: 'threshold' | 'within' }>,
  values: Float64Array,
  labels: readonly number[],
): Judgement {
  if (labels.length !== values.length) return wrongCount(labels.length, values.length, 'elements');
  if (metric.kind === 'within') {
    const right = values.every(
      (value, at) => Math.abs(value - (labels[at] ?? NaN)) <= metric.tolerance,
    );
    return { ok: true, right };
  }
  const odd = labels.find((label) => label !== 0 && label !== 1);
  if (odd !== undefined) return { ok: false, problem: `label ${String(odd)} is neither 0 nor 1` };
  const right = values.every((value, at) => value >= metric.threshold === (labels[at] === 1));
  return { ok: true, right };
}

function wrongCount(labels: number, wanted: number, of: string): Judgement {
  const problem = `it has ${String(labels)} labels for ${String(wanted)} ${of} of the output`;
  return { ok: false, problem };
}

function classesOf({ shape }: Tensor, values: Float64Array): number {
  return Math.max(1, shape.at(-1) ?? values.length);
}

function rowsOf(values: Float64Array, classes: number): Float64Array[] {
  const rows: Float64Array[] = [];
  for (let at = 0; at < values.length; at += classes) rows.push(values.subarray(at, at + classes));
  return rows;
}

/** Indices of the largest, first come first; NaN is never among them. */
function largest(row: Float64Array, count: number): number[] {
  const indices = [...row.keys()].filter((at) => !Number.isNaN(row[at]));
  return indices.sort((a, b) => (row[b] ?? 0) - (row[a] ?? 0) || a - b).slice(0, count);
}

function numbersIn(label: unknown): number[] | undefined {
  if (typeof label === 'number') return Number.isFinite(label) ? [label] : undefined;
  if (typeof label === 'boolean') return [label ? 1 : 0];
  if (!Array.isArray(label)) return undefined;
  const numbers: number[] = [];
  for (const item of label) {
    const nested = numbersIn(item);
    if (nested === undefined) return undefined;
    for (const number of nested) numbers.push(number);
  }
  return numbers;
}
