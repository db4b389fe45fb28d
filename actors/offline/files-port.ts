/**
 * The port to what offline jobs are made of: inputs to be read, results to be written, and the
 * records of the jobs themselves. The adapter (`nodes/offline/`) answers each command once.
 */

import type { TensorDescription } from '../domain/fleet-description.ts';
import type { JobAsked, JobId, JobRecord } from '../domain/offline-job.ts';
import type { QueryError } from '../domain/outcome.ts';
import type { Principal } from '../domain/principal.ts';
import type { QueryAnswer } from '../domain/query.ts';
import type { NamedTensors } from '../../runtime/wire/tensors.ts';
import type { Ref } from '../../runtime/actor.ts';

export interface JobItem {
  /** From 0, in the order of the lines, or of the names of files. */
  readonly index: number;
  /** The line's own id or the file's name; the item's number where there is none. */
  readonly id: string | number;
  /** What is asked, or why it cannot be. */
  readonly inputs: NamedTensors | QueryError;
  /** In the place of the job's. */
  readonly outputs?: readonly string[] | undefined;
}

export interface ItemResult {
  readonly index: number;
  readonly id: string | number;
  readonly answer: QueryAnswer;
}

export type OfflineFilesCommand =
  | {
      /** Looks at the inputs, and takes the output folder for the job. */
      readonly type: 'offline-files.prepare-job';
      readonly jobId: JobId;
      readonly asked: JobAsked;
      readonly principal: Principal;
      readonly replyTo: Ref<OfflineFilesEvent>;
    }
  | {
      /** Where it has come to: after a restart it goes on behind the last whole line. */
      readonly type: 'offline-files.open-job';
      readonly record: JobRecord;
      readonly inputs: readonly TensorDescription[];
      readonly replyTo: Ref<OfflineFilesEvent>;
    }
  | {
      readonly type: 'offline-files.read-items';
      readonly jobId: JobId;
      readonly count: number;
      readonly replyTo: Ref<OfflineFilesEvent>;
    }
  | {
      /** The next results in order; answered when they would survive a crash. */
      readonly type: 'offline-files.write-results';
      readonly jobId: JobId;
      readonly results: readonly ItemResult[];
      readonly replyTo: Ref<OfflineFilesEvent>;
    }
  | { readonly type: 'offline-files.close-job'; readonly jobId: JobId }
  | {
      readonly type: 'offline-files.keep-record';
      readonly record: JobRecord;
      readonly replyTo: Ref<OfflineFilesEvent>;
    }
  | { readonly type: 'offline-files.drop-record'; readonly jobId: JobId };

export type OfflineFilesEvent =
  | {
      readonly type: 'offline.job-prepared';
      readonly jobId: JobId;
      readonly items: number;
      readonly fingerprint: string;
    }
  | {
      readonly type: 'offline.job-opened';
      readonly jobId: JobId;
      /** Whole lines that stand in the results file, and those of them without an answer. */
      readonly written: number;
      readonly failed: number;
    }
  | {
      readonly type: 'offline.items-read';
      readonly jobId: JobId;
      readonly items: readonly JobItem[];
    }
  | {
      readonly type: 'offline.results-written';
      readonly jobId: JobId;
      readonly written: number;
      readonly failed: number;
    }
  | { readonly type: 'offline.record-kept'; readonly jobId: JobId }
  | {
      /** What was asked for last could not be done: for good, or (`retryable`) for now. */
      readonly type: 'offline.job-broken';
      readonly jobId: JobId;
      readonly error: QueryError;
    };
