/**
 * The SLOs that the demo asks, made from what is registered, so that each can be met on this
 * machine and, where the models differ enough, each is best served by another variant. Pure.
 */

import type { VariantDescription } from '../../../actors/domain/fleet-description.ts';
import type { Slo } from '../../../actors/domain/query.ts';

export interface PlannedSlo {
  readonly slo: Slo;
  /** `≥ 98 %, ≤ 20 ms`. */
  readonly title: string;
}

/** Floors that people ask for, each with a latency that the bundled models meet with ease. */
const usualFloors: readonly (readonly [accuracyMin: number, latencyMs: number])[] = [
  [95, 20],
  [98, 20],
  [99, 50],
];
const anyLatencyMs = 50;
const mostAccurateLatencyMs = 200;
const slosMin = 4;

/** Ascending by accuracy; at least four where at least three accuracies are registered. */
export function planSlos(variants: readonly VariantDescription[]): PlannedSlo[] {
  const accuracies = [...new Set(variants.map(({ accuracy }) => accuracy))].sort((a, b) => a - b);
  const most = accuracies.at(-1);
  if (most === undefined) return [];
  const floors = new Map(usualFloors.filter(([floor]) => floor < most));
  for (const accuracy of accuracies) {
    if (floors.size + 2 >= slosMin) break;
    if (accuracy < most) floors.set(accuracy, anyLatencyMs);
  }
  const between = [...floors].sort(([a], [b]) => a - b);
  return [
    planned(variants, undefined, anyLatencyMs, 'any accuracy'),
    ...between.map(([floor, ms]) => planned(variants, floor, ms, `≥ ${String(floor)} %`)),
    planned(variants, most, mostAccurateLatencyMs, `≥ ${String(most)} % (the best)`),
  ];
}

function planned(
  variants: readonly VariantDescription[],
  accuracyMin: number | undefined,
  usualLatencyMs: number,
  what: string,
): PlannedSlo {
  const latencyMs = Math.max(usualLatencyMs, leastLatencyMs(variants, accuracyMin));
  return {
    slo: accuracyMin === undefined ? { latencyMs } : { latencyMs, accuracyMin },
    title: `${what}, ≤ ${String(latencyMs)} ms`,
  };
}

/** With room for a busy machine: four times what the cheapest that qualifies takes, and 10 ms. */
function leastLatencyMs(
  variants: readonly VariantDescription[],
  accuracyMin: number | undefined,
): number {
  const alone = variants
    .filter(({ accuracy }) => accuracy >= (accuracyMin ?? 0))
    .map(({ latencyMs }) => latencyMs[0]?.ms ?? 0);
  return Math.ceil((4 * Math.min(...alone) + 10) / 10) * 10;
}
