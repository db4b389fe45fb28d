/**
 * Machines by the joint plan (`reference/policies.md` §9): as many as it buys are ordered at once,
 * and one is given back when for a while plans wanted fewer, once what serves there has a place
 * elsewhere. Without a plan yet the paper's rule holds.
 */

import type { HardwareKind } from '../../domain/hardware.ts';
import { additionOf, infaasPaperFleet, movesOff } from './infaas-paper.ts';
import type { FleetDecision, FleetPolicy, FleetView } from './view.ts';

/** Since when plans want fewer machines of a kind than there are. */
export type OursState = Readonly<Partial<Record<HardwareKind, number>>>;

/** The forecast remembers a minute already: this long more, and a lull has lasted. */
const releaseAfterMs = 15_000;
/** Moves may fill other workers further than by the paper's rule: the plan has counted. */
const packedMax = 0.9;

export const oursFleet: FleetPolicy<OursState> = {
  initial: {},
  decide: (view, state) => {
    const { plan } = view;
    if (plan === undefined) return [infaasPaperFleet.decide(view, {})[0], {}];
    const decisions: FleetDecision[] = [];
    const since: Partial<Record<HardwareKind, number>> = {};
    for (const [name, { min, max }] of Object.entries(view.limits)) {
      const kind = name as HardwareKind;
      const wanted = Math.min(max, Math.max(min, plan.machines[kind] ?? 0));
      const workers = view.workers.filter(({ hardware }) =>
        hardware.some((each) => each.kind === kind),
      );
      const starting = view.starting.filter((each) => each.kind === kind).length;
      const more = wanted - workers.length - starting;
      if (more > 0) decisions.push(additionFor(view, kind, more, workers.length, starting));
      else if (view.unplaced.length > 0) {
        const asked = additionOf(view, kind, min, max);
        if (asked !== undefined) decisions.push(asked);
      }
      if (more >= 0 || starting > 0) continue;
      const sinceMs = state[kind] ?? view.nowMs;
      since[kind] = sinceMs;
      if (view.nowMs - sinceMs < releaseAfterMs) continue;
      const removal = removalFor(view, kind, wanted);
      if (removal !== undefined) decisions.push(removal);
    }
    return [decisions, since];
  },
};

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
