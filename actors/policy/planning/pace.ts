/**
 * How much slower variants run than their profiles say, as plans count on it: over some ten seconds
 * of instances that are used enough to tell. Slower machines, neighbours, a profile gone stale: a
 * plan by the profile alone would have too few instances, and take away those that others added.
 */

import type { HardwareKind } from '../../domain/hardware.ts';
import type { VariantId } from '../../domain/variant.ts';

export interface Pace {
  readonly kind: HardwareKind;
  /** Execution time over the profile's. */
  readonly slowdown: number;
}

export type Paces = Readonly<Record<VariantId, Pace>>;

/** What an instance shows of its pace. */
export interface PaceSeen {
  readonly variantId: VariantId;
  readonly hardware: HardwareKind;
  readonly slowdown: number;
  /** Units of hardware that its load keeps busy. */
  readonly unitsUsed: number;
}

/** A second's weight; one without anything to see fades by as much slower. */
const weight = 0.1;
const fade = 0.01;
/** What runs now and then finds cold caches. */
const unitsMin = 0.05;
const slowdownMax = 20;
/** Less is how far profiles are off anyway. */
const slowdownFelt = 1.2;

/** Takes a second's reports in. */
export function observePaces(before: Paces, instances: readonly PaceSeen[]): Paces {
  const after: Record<VariantId, Pace> = {};
  for (const [id, { kind, slowdown }] of Object.entries(before)) {
    const faded = 1 + (slowdown - 1) * (1 - fade);
    if (faded >= slowdownFelt) after[id] = { kind, slowdown: faded };
  }
  const sums = new Map<VariantId, { kind: HardwareKind; units: number; slowed: number }>();
  for (const { variantId, hardware, slowdown, unitsUsed } of instances) {
    if (unitsUsed < unitsMin) continue;
    const sum = sums.get(variantId) ?? { kind: hardware, units: 0, slowed: 0 };
    sum.units += unitsUsed;
    sum.slowed += unitsUsed * Math.min(slowdownMax, slowdown);
    sums.set(variantId, sum);
  }
  for (const [id, { kind, units, slowed }] of sums) {
    const known = before[id]?.slowdown ?? 1;
    after[id] = { kind, slowdown: known + weight * (slowed / units - known) };
  }
  return after;
}

/** By how much plans take a variant to be slowed; 1: it runs as profiled. */
export function slowdownOf(paces: Paces, variantId: VariantId, kind: HardwareKind): number {
  const slowdown = paces[variantId]?.slowdown ?? hardwareSlowdownOf(paces, kind);
  return slowdown < slowdownFelt ? 1 : slowdown;
}

/** What slows all that run on it must be the hardware, and would slow what is not loaded too. */
function hardwareSlowdownOf(paces: Paces, wanted: HardwareKind): number {
  let least = Infinity;
  for (const { kind, slowdown } of Object.values(paces)) {
    if (kind === wanted) least = Math.min(least, slowdown);
  }
  return least === Infinity ? 1 : least;
}
