/** Tasks, architectures and variants: the vocabulary of the registry. */

import type { HardwareKind } from './hardware.ts';
import { occupancyUsd, unitUsdPerHour } from './hardware.ts';
import type { Profile } from './profile.ts';
import { predictBatchMs } from './profile.ts';
import type { Signature } from './signature.ts';

export type VariantId = string;

/** Task and dataset together name what a query asks for, e.g. `digit-classification/mnist`. */
export type UseCase = string;

export function useCaseOf(task: string, dataset: string): UseCase {
  return `${task}/${dataset}`;
}

/** How this graph's names and layout differ from the task's. Task name -> graph name. */
export interface Adapter {
  readonly inputs?: Readonly<Record<string, string>> | undefined;
  readonly outputs?: Readonly<Record<string, string>> | undefined;
  /** Feed only the last N elements along the last axis. */
  readonly tail?: Readonly<Record<string, number>> | undefined;
  /** Inputs of the task that this graph has no use for. */
  readonly drop?: readonly string[] | undefined;
}

export interface ModelFile {
  readonly path: string;
  readonly sha256: string;
  /** Of the model and of all that lies beside it. */
  readonly bytes: number;
  /** Tensors that the model keeps in files of its own, by their names in its folder. */
  readonly beside?: readonly BesideFile[] | undefined;
}

export interface BesideFile {
  readonly name: string;
  readonly sha256: string;
  readonly bytes: number;
}

/** Percent of what: `agreement` is with another variant's answers, the others with labels. */
export const accuracyKinds = [
  'top1',
  'top5',
  'threshold',
  'within',
  'agreement',
  'stated',
] as const;

export type AccuracyKind = (typeof accuracyKinds)[number];

export interface Variant {
  readonly id: VariantId;
  readonly architecture: string;
  readonly task: string;
  readonly dataset: string;
  readonly precision: string;
  readonly file: ModelFile;
  /** Percent; what it is a percentage of is `accuracyKind`. */
  readonly accuracy: number;
  readonly accuracyKind: AccuracyKind;
  readonly accuracyReference?: VariantId | undefined;
  readonly signature: Signature;
  readonly adapter: Adapter;
  readonly batchMax: number;
  readonly hardware: HardwareKind;
  readonly profile: Profile;
  /** Of its family; absent for what was registered ready-made. */
  readonly version?: number | undefined;
  /** Why its profile is not to be trusted any more; it is being measured anew. */
  readonly stale?: string | undefined;
  /** The machine type that alone may run it: its tensors are laid out for that one. */
  readonly machine?: string | undefined;
}

/** US dollars for 1,000 queries at batch 1 on one unit of its hardware. */
export function costUsdPer1000(variant: Variant): number {
  return 1000 * occupancyUsd(predictBatchMs(variant.profile, 1), unitUsdPerHour[variant.hardware]);
}
