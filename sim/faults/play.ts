/**
 * Plays a plan from its start to its end: under fire first, then healed and left to settle, and
 * then asked one more time. The same plan always gives the same outcome, to the last turn.
 */

import { AssertionFailed } from '../../runtime/assert.ts';
import type { MetState } from './kinds.ts';
import { boundExceeded, inspectEnd, Rounds } from './inspect.ts';
import { fireEndsMs, type Plan, type PlannedFault, settledByMs } from './plan.ts';
import { Stage, type StageOptions } from './stage.ts';
import { type Met, Striker } from './strike.ts';

export interface Outcome {
  readonly plan: Plan;
  /** Empty when everything held. */
  readonly wrongs: readonly string[];
  readonly queries: number;
  readonly served: number;
  readonly nodes: number;
  readonly struck: number;
  readonly kinds: number;
  readonly met: Met;
  readonly events: number;
}

const roundMs = 25;

export function playPlan(plan: Plan, options: StageOptions): Outcome {
  const stage = new Stage(plan, options);
  const striker = new Striker(stage);
  stage.checkBound = (path, state) => boundExceeded(path, state, stage);
  stage.start();
  const { clock } = stage.cluster.simulation;
  for (const query of plan.queries) {
    clock.schedule(query.atMs, () => {
      stage.submit(query);
    });
  }
  layInWait(stage, striker, plan.faults);
  clock.schedule(fireEndsMs, () => {
    striker.heal();
  });
  const rounds = new Rounds(stage);
  let events = 0;
  try {
    for (let atMs = 0; atMs < settledByMs; atMs += roundMs) {
      events += stage.cluster.simulation.run(atMs);
      rounds.look();
    }
    inspectEnd(stage);
    events += askOnceMore(stage);
  } catch (error) {
    if (!(error instanceof AssertionFailed)) throw error;
    stage.wrongs.push(`an assertion failed: ${error.message}`);
  }
  const answers = [...stage.records.values()].map(({ answers: [first] }) => first?.answer);
  return {
    plan,
    wrongs: stage.wrongs,
    queries: stage.records.size,
    served: answers.filter((answer) => answer?.ok === true).length,
    nodes: 1 + plan.gateways + plan.workers,
    struck: striker.struck,
    kinds: striker.kinds.size,
    met: striker.met,
    events,
  };
}

/** Faults that wait for a state strike when an instance is next seen in it, one at a time. */
function layInWait(stage: Stage, striker: Striker, faults: readonly PlannedFault[]): void {
  const { clock } = stage.cluster.simulation;
  const waiting = new Map<MetState, PlannedFault[]>();
  for (const fault of faults) {
    const { whenState } = fault;
    clock.schedule(fault.atMs, () => {
      if (whenState === undefined) {
        striker.strike(fault);
        return;
      }
      const queue = waiting.get(whenState);
      if (queue === undefined) waiting.set(whenState, [fault]);
      else queue.push(fault);
    });
  }
  stage.onState = (node, path, state) => {
    if (stage.cluster.nowMs() >= fireEndsMs) return;
    const fault = waiting.get(state as MetState)?.shift();
    if (fault === undefined) return;
    // Not within the turn that was seen.
    clock.schedule(0, () => {
      striker.strike(fault, { node, path });
    });
  };
}

/** A healed system serves: one query of each gateway, with time to load what it needs. */
function askOnceMore(stage: Stage): number {
  const { cluster, plan } = stage;
  const probes: string[] = [];
  for (let gateway = 0; gateway < plan.gateways; gateway += 1) {
    stage.submit({
      ...{ atMs: cluster.nowMs(), gateway, selector: 'task', variant: 0, batch: 1, tenant: 'a' },
      ...{ latencyMs: undefined, accuracyMin: undefined, cancelAfterMs: undefined },
      ...{ onMiss: 'best-effort', timeoutMs: 1_000 },
    });
    probes.push(`q${String(stage.records.size)}`);
  }
  const events = cluster.simulation.run(cluster.nowMs() + 1_100);
  for (const probe of probes) {
    const answer = stage.records.get(probe)?.answers[0]?.answer;
    if (answer?.ok === true) continue;
    const why = answer === undefined ? 'no answer' : answer.error.message;
    stage.wrongs.push(`when all had healed, ${probe} was not served: ${why}`);
  }
  return events;
}
