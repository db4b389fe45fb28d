/**
 * A manifest: what the owner of a model says of it, and what is to be made of it. Files are named
 * as they lie beside the manifest; whoever reads one knows where that is.
 */

import type { Profile } from './profile.ts';
import type { Signature } from './signature.ts';
import type { AccuracyKind, Adapter, VariantId } from './variant.ts';

/** What makes an example right. Accuracy is the percentage of examples that are. */
export type Metric =
  /** The largest of the last axis is at the label; `top5`: the label is among the five largest. */
  | { readonly kind: 'top1' | 'top5' }
  /** One side of `threshold` or the other, as the label (0 or 1) says, at every element. */
  | { readonly kind: 'threshold'; readonly threshold: number }
  /** No element is further than `tolerance` from the label. */
  | { readonly kind: 'within'; readonly tolerance: number };

/** How samples are made up: what a graph leaves open, and the values with which it ran. */
export interface Recipe {
  /** Sizes of free dimensions by name, other than `batch`. */
  readonly dims: Readonly<Record<string, number>>;
  /** Integer inputs without dimensions beyond 1, by name: a sampling rate, a number of steps. */
  readonly scalars: Readonly<Record<string, number>>;
  /** Elements of integer tensors: zeros and ones, ones alone, or the size of a dimension. */
  readonly integers: 'bits' | 'ones' | 'sizes';
}

export interface Validation {
  readonly file: string;
  /** Left out: by the shape and the datatype of the output. */
  readonly metric?: Metric | undefined;
  /** The output that is judged; the first where it is left out. */
  readonly output?: string | undefined;
  /** Lines are one stream: carried state goes from each to the next. */
  readonly stream?: boolean | undefined;
}

/** Words of `generator/candidate.ts`; left out, the generator's configuration says. */
export interface GenerateRequest {
  readonly precisions?: readonly string[] | undefined;
  readonly optimizations?: readonly string[] | undefined;
  /** Of a session. Only one is made here; what else is asked for is refused with the reason. */
  readonly threads?: readonly number[] | undefined;
}

export interface ModelManifest {
  readonly task: string;
  readonly dataset: string;
  readonly architecture: string;
  readonly variant?: VariantId | undefined;
  readonly file: string;
  readonly precision?: string | undefined;
  /** Stated; or measured on `validation`. */
  readonly accuracy?: number | undefined;
  readonly accuracyKind?: AccuracyKind | undefined;
  readonly accuracyReference?: VariantId | undefined;
  readonly validation?: Validation | undefined;
  /** Left out: the task's, or what the graph is found to have. */
  readonly signature?: Signature | undefined;
  readonly adapter?: Adapter | undefined;
  readonly batchMax?: number | undefined;
  /** Measured by somebody else: it is then not measured here. */
  readonly profile?: Profile | undefined;
  readonly generate?: GenerateRequest | undefined;
}

/** Beyond the manifest: what the command line says. */
export interface RegisterOptions {
  /** False: the file as it is, and nothing else. */
  readonly generate: boolean;
  /** False: the first, quick measurement will do. */
  readonly profile: boolean;
}
