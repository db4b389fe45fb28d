/**
 * How well predictions came true lately: the ratios of observed to predicted latency of the last
 * answers. From them `quote` says how likely a latency is kept; a normal distribution would be a
 * guess where this is a count.
 *
 * Of queries that had something loaded for them, by how much it took longer than predicted: a
 * profile does not know the start of an engine's host, its first batches, or a slower disk.
 */

/** Enough for a hundredth; forgotten within seconds under load. */
const ratiosMax = 512;
/** Fewer say nothing. */
const ratiosMin = 16;

const extraWeight = 0.3;
/** One large model on a slow disk is not what to expect of the next. */
const extraMaxMs = 250;

export class Foresight {
  readonly #ratios = new Float64Array(ratiosMax);
  #count = 0;
  #loadExtraMs: number | undefined;

  /** Beyond its profile, of a load to come. */
  get loadExtraMs(): number {
    return this.#loadExtraMs ?? 0;
  }

  /** `predictedMs` with what was expected beyond the profile in it. */
  observeLoad(predictedMs: number, observedMs: number): void {
    const overMs = observedMs - predictedMs + this.loadExtraMs;
    const extraMs = Math.min(extraMaxMs, Math.max(0, overMs));
    const before = this.#loadExtraMs ?? extraMs;
    this.#loadExtraMs = before + extraWeight * (extraMs - before);
  }

  observe(predictedMs: number, observedMs: number): void {
    if (!(predictedMs > 0)) return;
    this.#ratios[this.#count % ratiosMax] = observedMs / predictedMs;
    this.#count += 1;
  }

  /** The chance that what is predicted to take `predictedMs` takes at most `withinMs`. */
  chance(predictedMs: number, withinMs: number): number | undefined {
    const known = Math.min(this.#count, ratiosMax);
    if (withinMs === Infinity) return 1;
    if (known < ratiosMin) return undefined;
    const ratioMax = withinMs / predictedMs;
    let within = 0;
    for (let at = 0; at < known; at += 1) if ((this.#ratios[at] ?? 0) <= ratioMax) within += 1;
    return within / known;
  }
}
