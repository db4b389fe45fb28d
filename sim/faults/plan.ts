/**
 * What one seed stands for: a topology, limits, queries and faults, drawn from streams split by
 * purpose. A plan is plain data: it is played (`play.ts`), and shrunk when it fails (`shrink.ts`).
 */

import { type Random, splitRandom } from '../../runtime/random.ts';
import { type FaultKind, faultKinds, metStates, type MetState } from './kinds.ts';

export interface PlannedFault {
  readonly kind: FaultKind;
  /** When it strikes, or, with `whenState`, from when on it lies in wait. */
  readonly atMs: number;
  /** Strikes as soon as an instance is seen in this state before the fire ends. */
  readonly whenState: MetState | undefined;
  readonly forMs: number;
  /** In [0, 1): picks the node, the share or the size, whichever the kind has. */
  readonly draw: number;
}

export interface PlannedQuery {
  readonly atMs: number;
  readonly gateway: number;
  readonly selector: 'task' | 'architecture' | 'variant';
  readonly variant: number;
  readonly batch: number;
  readonly latencyMs: number | undefined;
  readonly accuracyMin: number | undefined;
  readonly onMiss: 'best-effort' | 'reject';
  readonly timeoutMs: number;
  readonly cancelAfterMs: number | undefined;
  readonly tenant: string;
}

export interface Plan {
  readonly seed: number;
  readonly gateways: number;
  readonly workers: number;
  readonly cores: number;
  readonly memoryBytes: number;
  readonly limits: {
    readonly queueMax: number;
    readonly instanceMailboxMax: number;
    readonly workerMailboxMax: number;
    readonly dispatcherMailboxMax: number;
    readonly inFlightMax: number;
    readonly inFlightPerTenantMax: number;
  };
  readonly bus: { readonly latencyMs: number; readonly jitterMs: number };
  readonly selection: 'cheapest' | 'most-accurate' | 'random';
  /** How much slower the first worker's hardware is than the one profiled. */
  readonly firstSlowdown: number;
  readonly queries: readonly PlannedQuery[];
  readonly faults: readonly PlannedFault[];
}

/** Faults strike between these, ms of virtual time; then everything heals. */
export const fireStartsMs = 400;
export const fireEndsMs = 2_400;
/** Until then queries arrive and the system may still suffer from what was. */
export const settledByMs = 4_800;

const mebibyte = 1024 * 1024;
const timeoutMaxMs = 1_500;

export function drawPlan(seed: number): Plan {
  const shape = drawing(splitRandom(seed, 'shape'));
  const gateways = shape.int(1, 2);
  const workers = shape.int(2, 4);
  return {
    seed,
    gateways,
    workers,
    cores: shape.int(1, 2),
    memoryBytes: shape.int(48, 160) * mebibyte,
    limits: {
      queueMax: shape.int(4, 40),
      instanceMailboxMax: shape.int(10, 60),
      workerMailboxMax: shape.int(20, 200),
      dispatcherMailboxMax: shape.int(50, 400),
      inFlightMax: shape.int(40, 300),
      inFlightPerTenantMax: shape.int(30, 300),
    },
    bus: { latencyMs: shape.real(0.05, 1), jitterMs: shape.real(0, 0.5) },
    firstSlowdown: shape.chance(0.4) ? 2 : 1,
    selection: shape.of(['cheapest', 'cheapest', 'most-accurate', 'random'] as const),
    queries: drawQueries(splitRandom(seed, 'queries'), gateways),
    faults: drawFaults(splitRandom(seed, 'faults')),
  };
}

function drawQueries(random: Random, gateways: number): PlannedQuery[] {
  const draw = drawing(random);
  const count = draw.int(900, 1_200);
  const meanGapMs = (fireEndsMs + 400) / count;
  const queries: PlannedQuery[] = [];
  let atMs = 100;
  for (let index = 0; index < count; index += 1) {
    // Every now and then a burst: many at one instant.
    atMs += draw.chance(0.1) ? 0 : -Math.log(1 - random()) * meanGapMs;
    queries.push({
      atMs,
      gateway: draw.int(0, gateways - 1),
      selector: draw.of(['task', 'task', 'task', 'architecture', 'variant'] as const),
      variant: draw.int(0, 2),
      batch: draw.chance(0.1) ? draw.int(2, 4) : 1,
      latencyMs: draw.chance(0.6) ? draw.int(5, 300) : undefined,
      accuracyMin: draw.chance(0.4) ? draw.of([90, 95, 99] as const) : undefined,
      onMiss: draw.chance(0.3) ? 'reject' : 'best-effort',
      timeoutMs: draw.int(50, timeoutMaxMs),
      cancelAfterMs: draw.chance(0.05) ? draw.int(0, 100) : undefined,
      tenant: draw.of(['a', 'a', 'b'] as const),
    });
  }
  return queries;
}

function drawFaults(random: Random): PlannedFault[] {
  const draw = drawing(random);
  const faults: PlannedFault[] = [];
  for (let left = draw.int(4, 9); left > 0; left -= 1) {
    const atMs = draw.real(fireStartsMs, fireEndsMs);
    const whenState = draw.chance(0.75) ? draw.of(metStates) : undefined;
    const forMs = draw.int(20, 700);
    faults.push({ kind: draw.of(faultKinds), atMs, whenState, forMs, draw: random() });
    // Left to itself a state would hardly be seen while the fault lies in wait for it.
    const cause = whenState === undefined ? undefined : causes[whenState];
    if (cause === undefined) continue;
    const startsMs = Math.min(fireEndsMs - 1, atMs + draw.real(1, 40));
    faults.push({ kind: cause, atMs: startsMs, whenState: undefined, forMs: 500, draw: random() });
  }
  return faults.sort((a, b) => a.atMs - b.atMs);
}

/** What brings a state about. */
const causes: Readonly<Record<MetState, FaultKind | undefined>> = {
  loading: 'crash-engine',
  active: undefined,
  overloaded: 'flood',
  interfered: 'slow-engine',
  draining: 'unload',
  unloaded: 'unload',
  failed: 'crash-engine',
};

function drawing(random: Random) {
  const int = (min: number, max: number): number => min + Math.floor(random() * (max - min + 1));
  return {
    int,
    real: (min: number, max: number): number => min + random() * (max - min),
    chance: (share: number): boolean => random() < share,
    of: <T>(choices: readonly T[]): T => choices[int(0, choices.length - 1)] as T,
  };
}
