/**
 * What a load run is to do: its options as the command line gives them, and the plan made of them.
 */

import type { SelectorOptions } from '../client-options.ts';
import type { ArrivalKind, RateSegment } from './arrivals.ts';

export interface LoadOptions extends SelectorOptions {
  readonly rate?: number;
  readonly concurrency?: number;
  readonly trace?: string;
  readonly scale: number;
  readonly step: number;
  readonly duration?: number;
  readonly arrivals: 'poisson' | 'constant';
  readonly input?: readonly string[];
  readonly seed: number;
  readonly connections: number;
  readonly inFlight: number;
  readonly json?: boolean;
}

export type LoadPlan =
  | {
      readonly mode: 'open';
      readonly arrivals: ArrivalKind;
      readonly segments: readonly RateSegment[];
    }
  | { readonly mode: 'closed'; readonly concurrency: number; readonly durationMs: number };
