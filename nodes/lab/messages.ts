/**
 * What the lab and a job's process say to each other, and what jobs give and take. Types only.
 *
 * One process does one job, so there is one `LabTask` down and any number of `LabMessage`s up, the
 * last of which is `done` or `failed`. They travel as structured clones: bytes stay bytes.
 */

import type { Metric, Recipe } from '../../actors/domain/manifest.ts';
import type { Profile } from '../../actors/domain/profile.ts';
import type { Signature } from '../../actors/domain/signature.ts';
import type { Adapter } from '../../actors/domain/variant.ts';
import type { SamplingRule } from '../../actors/policy/profiling/schedule.ts';
import type { NamedTensors } from '../../runtime/wire/tensors.ts';
import type { GraphTensor, SessionSettings } from '../engine/messages.ts';
import type { GeneratorConfig } from '../generator/config.ts';
import type { CandidateOutcome } from '../generator/make-candidates.ts';
import type { PlanSettings } from '../generator/plan-candidates.ts';
import type { OnnxConfig } from '../onnx/config.ts';
import type { RefusalReason } from './errors.ts';

export type { Metric, Recipe } from '../../actors/domain/manifest.ts';

/** What a model's inputs and outputs are to us: those of its task, through an adapter. */
export interface ModelFit {
  readonly signature: Signature;
  readonly adapter?: Adapter | undefined;
}

export interface CheckOptions {
  /** The task's; proposed from the graph without one. */
  readonly signature?: Signature | undefined;
  readonly adapter?: Adapter | undefined;
  /** Single queries by the signature's names, or the graph's without one. */
  readonly samples?: readonly NamedTensors[] | undefined;
}

export interface CheckReport {
  /** As the file declares them; a size without a name is `''`. */
  readonly graph: {
    readonly inputs: readonly GraphTensor[];
    readonly outputs: readonly GraphTensor[];
  };
  /** As given, or proposed: `batch` is where queries really join. */
  readonly signature: Signature;
  /** What it ran on; with given samples, `dims` are theirs. */
  readonly recipe: Recipe;
  /** Sizes and values tried, the one that ran included. */
  readonly attempts: number;
  /** A batch of two gives what two runs give, or why not (then `batchMax` must be 1). */
  readonly batching:
    | { readonly works: true; readonly deviation: number }
    | { readonly works: false; readonly why: string };
  /** 1 where it does not batch; undefined where the profile is to find out. */
  readonly batchMax: 1 | undefined;
  readonly loadMs: number;
  readonly runMs: number;
}

export interface ProfileOptions extends ModelFit {
  readonly batchMax?: number | undefined;
  /** Intra-operator threads of the session; 1 by default. */
  readonly threads?: number | undefined;
  readonly recipe?: Recipe | undefined;
  readonly samples?: readonly NamedTensors[] | undefined;
  /** Time for sampling, loads apart. */
  readonly budgetMs?: number | undefined;
  readonly batches?: readonly number[] | undefined;
  /** Names of the files beside the model that are its too. */
  readonly beside?: readonly string[] | undefined;
}

export interface ProfileReport {
  readonly profile: Profile;
  /** The largest batch that it takes, at most the one asked. */
  readonly batchMax: number;
  /** Batches that were not measured, and why. */
  readonly skipped: readonly { readonly batch: number; readonly why: string }[];
}

export interface EvaluateOptions extends ModelFit {
  /** JSON lines `{"inputs": {name: tensor}, "label": …}`; see `validation.ts`. */
  readonly validation?: string | undefined;
  /** Where there is no validation file: single queries. */
  readonly samples?: readonly NamedTensors[] | undefined;
  /** Where there are neither. */
  readonly recipe?: Recipe | undefined;
  readonly metric: Metric;
  /** The output that the metric judges. */
  readonly output: string;
  /** Lines are one stream: carried state goes from each to the next. */
  readonly stream?: boolean | undefined;
  readonly batchMax?: number | undefined;
  /** Compare with what this variant answers, not with labels. */
  readonly reference?: (ModelFit & { readonly file: string }) | undefined;
}

export interface EvaluationReport {
  /** Percent of examples. */
  readonly accuracy: number;
  /** Against labels, or against a reference's answers. */
  readonly against: 'labels' | 'reference';
  readonly metric: Metric['kind'];
  readonly examples: number;
  /** Made up, for lack of real ones. */
  readonly madeUp: boolean;
  /** Mean and largest absolute difference of the output's elements; only against a reference. */
  readonly difference?: { readonly mean: number; readonly max: number } | undefined;
}

export type OptimisationLevel = SessionSettings['optimisation'];

export interface OptimiseOptions {
  readonly level: OptimisationLevel;
  readonly outFile: string;
}

export interface OptimiseReport {
  readonly bytes: number;
  readonly loadMs: number;
}

export interface RunOptions extends ModelFit {
  readonly samples: readonly NamedTensors[];
  /** Graph outputs beyond the signature's, by the graph's names: exposed activations. */
  readonly batchMax?: number | undefined;
}

export interface RunReport {
  /** One a sample, by the signature's names. */
  readonly outputs: readonly NamedTensors[];
}

export interface InspectOptions {
  readonly onnx: OnnxConfig;
  /** Undefined: nothing is to be made of it. */
  readonly plan: PlanSettings | undefined;
}

export interface InspectReport {
  /** Beside the model, as it names them. */
  readonly externalFiles: readonly string[];
  readonly precision: string;
  /** Names of candidates. */
  readonly candidates: readonly string[];
  readonly notPlanned: readonly { readonly name: string; readonly reason: string }[];
}

export interface GenerateOptions extends ModelFit {
  readonly candidate: string;
  /** Where its files are made. */
  readonly folder: string;
  readonly recipe: Recipe;
  readonly validation?: string | undefined;
  /** Digest and name of what was made of this source before. */
  readonly seen: readonly (readonly [digest: string, name: string])[];
  readonly generator: GeneratorConfig;
  readonly onnx: OnnxConfig;
}

export interface LabLimits {
  readonly attemptsMax: number;
  readonly batches: readonly number[];
  readonly profileMs: number;
  readonly sampling: SamplingRule;
  readonly loadShare: number;
  readonly madeUpSamples: number;
  readonly evaluationBatchMax: number;
  readonly validationLinesMax: number;
  readonly validationLineBytesMax: number;
  /** What the process may take; larger batches are not tried beyond it. */
  readonly memoryBytesMax: number;
  readonly memoryPollMs: number;
}

export interface LabJobs {
  readonly check: { readonly options: CheckOptions; readonly report: CheckReport };
  readonly profile: { readonly options: ProfileOptions; readonly report: ProfileReport };
  readonly evaluate: { readonly options: EvaluateOptions; readonly report: EvaluationReport };
  readonly optimise: { readonly options: OptimiseOptions; readonly report: OptimiseReport };
  readonly run: { readonly options: RunOptions; readonly report: RunReport };
  readonly inspect: { readonly options: InspectOptions; readonly report: InspectReport };
  readonly generate: { readonly options: GenerateOptions; readonly report: CandidateOutcome };
}

export type LabJobKind = keyof LabJobs;

export interface LabTask {
  readonly job: {
    [K in LabJobKind]: { readonly kind: K; readonly options: LabJobs[K]['options'] };
  }[LabJobKind];
  readonly file: string;
  readonly session: SessionSettings;
  readonly limits: LabLimits;
}

export interface LabProgress {
  /** `loading`, `trying`, `measuring batch 8`, … */
  readonly stage: string;
  readonly done: number;
  /** 0 where nobody knows. */
  readonly total: number;
}

/** Errors by what they carry: a class does not survive the way. */
export type TaskFailure =
  | { readonly kind: 'refused'; readonly reason: RefusalReason; readonly message: string }
  | {
      readonly kind: 'validation';
      readonly message: string;
      readonly file: string;
      readonly line: number | undefined;
    }
  | { readonly kind: 'out_of_memory'; readonly message: string }
  | { readonly kind: 'threw'; readonly message: string };

export type LabMessage =
  | { readonly type: 'ready' }
  | { readonly type: 'progress'; readonly progress: LabProgress }
  | { readonly type: 'done'; readonly report: LabJobs[LabJobKind]['report'] }
  | { readonly type: 'failed'; readonly failure: TaskFailure };

/** How a job tells what it is doing. */
export type Report = (stage: string, done?: number, total?: number) => void;
