/**
 * What a registration has done for it outside of actors: reading, checking, evaluating, keeping and
 * profiling models, and making candidates. One step at a time a registration; each is answered by
 * one `registrar.step-ended`, with any number of `registrar.step-progressed` before it.
 */

import type { Ref } from '../../runtime/actor.ts';
import type { RefusedVariant } from '../domain/family.ts';
import type { Metric, ModelManifest, Recipe } from '../domain/manifest.ts';
import type { QueryError } from '../domain/outcome.ts';
import type { Principal } from '../domain/principal.ts';
import type { Profile } from '../domain/profile.ts';
import type { Signature } from '../domain/signature.ts';
import type { Adapter, ModelFile } from '../domain/variant.ts';
import type { ProfilerMessage, ProfilingFit } from './profiler-port.ts';

/** The source, or a candidate made of it, among a registration's own files. */
export type WorkFile =
  { readonly of: 'source' } | { readonly of: 'candidate'; readonly name: string };

/** How a model is fed, and samples for it are made up. */
export interface StepFit {
  readonly signature: Signature;
  readonly adapter?: Adapter | undefined;
  readonly recipe: Recipe;
}

export interface ReadReport {
  /** Of everything that was given. */
  readonly sourceDigest: string;
  /** By its weights: fp32, fp16, int8. */
  readonly precision: string;
  /** Names of candidates worth making, in order. */
  readonly candidates: readonly string[];
  readonly notPlanned: readonly RefusedVariant[];
}

export interface CheckReport {
  readonly signature: Signature;
  readonly recipe: Recipe;
  /** 1 where it does not batch. */
  readonly batchMax: number | undefined;
}

export interface MadeReport {
  readonly precision: string;
  readonly machine: string | undefined;
}

/** What each step takes, and what its report is. */
export interface Steps {
  /** The files are there and a model; who is to be made of it. */
  read: {
    readonly takes: {
      readonly uploadId: string;
      readonly principal: Principal;
      readonly manifest: ModelManifest;
      readonly generate: boolean;
    };
    readonly gives: ReadReport;
  };
  /** It loads and runs, in the signature if one is given. */
  check: {
    readonly takes: {
      readonly signature: Signature | undefined;
      readonly adapter: Adapter | undefined;
    };
    readonly gives: CheckReport;
  };
  make: {
    readonly takes: { readonly candidate: string; readonly fit: StepFit };
    readonly gives: MadeReport;
  };
  /** On the validation set; without one, against the source. */
  evaluate: {
    readonly takes: {
      readonly model: WorkFile;
      readonly fit: StepFit;
      readonly batchMax: number;
      readonly metric: Metric | undefined;
      readonly output: string | undefined;
      readonly stream: boolean;
    };
    readonly gives: { readonly accuracy: number; readonly metric: Metric['kind'] };
  };
  /** To where workers load it from. */
  keep: { readonly takes: { readonly model: WorkFile }; readonly gives: ModelFile };
  profile: {
    readonly takes: {
      readonly model: WorkFile | { readonly of: 'kept'; readonly file: ModelFile };
      readonly fit: ProfilingFit;
      readonly batchMax: number;
      readonly budgetMs: number | undefined;
      /** The type of machine that it is bound to. */
      readonly machine: string | undefined;
    };
    readonly gives: { readonly profile: Profile; readonly batchMax: number };
  };
}

export type StepKind = keyof Steps;

export type Step = {
  readonly [K in StepKind]: { readonly kind: K } & Steps[K]['takes'];
}[StepKind];

export type StepReport = Steps[StepKind]['gives'];

export type StepOutcome =
  | { readonly ok: true; readonly report: StepReport }
  | { readonly ok: false; readonly error: QueryError };

export type StepCommand =
  | {
      readonly type: 'steps.run-step';
      readonly registrationId: string;
      /** Counts the steps of a registration: an answer to an older one is stale. */
      readonly number: number;
      readonly step: Step;
      /** Whose machine a profile is measured on; undefined: this one. */
      readonly profiler?: Ref<ProfilerMessage> | undefined;
      readonly replyTo: Ref<StepEvent>;
    }
  /** Its files are not needed any more, and a step that runs is not either. */
  | {
      readonly type: 'steps.end-registration';
      readonly registrationId: string;
      /** Undefined where nothing was uploaded for it. */
      readonly uploadId?: string | undefined;
      readonly principal?: Principal | undefined;
    }
  /** Files that no variant has any more may go; these are those that some has. */
  | { readonly type: 'steps.collect-files'; readonly kept: readonly ModelFile[] };

/** What the steps port tells. */
export type StepEvent =
  | {
      readonly type: 'registrar.step-progressed';
      readonly registrationId: string;
      readonly number: number;
      readonly done: number;
      readonly total: number;
    }
  | {
      readonly type: 'registrar.step-ended';
      readonly registrationId: string;
      readonly number: number;
      readonly outcome: StepOutcome;
    };
