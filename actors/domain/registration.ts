/** What whoever registers a model is told: how far it is, and what came of it. Plain data. */

import type { RefusedVariant } from './family.ts';
import type { VariantDescription } from './fleet-description.ts';

export interface RegistrationProgress {
  /** `parsing`, `checking`, `evaluating`, `storing`, `profiling`, `serving`, `generating`. */
  readonly stage: string;
  /** Which variant it is about. */
  readonly variant?: string | undefined;
  readonly done: number;
  /** 0 where nobody knows. */
  readonly total: number;
}

/** What a registration came to. */
export interface RegistrationReport {
  readonly architecture: string;
  readonly version: number;
  /** False: the same source is registered already. */
  readonly changed: boolean;
  readonly variants: readonly VariantDescription[];
  readonly refused: readonly RefusedVariant[];
  /** From the request to the first variant being recorded, and to the end. */
  readonly servingMs: number;
  readonly totalMs: number;
}

export interface UnregisterReport {
  readonly architecture: string;
  /** Of the variants that are removed. */
  readonly variants: readonly string[];
}
