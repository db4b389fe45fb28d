/**
 * Where a model is measured: on the hardware that it is to run on, and where nothing else runs, for
 * either would disturb the other. Pure.
 */

import type { Hardware, HardwareKind } from '../../domain/hardware.ts';
import type { WorkerId } from '../../domain/worker.ts';

export interface ProfilingPlace {
  readonly workerId: WorkerId;
  readonly hardware: readonly Hardware[];
  /** Of all its units, 0 to 1. */
  readonly utilisation: number;
}

export interface ProfilingWanted {
  readonly hardware: HardwareKind;
  /** The type of machine that it is bound to. */
  readonly machine: string | undefined;
  /** Where the rest of its family was measured: what is compared is measured on the same cores. */
  readonly before: WorkerId | undefined;
  /** A worker busier than this is left in peace. */
  readonly utilisationMax: number;
}

/** A family is measured on until its worker is used so many times as much as a new one may be. */
const stayFactor = 3;

/** The least used of those that may, ties by name; undefined where there is none. */
export function placeToProfile<P extends ProfilingPlace>(
  places: readonly P[],
  { hardware, machine, before, utilisationMax }: ProfilingWanted,
): P | undefined {
  const able = places.filter((place) =>
    place.hardware.some(
      (slot) =>
        slot.kind === hardware &&
        slot.units > 0 &&
        (machine === undefined || slot.machine === machine),
    ),
  );
  const stayMax = Math.min(1, stayFactor * utilisationMax);
  const same = able.find((place) => place.workerId === before && place.utilisation <= stayMax);
  if (same !== undefined) return same;
  const idle = able.filter(({ utilisation }) => utilisation <= utilisationMax);
  return idle.reduce<P | undefined>(
    (best, place) => (best === undefined || isBetter(place, best) ? place : best),
    undefined,
  );
}

function isBetter(a: ProfilingPlace, b: ProfilingPlace): boolean {
  if (a.utilisation !== b.utilisation) return a.utilisation < b.utilisation;
  return a.workerId < b.workerId;
}
