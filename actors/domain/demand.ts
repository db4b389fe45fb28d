/**
 * Demand: how many queries a second ask for what. Queries whose requirement is the same, latency
 * coarsened, are one class; whatever meets the class may serve them. This is how what only
 * dispatchers know (the SLOs) reaches those who scale: each query says what it asks, its instance
 * counts, its worker's monitor makes rates of it.
 */

import type { Selector } from './query.ts';
import { predictBatchMs } from './profile.ts';
import type { Variant } from './variant.ts';

export interface Requirement {
  /** What the query named: then only that can serve it. */
  readonly by: Selector['by'];
  /** Percent; 0 where none is asked. */
  readonly accuracyMin: number;
  /** Infinity where none is asked. */
  readonly latencyMs: number;
}

export interface ClassDemand extends Requirement {
  /** 0 where it was asked not long ago, and may be again. */
  readonly rateQps: number;
}

/** May `candidate` serve queries of this class that `asked` serves now? Queueing not counted. */
export function meets(candidate: Variant, asked: Variant, requirement: Requirement): boolean {
  const { by, accuracyMin, latencyMs } = requirement;
  if (by === 'variant' && candidate.id !== asked.id) return false;
  if (by === 'architecture' && candidate.architecture !== asked.architecture) return false;
  return (
    candidate.task === asked.task &&
    candidate.dataset === asked.dataset &&
    candidate.accuracy >= accuracyMin &&
    predictBatchMs(candidate.profile, 1) <= latencyMs
  );
}

/** Latencies within a factor of the root of two are one class; rounded down, to be safe. */
export function coarseLatencyMs(latencyMs: number): number {
  return latencyMs > 0 && latencyMs < Infinity
    ? 2 ** (Math.floor(2 * Math.log2(latencyMs)) / 2)
    : latencyMs;
}

const requirementsMax = 16;

/** Counts queries by what they ask, between two takings. */
export class DemandCount {
  private counts: { readonly asks: Requirement; count: number }[] = [];

  add(asks: Requirement, count: number): void {
    const known =
      this.counts.find((each) => isSameRequirement(each.asks, asks)) ??
      // Too many to tell apart: counted with the first, whose like they are at worst.
      (this.counts.length >= requirementsMax ? this.counts[0] : undefined);
    if (known === undefined) this.counts.push({ asks, count });
    else known.count += count;
  }

  /** What was counted since the last taking. */
  take(): readonly { readonly asks: Requirement; readonly count: number }[] {
    const taken = this.counts;
    this.counts = [];
    return taken;
  }

  get isEmpty(): boolean {
    return this.counts.length === 0;
  }
}

/** Are both of one class? */
export function isSameRequirement(a: Requirement, b: Requirement): boolean {
  return a.by === b.by && a.accuracyMin === b.accuracyMin && a.latencyMs === b.latencyMs;
}
