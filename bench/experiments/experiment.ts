/**
 * What an experiment is, as data: scenario files, who contends in them, what is read off, what the
 * paper has of it, and what is claimed. `catalogue.ts` lists them, `main.ts` runs them.
 */

import type { HardwareKind } from '../../actors/domain/hardware.ts';
import type { PolicyName } from '../../actors/policy/policies.ts';
import type { ScenarioReport } from '../../sim/scenario/report.ts';

/** Keys of a scenario, in place of what its file says (`infaas simulate --set`). */
export type Settings = Readonly<Record<string, unknown>>;

/** One load, one incident: a group in tables and charts. */
export interface Case {
  readonly id: string;
  /** A file of `examples/experiments/`, without its extension. */
  readonly scenario: string;
  readonly set?: Settings;
}

export interface Contender {
  readonly id: string;
  readonly policy: PolicyName;
  /** In a case. */
  readonly set?: (caseId: string) => Settings;
  /** Cases it does not take part in are left out. */
  readonly cases?: readonly string[];
}

export interface Metric {
  readonly id: string;
  readonly label: string;
  readonly digits: number;
  readonly of: (report: ScenarioReport) => number;
}

/** Means over seeds: of a case, of a contender, of a metric. NaN where it was not run. */
export type Means = (caseId: string, contender: string, metric: string) => number;

export interface Claim {
  readonly text: string;
  /** What the claim compares. */
  readonly contenders: readonly string[];
  readonly cases: readonly string[];
  readonly holds: (mean: Means) => boolean;
}

export interface Experiment {
  readonly id: string;
  readonly title: string;
  readonly about: string;
  /** The original's figures, for the same question. */
  readonly paper: string;
  /** What is smaller here than there, and why. */
  readonly scaled: string;
  /** Of its machines. */
  readonly hardware: readonly HardwareKind[];
  readonly cases: readonly Case[];
  readonly contenders: readonly Contender[];
  readonly metrics: readonly Metric[];
  readonly claims: readonly Claim[];
}

/** One run: the unit of keeping, and of resuming. */
export interface Cell {
  readonly experiment: string;
  readonly caseId: string;
  readonly contender: string;
  readonly scenario: string;
  readonly policy: PolicyName;
  readonly seed: number;
  readonly set: Settings;
  /** Which modelled constant is multiplied; undefined: none. */
  readonly changed: string | undefined;
}
