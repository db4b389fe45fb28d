/**
 * Decisions about the fleet as plain records: what was seen, what was chosen, why, and what was
 * rejected and why, so that they can be read back (`explain`) and replayed.
 */

import type { ActorContext, Ref } from '../../runtime/actor.ts';
import type { WorkerId } from './worker.ts';

export const decisionKinds = ['scaling', 'mitigation', 'eviction', 'placement', 'fleet'] as const;

export type DecisionKind = (typeof decisionKinds)[number];

export interface Rejected {
  readonly what: string;
  readonly why: string;
}

export interface Decision {
  readonly kind: DecisionKind;
  /** Who decided: a worker's name, or `controller`. */
  readonly by: WorkerId;
  /** On the decider's own clock. */
  readonly atMs: number;
  /** What it is about: an instance, a variant, a worker. */
  readonly subject: string;
  readonly chosen: string;
  readonly why: string;
  /** The figures that it rests on. */
  readonly seen: Readonly<Record<string, number | string>>;
  readonly rejected: readonly Rejected[];
}

/** What a sink of decisions receives. */
export interface DecisionMade {
  readonly type: 'decisions.decision-made';
  readonly decision: Decision;
}

/** Logs and counts a decision, and keeps it where decisions are kept. */
export function tellDecision(
  sinks: readonly Ref<DecisionMade>[],
  decision: Decision,
  ctx: Pick<ActorContext<never>, 'tell' | 'log' | 'metrics'>,
): void {
  const { kind, subject, chosen, why } = decision;
  ctx.log.info('decided', { kind, subject, chosen, why });
  ctx.metrics.count('infaas_decisions_total', 1, { kind });
  for (const sink of sinks) ctx.tell(sink, { type: 'decisions.decision-made', decision });
}
