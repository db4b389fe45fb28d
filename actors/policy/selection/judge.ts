/**
 * What a decision made of each variant that it could choose from, whatever the policy: for
 * `explain` and `quote`. Made at the time, since the view moves on, and so for every query: it is
 * bounded, and writes into buffers that are there already.
 */

import type { Considered, Verdict } from '../../domain/explanation.ts';
import { completionMs, loadedMs, usability } from './completion.ts';
import type { FleetView, QueryView, VariantView } from './view.ts';

/** Most variants that a decision is explained by, and instances of each that are looked at. */
export const judgedMax = 16;
const instancesMax = 16;

const verdicts: readonly Verdict[] = [
  'chosen',
  'eligible',
  'less-accurate',
  'too-dear',
  'too-slow',
  'not-loaded',
  'loading',
  'busy',
];
const codes = Object.fromEntries(verdicts.map((verdict, code) => [verdict, code])) as Readonly<
  Record<Verdict, number>
>;

/** The judgements of one decision: the chosen variant, and the cheapest of the others. */
export class Judgements {
  #variants: readonly VariantView[] = [];
  #count = 0;
  readonly #positions = new Uint32Array(judgedMax);
  readonly #verdicts = new Uint8Array(judgedMax);
  readonly #predictedMs = new Float64Array(judgedMax);
  readonly #instances = new Uint32Array(judgedMax);

  /** Judges the view's variants, over what was judged before. */
  take(view: FleetView, query: QueryView, chosen: VariantView | undefined): void {
    this.#variants = view.variants;
    this.#count = 0;
    let room = chosen === undefined ? judgedMax : judgedMax - 1;
    for (let position = 0; position < view.variants.length; position += 1) {
      const variant = view.variants[position];
      if (variant === undefined) break;
      const isChosen = variant.id === chosen?.id;
      if (!isChosen && room === 0) continue;
      if (!isChosen) room -= 1;
      this.#judge(view, query, position, isChosen);
      if (this.#count === judgedMax) break;
    }
  }

  describe(): Considered[] {
    return Array.from({ length: this.#count }, (_, at) => {
      const variant = this.#variants[this.#positions[at] ?? 0];
      return {
        variant: variant?.id ?? '',
        verdict: verdicts[this.#verdicts[at] ?? 0] ?? 'eligible',
        accuracy: variant?.accuracy ?? 0,
        costUsdPer1000: (variant?.costUsd ?? 0) * 1000,
        predictedMs: this.#predictedMs[at] ?? 0,
        instances: this.#instances[at] ?? 0,
      };
    });
  }

  /** Variants that there were besides. */
  get leftOut(): number {
    return this.#variants.length - this.#count;
  }

  #judge(view: FleetView, query: QueryView, position: number, isChosen: boolean): void {
    const variant = view.variants[position];
    if (variant === undefined) return;
    let bestMs = Infinity;
    let usable = 0;
    let isLoading = true;
    let instances = 0;
    for (const instance of variant.instances) {
      const rank = usability(instance);
      if (rank === 0) continue;
      instances += 1;
      if (instances > instancesMax) continue;
      if (instance.state !== 'loading') isLoading = false;
      if (rank < usable) continue;
      const ms = completionMs(view, variant, instance, query.batch);
      // One that serves counts before one that would only do for want of better.
      if (rank > usable || ms < bestMs) bestMs = ms;
      usable = rank;
    }
    const predictedMs = instances > 0 ? bestMs : loadedMs(view, variant, query.batch);
    const holders = { instances, isLoading, isBusy: usable < 2 };
    const verdict = isChosen ? 'chosen' : verdictOf(query, variant, predictedMs, holders);
    const at = this.#count;
    this.#count += 1;
    this.#positions[at] = position;
    this.#verdicts[at] = codes[verdict];
    this.#predictedMs[at] = predictedMs;
    this.#instances[at] = instances;
  }
}

interface Holders {
  readonly instances: number;
  /** All of them are. */
  readonly isLoading: boolean;
  /** None of them is active. */
  readonly isBusy: boolean;
}

function verdictOf(
  { slo, batch, sloLeftMs }: QueryView,
  variant: VariantView,
  predictedMs: number,
  { instances, isLoading, isBusy }: Holders,
): Verdict {
  if (slo.accuracyMin !== undefined && variant.accuracy < slo.accuracyMin) return 'less-accurate';
  if (slo.costUsdMax !== undefined && variant.costUsd * batch > slo.costUsdMax) return 'too-dear';
  if (instances === 0) return 'not-loaded';
  if (isLoading) return 'loading';
  if (predictedMs > sloLeftMs) return 'too-slow';
  return isBusy ? 'busy' : 'eligible';
}
