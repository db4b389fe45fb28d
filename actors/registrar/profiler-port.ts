/**
 * What a worker's machine measures for the registrar's steps. Each request is answered by one
 * `profiles.measured`, with any number of `profiles.progressed` before it, unless the worker ends.
 */

import type { Ref } from '../../runtime/actor.ts';
import type { QueryError } from '../domain/outcome.ts';
import type { Profile } from '../domain/profile.ts';
import type { Recipe } from '../domain/manifest.ts';
import type { Signature } from '../domain/signature.ts';
import type { Adapter, ModelFile } from '../domain/variant.ts';

/** How a model is fed; without a recipe one is found. */
export interface ProfilingFit {
  readonly signature: Signature;
  readonly adapter?: Adapter | undefined;
  readonly recipe: Recipe | undefined;
}

export interface MeasureModel {
  readonly type: 'profiler.measure';
  readonly requestId: string;
  /** Kept where workers fetch models from. */
  readonly file: ModelFile;
  readonly fit: ProfilingFit;
  readonly batchMax: number;
  readonly budgetMs: number | undefined;
  readonly replyTo: Ref<ProfilerEvent>;
}

export type ProfilerMessage =
  MeasureModel | { readonly type: 'profiler.cancel'; readonly requestId: string };

export type ProfilerEvent =
  | {
      readonly type: 'profiles.progressed';
      readonly requestId: string;
      readonly done: number;
      readonly total: number;
    }
  | {
      readonly type: 'profiles.measured';
      readonly requestId: string;
      readonly outcome:
        | { readonly ok: true; readonly profile: Profile; readonly batchMax: number }
        | {
            readonly ok: false;
            readonly error: QueryError;
            /** It says nothing of the model: the worker could not measure it. */
            readonly elsewhere: boolean;
          };
    };
