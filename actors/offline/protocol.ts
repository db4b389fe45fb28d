/** What the offline actor understands, and what it tells those who submit jobs. */

import type { Ref } from '../../runtime/actor.ts';
import type { GatewayMessage, LoadReported } from '../dispatcher/protocol.ts';
import type { JobAsked, JobDescription, JobId } from '../domain/offline-job.ts';
import type { QueryError } from '../domain/outcome.ts';
import type { Principal } from '../domain/principal.ts';
import type { OfflineFilesEvent } from './files-port.ts';

/** What whoever asked about jobs is told. */
export type OfflineEvent =
  | {
      readonly type: 'gateway.jobs-described';
      readonly requestId: string;
      readonly jobs: readonly JobDescription[];
    }
  | {
      readonly type: 'gateway.job-refused';
      readonly requestId: string;
      readonly error: QueryError;
    };

interface Asked {
  readonly requestId: string;
  readonly principal: Principal;
  readonly replyTo: Ref<OfflineEvent>;
}

export type SubmitJob = Asked & {
  readonly type: 'offline.submit-job';
  readonly asked: JobAsked;
};

/** Jobs of the asker's tenant: one, or all there are. */
export type DescribeJobs = Asked & {
  readonly type: 'offline.describe-jobs';
  readonly jobId: JobId | undefined;
};

export type CancelJob = Asked & {
  readonly type: 'offline.cancel-job';
  readonly jobId: JobId;
};

export type OfflineMessage =
  | SubmitJob
  | DescribeJobs
  | CancelJob
  | LoadReported
  | OfflineFilesEvent
  | GatewayMessage
  | { readonly type: 'offline.tick-due' };
