/**
 * Expected outcomes of an operation that was not carried out: reply data with a stable code, never
 * an exception. The list is part of the interface (DESIGN.md, "Three kinds of error").
 */

export const outcomeCodes = [
  'bad_input',
  'too_large',
  'unauthorized',
  'unknown_task',
  'unknown_architecture',
  'unknown_variant',
  'slo_infeasible',
  'overloaded',
  'deadline_exceeded',
  'cancelled',
  'unavailable',
  'inference_failed',
  'internal',
] as const;

export type OutcomeCode = (typeof outcomeCodes)[number];

export interface QueryError {
  readonly code: OutcomeCode;
  /** For people: what happened, where, what to do. */
  readonly message: string;
  /** True when the same query may succeed later. */
  readonly retryable: boolean;
  readonly details: Readonly<Record<string, unknown>>;
}

const retryableCodes: ReadonlySet<OutcomeCode> = new Set<OutcomeCode>([
  'overloaded',
  'deadline_exceeded',
  'unavailable',
  'internal',
]);

export function queryError(
  code: OutcomeCode,
  message: string,
  details: Readonly<Record<string, unknown>> = {},
): QueryError {
  return { code, message, retryable: retryableCodes.has(code), details };
}
