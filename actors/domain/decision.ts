/**
 * Decisions about the fleet as plain records: what was seen, what was chosen, why, and what was
 * rejected and why, so that they can be read back (`explain`) and replayed.
 */

import type { WorkerId } from './worker.ts';

export type DecisionKind = 'scaling' | 'mitigation' | 'eviction' | 'fleet';

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
