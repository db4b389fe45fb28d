/** What the offline actor holds: its jobs, and the queries of theirs that are in flight. */

import type { ActorContext, Ref } from '../../runtime/actor.ts';
import type { DispatcherMessage } from '../dispatcher/protocol.ts';
import type { JobDescription, JobId, JobRecord } from '../domain/offline-job.ts';
import type { QueryId } from '../domain/query.ts';
import type { SpareRules } from '../policy/offline/spare-capacity.ts';
import type { ItemResult, JobItem, OfflineFilesCommand } from './files-port.ts';
import type { OfflineMessage, SubmitJob } from './protocol.ts';

export interface OfflineConfig {
  readonly mailboxMax: number;
  /** Jobs that are not ended. */
  readonly openMax: number;
  /** Records of ended jobs that are kept for `status` and `list`. */
  readonly keptMax: number;
  /** Jobs whose items are in flight at the same time; the oldest first. */
  readonly runningMax: number;
  /** Items of a job in memory: read, in flight, or waiting for an earlier one to be written. */
  readonly itemsMax: number;
  readonly tickMs: number;
  /** How long one item may take, from its sending on. */
  readonly itemTimeoutMs: number;
  /** Tries of an item that was refused for a reason that passes. */
  readonly attemptsMax: number;
  /** Pause of a job after such a refusal; doubled with each that follows, up to the most. */
  readonly retryMs: number;
  readonly retryMaxMs: number;
  readonly spare: SpareRules;
}

export interface OfflineOptions {
  readonly files: Ref<OfflineFilesCommand>;
  /** In the same process. */
  readonly dispatcher: Ref<DispatcherMessage>;
  /** Read anew at each start: the records of all jobs. */
  readonly stored: () => readonly JobRecord[];
  readonly config: OfflineConfig;
}

/**
 * `asking`: are its names known? `preparing`: are its inputs there? `keeping`: its record is being
 * written. Then it is the submitter's: it waits, is opened, runs, and ends.
 */
export type JobStage =
  'asking' | 'preparing' | 'keeping' | 'waiting' | 'opening' | 'running' | 'ended';

export interface PendingItem {
  readonly item: JobItem;
  attempts: number;
}

export interface Job {
  record: JobRecord;
  stage: JobStage;
  /** Undefined once whoever submitted it has been told. */
  submitted: SubmitJob | undefined;
  written: number;
  failed: number;
  /** Items read so far, those written before the start of this life included. */
  read: number;
  isReading: boolean;
  isWriting: boolean;
  /** Read and not sent, in order. */
  unsent: PendingItem[];
  /** Answered, and waiting to be written in order. */
  answered: Map<number, ItemResult>;
  inFlight: number;
  /** Refusals for reasons that pass, since the last answer. */
  setbacks: number;
  pausedUntilMs: number;
  why: string | undefined;
}

export interface Offline {
  readonly options: OfflineOptions;
  /** By age. */
  readonly jobs: Map<JobId, Job>;
  readonly queries: Map<QueryId, { readonly job: Job; readonly pending: PendingItem }>;
  /** Of this life: ids of its queries differ from those of an earlier one. */
  readonly life: string;
  sent: number;
  budgetMs: number;
  lastTickMs: number;
  costMs: number | undefined;
  /** As there was room at the last look. */
  inFlightMax: number;
  /** Why nothing is sent; undefined when something may be. */
  why: string | undefined;
  isTicking: boolean;
}

export type Context = ActorContext<OfflineMessage>;

export function newJob(record: JobRecord, submitted: SubmitJob | undefined): Job {
  const isOpen = record.state === 'open';
  return {
    record,
    submitted,
    stage: submitted !== undefined ? 'asking' : isOpen ? 'waiting' : 'ended',
    written: record.written ?? 0,
    failed: record.failed ?? 0,
    ...emptied(),
    setbacks: 0,
    pausedUntilMs: -Infinity,
    why: undefined,
  };
}

/** Nothing read and nothing in flight. */
export function emptied(): Pick<
  Job,
  'read' | 'isReading' | 'isWriting' | 'unsent' | 'answered' | 'inFlight'
> {
  return {
    ...{ read: 0, isReading: false, isWriting: false, inFlight: 0 },
    unsent: [],
    answered: new Map(),
  };
}

export function describeJob(offline: Offline, job: Job): JobDescription {
  const { record, written, failed, inFlight } = job;
  const { id, state, items, asked } = record;
  const why = record.why ?? (state === 'open' ? (job.why ?? offline.why) : undefined);
  return {
    ...{ id, state, items, written, failed, running: inFlight },
    ...{ input: asked.input, output: asked.output },
    ...(why === undefined ? {} : { why }),
  };
}

/** `job-12` is 12. */
export function jobNumber(id: JobId): number {
  return Number(/^job-(\d+)$/.exec(id)?.[1] ?? 0);
}
