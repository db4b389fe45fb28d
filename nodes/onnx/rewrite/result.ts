/** What a rewrite gives: a model and what became of it, or why there is none. */

import type { OnnxModel } from '../model.ts';

export interface RewriteReport {
  /** How many nodes (or tensors) were changed, by operator. */
  readonly changed: Readonly<Record<string, number>>;
  /** What could have been changed and was not: how many, by reason. */
  readonly left: Readonly<Record<string, number>>;
}

export type Rewritten =
  | { readonly ok: true; readonly model: OnnxModel; readonly report: RewriteReport }
  | { readonly ok: false; readonly reason: string };

/** Counts while a rewrite goes on. */
export class Tally {
  readonly #changed: Record<string, number> = {};
  readonly #left: Record<string, number> = {};

  change(operator: string): void {
    this.#changed[operator] = (this.#changed[operator] ?? 0) + 1;
  }

  leave(operator: string, reason: string): void {
    const key = `${operator}: ${reason}`;
    this.#left[key] = (this.#left[key] ?? 0) + 1;
  }

  /** A model in which nothing was changed would be a relabelled copy. */
  conclude(model: OnnxModel, nothing: string): Rewritten {
    const report: RewriteReport = { changed: this.#changed, left: this.#left };
    if (Object.keys(report.changed).length > 0) return { ok: true, model, report };
    const why = Object.keys(report.left);
    return { ok: false, reason: why.length === 0 ? nothing : `${nothing} (${why.join('; ')})` };
  }
}
