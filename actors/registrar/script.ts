/**
 * Scripts: what takes several steps and records, written from top to bottom as a generator that
 * waits at each `yield`. Synchronous, without effects of its own; `running.ts` resumes it.
 */

import type { Family } from '../domain/family.ts';
import type { QueryError } from '../domain/outcome.ts';
import type { RegistrationProgress } from '../domain/registration.ts';
import type { VariantId } from '../domain/variant.ts';
import type { Step, StepKind, StepOutcome, Steps } from './steps-port.ts';

export interface RegistrationConfig {
  /** Time for measuring the variant that is to serve soon. */
  readonly quickProfileMs: number;
  /** Time for measuring any other. */
  readonly profileMs: number;
  /** When so much time has gone by, what is left of the family is measured quickly. */
  readonly familyMs: number;
}

/** What a script asks for, and waits until it is done. */
export type ScriptRequest =
  | {
      readonly do: 'step';
      readonly step: Step;
      readonly progress: RegistrationProgress;
    }
  | {
      readonly do: 'record';
      readonly family: Family;
      readonly progress: RegistrationProgress;
    };

/** What it is resumed with. `report` belongs to the step that was asked for. */
export interface ScriptAnswer {
  readonly nowMs: number;
  readonly outcome: StepOutcome | { readonly ok: true; readonly report: undefined };
}

export interface ScriptResult {
  readonly family: Family;
  readonly changed: boolean;
  readonly servingMs: number;
}

export type Script = Generator<ScriptRequest, ScriptResult, ScriptAnswer>;

/** Ends a script with a typed refusal; it never leaves `running.ts`. */
export class RegistrationRefused extends Error {
  readonly error: QueryError;

  constructor(error: QueryError) {
    super(error.message);
    this.error = error;
  }
}

export function refuseIf(error: QueryError | undefined): void {
  if (error !== undefined) throw new RegistrationRefused(error);
}

export function progressOf(stage: string, variant?: VariantId): RegistrationProgress {
  return { stage, variant, done: 0, total: 0 };
}

/** A step without which there is no registration. */
export function* need<K extends StepKind>(
  kind: K,
  takes: Steps[K]['takes'],
  stage: string,
  variant?: VariantId,
): Generator<ScriptRequest, Steps[K]['gives'], ScriptAnswer> {
  const attempted = yield* attempt(kind, takes, progressOf(stage, variant));
  if (!attempted.ok) throw new RegistrationRefused(attempted.error);
  return attempted.report;
}

export type Attempt<K extends StepKind> = { readonly nowMs: number } & (
  | { readonly ok: true; readonly report: Steps[K]['gives'] }
  | { readonly ok: false; readonly error: QueryError }
);

export function* attempt<K extends StepKind>(
  kind: K,
  takes: Steps[K]['takes'],
  progress: RegistrationProgress,
): Generator<ScriptRequest, Attempt<K>, ScriptAnswer> {
  const step = { kind, ...takes } as unknown as Step;
  const { outcome, nowMs } = yield { do: 'step', step, progress };
  if (!outcome.ok) return { ok: false, error: outcome.error, nowMs };
  return { ok: true, report: outcome.report as Steps[K]['gives'], nowMs };
}

/** When it is durable. Without the store there is no going on. */
export function* record(
  family: Family,
  stage: string,
  variant?: VariantId,
): Generator<ScriptRequest, number, ScriptAnswer> {
  const { outcome, nowMs } = yield { do: 'record', family, progress: progressOf(stage, variant) };
  if (!outcome.ok) throw new RegistrationRefused(outcome.error);
  return nowMs;
}
