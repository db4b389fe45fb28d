/**
 * The paper's VM-Autoscaler (`reference/infaas.md` §5). It adds a worker of a kind of hardware when
 * (1) all workers that have it are over 80 % busy, or (2) variants on it are Interfered on all of
 * them, or (3) over 80 % of the workers have Overloaded variants; one at a time for these, for the
 * paper waits to see what the last did, and several at once where workers ask for places that
 * nobody has, or the owner's minimum is not met.
 *
 * Removal, of which the paper says only that variants are packed (`reference/policies.md` §6): the
 * emptiest worker goes when for long enough it was little used, all that serves on it fits
 * elsewhere, and nothing is overloaded.
 */

import type { HardwareKind } from '../../domain/hardware.ts';
import type { WorkerId } from '../../domain/worker.ts';
import { placeInstance, type Room, roomOf } from '../placement/where.ts';
import type {
  FleetDecision,
  FleetPolicy,
  FleetView,
  FleetWorker,
  Move,
  PlacedInstance,
} from './view.ts';

/** Since when each worker could have been spared. */
export type FleetPaperState = Readonly<Record<WorkerId, number>>;

export const infaasPaperFleet: FleetPolicy<FleetPaperState> = {
  initial: {},
  decide: (view, state) => {
    const decisions: FleetDecision[] = [];
    const spareSinceMs: Record<WorkerId, number> = {};
    for (const [name, limits] of Object.entries(view.limits)) {
      const kind = name as HardwareKind;
      const add = additionOf(view, kind, limits.min, limits.max);
      if (add !== undefined) {
        decisions.push(add);
        continue;
      }
      if (!isCalm(view, kind)) continue;
      const removal = removalOf(view, kind, limits.min, state, spareSinceMs);
      if (removal !== undefined) decisions.push(removal);
    }
    return [decisions, spareSinceMs];
  },
};

function having(view: FleetView, kind: HardwareKind): readonly FleetWorker[] {
  return view.workers.filter(({ hardware }) => hardware.some((each) => each.kind === kind));
}

export function additionOf(
  view: FleetView,
  kind: HardwareKind,
  min: number,
  max: number,
): FleetDecision | undefined {
  const workers = having(view, kind);
  const starting = view.starting.filter((each) => each.kind === kind).length;
  const there = workers.length + starting;
  const asked = view.unplaced.filter(({ hardware }) => hardware === kind).length;
  const busy = workers.filter(({ utilisation }) => utilisation > view.rules.utilisationSets).length;
  const disturbed = workers.filter((worker) => has(worker, kind, 'interfered')).length;
  const overloaded = workers.filter((worker) => has(worker, kind, 'overloaded')).length;
  const wants: readonly (readonly [count: number, why: string])[] = [
    [min - there, `there are ${String(there)}, the owner wants at least ${String(min)}`],
    [asked - starting, `${String(asked)} instances have no place on any worker`],
    [
      starting === 0 && workers.length > 0 && busy === workers.length ? 1 : 0,
      `all are over ${String(100 * view.rules.utilisationSets)} % busy`,
    ],
    [
      starting === 0 && workers.length > 0 && disturbed === workers.length ? 1 : 0,
      'variants are interfered on all of them',
    ],
    [
      starting === 0 && overloaded > view.rules.overloadedShare * workers.length ? 1 : 0,
      `${String(overloaded)} of ${String(workers.length)} have overloaded variants`,
    ],
  ];
  const [wanted, why] = wants.find(([count]) => count > 0) ?? [0, ''];
  const count = Math.min(wanted, max - there, view.rules.stepMax);
  if (count <= 0) return undefined;
  return {
    action: { do: 'add', kind, count },
    subject: kind,
    chosen: `add ${String(count)} ${kind} ${count === 1 ? 'worker' : 'workers'}`,
    why,
    seen: { workers: workers.length, starting, busy, disturbed, overloaded, asked, max },
    rejected: [],
  };
}

function has(worker: FleetWorker, kind: HardwareKind, state: PlacedInstance['state']): boolean {
  return worker.instances.some((each) => each.hardware === kind && each.state === state);
}

/** Nothing is removed while something is under strain or on its way. */
function isCalm(view: FleetView, kind: HardwareKind): boolean {
  return (
    view.unplaced.length === 0 &&
    view.starting.length === 0 &&
    having(view, kind).every(
      (worker) => !has(worker, kind, 'overloaded') && !has(worker, kind, 'interfered'),
    )
  );
}

function removalOf(
  view: FleetView,
  kind: HardwareKind,
  min: number,
  before: FleetPaperState,
  spareSinceMs: Record<WorkerId, number>,
): FleetDecision | undefined {
  const workers = having(view, kind);
  if (workers.length <= min) return undefined;
  const emptiest = [...workers]
    .filter(({ removable, utilisation }) => removable && utilisation < view.rules.emptyBelow)
    .sort((a, b) => a.utilisation - b.utilisation || a.ageMs - b.ageMs || (a.id < b.id ? -1 : 1));
  for (const worker of emptiest) {
    const moves = movesOff(view, worker, workers);
    if (moves === undefined || moves.length > view.rules.movesMax) continue;
    const sinceMs = before[worker.id] ?? view.nowMs;
    spareSinceMs[worker.id] = sinceMs;
    if (view.nowMs - sinceMs < view.rules.releaseAfterMs) continue;
    const spareS = String(Math.round((view.nowMs - sinceMs) / 1000));
    return {
      action: { do: 'remove', workerId: worker.id, moves },
      subject: worker.id,
      chosen: `remove ${worker.id}`,
      why: `little used for ${spareS} s, and all that serves there fits elsewhere`,
      seen: { utilisation: worker.utilisation, moves: moves.length, workers: workers.length },
      rejected: [],
    };
  }
  return undefined;
}

/** What to load where before the worker goes; undefined where it does not all fit. */
export function movesOff(
  view: FleetView,
  leaving: FleetWorker,
  workers: readonly FleetWorker[],
): readonly Move[] | undefined {
  const others = workers.filter(({ id }) => id !== leaving.id);
  const rooms = others.flatMap((worker) =>
    worker.hardware.flatMap(({ kind }) => roomOf(worker, kind) ?? []),
  );
  const moves: Move[] = [];
  const serving = leaving.instances.filter(
    ({ state }) => state === 'active' || state === 'loading',
  );
  for (const instance of [...serving].sort(largestFirst)) {
    const room = roomFor(view, instance, others, rooms);
    if (room === undefined) {
      // What nobody asks for need not be kept.
      if (instance.unitsUsed === 0) continue;
      return undefined;
    }
    room.room.unitsUsed += instance.unitsUsed;
    if (room.loaded) continue;
    room.room.memoryFreeBytes -= instance.memoryBytes;
    moves.push({ variantId: instance.variantId, to: room.room.id });
  }
  return moves;
}

function largestFirst(a: PlacedInstance, b: PlacedInstance): number {
  return b.memoryBytes - a.memoryBytes || (a.variantId < b.variantId ? -1 : 1);
}

/** Where the variant is loaded already, if that can carry more; else where it can be loaded. */
function roomFor(
  view: FleetView,
  instance: PlacedInstance,
  others: readonly FleetWorker[],
  rooms: readonly Room[],
): { readonly room: Room; readonly loaded: boolean } | undefined {
  const { variantId, hardware, machine, memoryBytes, unitsUsed } = instance;
  const there = new Set(
    others
      .filter(({ instances }) =>
        instances.some((each) => each.variantId === variantId && each.state === 'active'),
      )
      .map(({ id }) => id),
  );
  const { packedMax } = view.rules;
  const loaded = placeInstance(
    rooms.filter(({ id }) => there.has(id)),
    { hardware, machine, memoryBytes: 0, units: unitsUsed },
    packedMax,
  );
  if (loaded !== undefined) return { room: loaded, loaded: true };
  const room = placeInstance(
    rooms,
    { hardware, machine, memoryBytes, units: unitsUsed },
    packedMax,
  );
  return room === undefined ? undefined : { room, loaded: false };
}
