/**
 * Where one more instance of a variant goes: best fit by memory among the workers that have room
 * and are not busy, so that few are used (INFaaS' online bin packing). Never where it would
 * over-commit memory; ties by id.
 */

import type { FleetWorker } from '../fleet/view.ts';
import { type HardwareKind, isForMachine } from '../../domain/hardware.ts';
import type { WorkerId } from '../../domain/worker.ts';

export interface Need {
  readonly hardware: HardwareKind;
  /** The machine type that alone may run it. */
  readonly machine?: string | undefined;
  readonly memoryBytes: number;
  /** Units that it will keep busy. */
  readonly units: number;
}

export interface Room {
  readonly id: WorkerId;
  memoryFreeBytes: number;
  unitsUsed: number;
  readonly units: number;
  readonly kind: HardwareKind;
  readonly machine?: string | undefined;
}

/** The room of each worker in a kind of hardware. */
export function roomOf(worker: FleetWorker, kind: HardwareKind): Room | undefined {
  const hardware = worker.hardware.find((each) => each.kind === kind);
  if (hardware === undefined) return undefined;
  return {
    id: worker.id,
    kind,
    machine: hardware.machine,
    memoryFreeBytes: hardware.memoryBytes - worker.memoryUsedBytes,
    units: hardware.units,
    unitsUsed: worker.utilisation * hardware.units,
  };
}

/** The fullest room that takes it and stays below `packedMax` of its units. */
export function placeInstance(
  rooms: readonly Room[],
  need: Need,
  packedMax: number,
): Room | undefined {
  let best: Room | undefined;
  for (const room of rooms) {
    if (room.kind !== need.hardware || !isForMachine(room.machine, need.machine)) continue;
    if (room.memoryFreeBytes < need.memoryBytes) continue;
    if (room.unitsUsed + need.units > packedMax * room.units) continue;
    const isFuller =
      best === undefined ||
      room.memoryFreeBytes < best.memoryFreeBytes ||
      (room.memoryFreeBytes === best.memoryFreeBytes && room.id < best.id);
    if (isFuller) best = room;
  }
  return best;
}
