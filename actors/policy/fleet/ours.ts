/**
 * Machines by the joint plan (`reference/policies.md` §9): as many as it buys are ordered at once,
 * and those that no plan wanted for a while are given back, one after the other, each once what
 * serves there has a place elsewhere. Without a plan yet the paper's rule holds.
 */

import type { HardwareKind } from '../../domain/hardware.ts';
import { additionOf, infaasPaperFleet, movesOff } from './infaas-paper.ts';
import type { FleetDecision, FleetPolicy, FleetView } from './view.ts';

/** Of a kind of hardware. */
interface Patience {
  /** Plans want fewer machines than there are: since when, and as many as any of them wanted. */
  readonly fewer: { readonly sinceMs: number; readonly most: number } | undefined;
  /** For so long they must. */
  readonly patienceMs: number;
  /** When the last machine was given back. */
  readonly releasedAtMs: number;
}

export type OursState = Readonly<Partial<Record<HardwareKind, Patience>>>;

/** The forecast remembers a minute already: this long more, and a lull has lasted. */
const releaseAfterMs = 60_000;
/** Between one release and the next. */
const settleMs = 5_000;
/**
 * A load at the edge of what some number of machines carry would have one go and come for ever: who
 * wants back within five minutes what it gave is more patient each time, up to
 * `reference/policies.md` §6.
 */
const regretMs = 300_000;
const patienceFactor = 4;
const patienceMaxMs = 300_000;
const patient: Patience = {
  fewer: undefined,
  patienceMs: releaseAfterMs,
  releasedAtMs: -Infinity,
};
/** Moves may fill other workers further than by the paper's rule: the plan has counted. */
const packedMax = 0.9;

export const oursFleet: FleetPolicy<OursState> = {
  initial: {},
  decide: (view, state) => {
    const { plan } = view;
    if (plan === undefined) return [infaasPaperFleet.decide(view, {})[0], state];
    const decisions: FleetDecision[] = [];
    const next: Partial<Record<HardwareKind, Patience>> = {};
    for (const [name, { min, max }] of Object.entries(view.limits)) {
      const kind = name as HardwareKind;
      const wanted = Math.min(max, Math.max(min, plan.machines[kind] ?? 0));
      const workers = view.workers.filter(({ hardware }) =>
        hardware.some((each) => each.kind === kind),
      );
      const starting = view.starting.filter((each) => each.kind === kind).length;
      const more = wanted - workers.length - starting;
      const before = state[kind] ?? patient;
      next[kind] = more > 0 ? wantingBack(before, view.nowMs) : { ...before, fewer: undefined };
      if (more > 0) decisions.push(additionFor(view, kind, more, workers.length, starting));
      else if (view.unplaced.length > 0) {
        const asked = additionOf(view, kind, min, max);
        if (asked !== undefined) decisions.push(asked);
      }
      if (more >= 0 || starting > 0) continue;
      const { sinceMs = view.nowMs, most: mostBefore = 0 } = before.fewer ?? {};
      const most = Math.max(mostBefore, wanted);
      const fewer = { sinceMs, most };
      next[kind] = { ...before, fewer };
      if (view.nowMs - sinceMs < before.patienceMs) continue;
      if (workers.length <= most) {
        // Some plan wanted all of them: those since may have wanted fewer.
        next[kind] = { ...before, fewer: { sinceMs: view.nowMs, most: wanted } };
        continue;
      }
      // What the last one moved must show where it is before the next can move it on.
      if (view.leaving > 0 || view.nowMs - before.releasedAtMs < settleMs) continue;
      const removal = removalFor(view, kind, most);
      if (removal === undefined) continue;
      decisions.push(removal);
      next[kind] = { ...releasing(before, view.nowMs), fewer };
    }
    return [decisions, next];
  },
};

/** Once a release: what is forgotten is not regretted twice. */
function wantingBack({ patienceMs, releasedAtMs }: Patience, nowMs: number): Patience {
  const isRegretted = nowMs - releasedAtMs < regretMs;
  return {
    fewer: undefined,
    patienceMs: isRegretted ? Math.min(patienceMaxMs, patienceFactor * patienceMs) : patienceMs,
    releasedAtMs: -Infinity,
  };
}

/** A machine that stays away from one release to the next was given back rightly. */
function releasing(before: Patience, nowMs: number): Patience {
  const { patienceMs, releasedAtMs } = before;
  const isRight = nowMs - releasedAtMs >= regretMs && releasedAtMs > -Infinity;
  return {
    ...before,
    patienceMs: isRight ? Math.max(releaseAfterMs, patienceMs / patienceFactor) : patienceMs,
    releasedAtMs: nowMs,
  };
}

function additionFor(
  view: FleetView,
  kind: HardwareKind,
  more: number,
  workers: number,
  starting: number,
): FleetDecision {
  const count = Math.max(1, Math.min(more, view.rules.stepMax));
  return {
    action: { do: 'add', kind, count },
    subject: kind,
    chosen: `add ${String(count)} ${kind} ${count === 1 ? 'worker' : 'workers'}`,
    why: `the plan wants ${String(workers + starting + more)}`,
    seen: { workers, starting, planned: workers + starting + more },
    rejected: [],
  };
}

/** The least used that can be spared, and of these the one with the least to move. */
function removalFor(
  view: FleetView,
  kind: HardwareKind,
  wanted: number,
): FleetDecision | undefined {
  const workers = view.workers.filter(({ hardware }) =>
    hardware.some((each) => each.kind === kind),
  );
  const rules = { ...view.rules, packedMax };
  const candidates = workers
    .filter(({ removable }) => removable)
    .sort((a, b) => a.utilisation - b.utilisation || a.ageMs - b.ageMs || (a.id < b.id ? -1 : 1));
  for (const worker of candidates) {
    const moves = movesOff({ ...view, rules }, worker, workers);
    if (moves === undefined) continue;
    return {
      action: { do: 'remove', workerId: worker.id, moves },
      subject: worker.id,
      chosen: `remove ${worker.id}`,
      why: `plans want ${String(wanted)} ${kind} workers of ${String(workers.length)}`,
      seen: { utilisation: worker.utilisation, moves: moves.length, planned: wanted },
      rejected: [],
    };
  }
  return undefined;
}
