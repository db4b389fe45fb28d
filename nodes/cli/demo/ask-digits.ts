/** Asks the demo's digits at one SLO, one after the other, and adds up the answers. */

import type { QueryServed } from '../../../actors/domain/query.ts';
import { typedArrayOf } from '../../../runtime/wire/tensors.ts';
import { percentile } from '../load/percentiles.ts';
import { argmax } from '../outputs-text.ts';
import type { System } from '../system.ts';
import type { Digit } from './digits.ts';
import type { PlannedSlo } from './slo-plan.ts';

export const digitTask = { task: 'digit-classification', dataset: 'mnist' } as const;
const output = 'logits';

export interface SloRow {
  readonly title: string;
  readonly queries: number;
  readonly answered: number;
  readonly correct: number;
  readonly sloMet: number;
  /** Answers by variant, most frequent first. */
  readonly variants: readonly (readonly [name: string, answers: number])[];
  /** Of the most frequent variant, percent. */
  readonly statedAccuracy: number;
  readonly p50Ms: number;
  readonly p95Ms: number;
  readonly firstError: string | undefined;
  /** A few answers, what was read wrong first. */
  readonly examples: readonly DigitExample[];
}

export interface DigitExample {
  readonly digit: Digit;
  readonly read: number;
  readonly variant: string;
  readonly ms: number;
}

export interface AskOptions {
  readonly system: System;
  readonly input: string;
  readonly timeoutMs: number;
  readonly onAnswer: () => void;
  readonly nowMs: () => number;
}

const examplesMax = 8;

/** One query that nobody counts: it loads the variant, which later ones then find. */
export async function warmUp(
  options: AskOptions,
  planned: PlannedSlo,
  digit: Digit,
): Promise<string | undefined> {
  const answer = await options.system.query({
    ...digitTask,
    slo: planned.slo,
    timeoutMs: options.timeoutMs,
    inputs: { [options.input]: digit.image },
  });
  return answer.ok ? answer.servedBy.variant : undefined;
}

/** Stops at `untilMs`: the row then tells of fewer queries. */
export async function askDigits(
  options: AskOptions,
  planned: PlannedSlo,
  digits: readonly Digit[],
  untilMs: number,
): Promise<SloRow> {
  const tally = new Tally();
  let asked = 0;
  for (const digit of digits) {
    if (asked > 0 && options.nowMs() > untilMs) break;
    asked += 1;
    const sentMs = options.nowMs();
    const answer = await options.system.query({
      ...digitTask,
      slo: planned.slo,
      timeoutMs: options.timeoutMs,
      inputs: { [options.input]: digit.image },
    });
    if (answer.ok) tally.add(digit, answer, options.nowMs() - sentMs);
    else tally.firstError ??= `${answer.error.code}: ${answer.error.message}`;
    options.onAnswer();
  }
  return tally.row(planned.title, asked);
}

class Tally {
  firstError: string | undefined;
  private correct = 0;
  private sloMet = 0;
  private readonly latencies: number[] = [];
  private readonly variants = new Map<string, { answers: number; accuracy: number }>();
  private readonly right: DigitExample[] = [];
  private readonly wrong: DigitExample[] = [];

  add(digit: Digit, answer: QueryServed, ms: number): void {
    const { variant, accuracy } = answer.servedBy;
    const logits = answer.outputs[output];
    const read = logits === undefined ? -1 : argmax(Array.from(typedArrayOf(logits), Number));
    if (read === digit.label) this.correct += 1;
    if (answer.slo.met) this.sloMet += 1;
    this.latencies.push(ms);
    const before = this.variants.get(variant)?.answers ?? 0;
    this.variants.set(variant, { answers: before + 1, accuracy });
    const kept = read === digit.label ? this.right : this.wrong;
    if (kept.length < examplesMax) kept.push({ digit, read, variant, ms });
  }

  row(title: string, queries: number): SloRow {
    const sorted = Float64Array.from(this.latencies).sort();
    const variants = [...this.variants].sort((a, b) => b[1].answers - a[1].answers);
    return {
      title,
      queries,
      answered: this.latencies.length,
      correct: this.correct,
      sloMet: this.sloMet,
      variants: variants.map(([name, { answers }]) => [name, answers] as const),
      statedAccuracy: variants[0]?.[1].accuracy ?? NaN,
      p50Ms: percentile(sorted, 50),
      p95Ms: percentile(sorted, 95),
      firstError: this.firstError,
      examples: [...this.wrong, ...this.right],
    };
  }
}
