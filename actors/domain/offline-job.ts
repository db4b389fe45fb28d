/**
 * Offline jobs: many inputs of one question, answered when online queries leave room. What is asked
 * of a job, what is kept of it, and what is told of it.
 */

import type { Selector, Slo } from './query.ts';

export type JobId = string;

/** Below every priority that a client can give (0..9): served when nothing else waits. */
export const offlinePriority = -1;

export function isOffline(priority: number): boolean {
  return priority < 0;
}

export interface JobAsked {
  readonly selector: Selector;
  /** Accuracy and cost bind; a latency would mean nothing here, and is not taken. */
  readonly slo: Slo;
  readonly outputs: readonly string[] | undefined;
  /** A folder of inputs, or a file of JSON lines: absolute, on the controller's machine. */
  readonly input: string;
  /** The folder for `results.jsonl`: absolute, on the controller's machine. */
  readonly output: string;
}

/** `open` until everything is answered; the others are final. */
export type JobState = 'open' | 'done' | 'cancelled' | 'failed';

/** What is kept of a job. How far it has come is not: the results file says it. */
export interface JobRecord {
  readonly id: JobId;
  readonly tenant: string;
  readonly asked: JobAsked;
  readonly items: number;
  /** Of the inputs' names, sizes and times of change: a job does not go on with others. */
  readonly fingerprint: string;
  readonly state: JobState;
  /** Why it failed, or how it ended. */
  readonly why?: string | undefined;
  /** As it was when it ended. */
  readonly written?: number | undefined;
  readonly failed?: number | undefined;
}

/** As `status` and `list` tell it. */
export interface JobDescription {
  readonly id: JobId;
  readonly state: JobState;
  readonly items: number;
  /** Lines of the results file: item 1 to this one, in order. */
  readonly written: number;
  /** Lines of it that say why there is no answer. */
  readonly failed: number;
  readonly running: number;
  readonly input: string;
  readonly output: string;
  /** Why it waits, failed or ended as it did. */
  readonly why?: string | undefined;
}
