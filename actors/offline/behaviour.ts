/**
 * Offline jobs, beside the controller: many inputs of one question, answered when online queries
 * leave room (INFaaS §4.2's offline mode). A job is a record in the store, its inputs, and the file
 * of its results; this actor reads, sends through the dispatcher of its process at the lowest
 * priority, and writes. How much it sends is a pure policy's to say
 * (`policy/offline/spare-capacity.ts`).
 */

import type { ActorSpec, Lane, Refusal } from '../../runtime/actor.ts';
import { refusal } from '../../runtime/actor.ts';
import { assertNever } from '../../runtime/assert.ts';
import { restartPolicy } from '../../runtime/supervision.ts';
import type { JobRecord } from '../domain/offline-job.ts';
import { type QueryError, queryError } from '../domain/outcome.ts';
import type { OfflineFilesEvent } from './files-port.ts';
import {
  type Context,
  describeJob,
  type Job,
  jobNumber,
  newJob,
  type Offline,
  type OfflineOptions,
} from './jobs.ts';
import type { CancelJob, DescribeJobs, OfflineMessage, SubmitJob } from './protocol.ts';
import {
  begin,
  breakJob,
  endJob,
  jobUnknown,
  keepTicking,
  open,
  pause,
  sendAgain,
  takeAnswer,
  takeItems,
  takeLoad,
  takeWritten,
  tick,
} from './running.ts';

export type { OfflineConfig, OfflineOptions } from './jobs.ts';

export function offlineSpec(options: OfflineOptions): ActorSpec<Offline, OfflineMessage> {
  return {
    start: (ctx) => start(options, ctx),
    behaviour: offlineBehaviour,
    supervision: restartPolicy,
    mailboxMax: options.config.mailboxMax,
    laneOf,
    remoteTypes: ['offline.submit-job', 'offline.describe-jobs', 'offline.cancel-job'],
    refuse: refuseRequest,
  };
}

function start(options: OfflineOptions, ctx: Context): Offline {
  const records = [...options.stored()].sort((a, b) => jobNumber(a.id) - jobNumber(b.id));
  const offline: Offline = {
    options,
    jobs: new Map(records.map((record) => [record.id, newJob(record, undefined)])),
    queries: new Map(),
    life: Math.floor(ctx.random() * 36 ** 6).toString(36),
    sent: 0,
    budgetMs: 0,
    lastTickMs: ctx.nowMs,
    costMs: undefined,
    inFlightMax: 0,
    why: undefined,
    isTicking: false,
  };
  keepTicking(offline, ctx);
  return offline;
}

function laneOf({ type }: OfflineMessage): Lane {
  const isRequest =
    type === 'offline.submit-job' ||
    type === 'offline.describe-jobs' ||
    type === 'offline.cancel-job';
  return isRequest ? 'work' : 'control';
}

function refuseRequest(message: OfflineMessage): Refusal | undefined {
  if (!('replyTo' in message)) return undefined;
  const { requestId, replyTo } = message;
  const error = queryError('unavailable', 'offline jobs are not taken at present; try again');
  return refusal(replyTo, { type: 'gateway.job-refused', requestId, error });
}

function offlineBehaviour(offline: Offline, message: OfflineMessage, ctx: Context): Offline {
  switch (message.type) {
    case 'offline.submit-job':
      submit(offline, message, ctx);
      return offline;
    case 'offline.describe-jobs':
      describe(offline, message, ctx);
      return offline;
    case 'offline.cancel-job':
      cancel(offline, message, ctx);
      return offline;
    case 'offline.tick-due':
      tick(offline, ctx);
      return offline;
    case 'offline.load-reported':
      takeLoad(offline, message, ctx);
      return offline;
    case 'gateway.query-answered':
      takeAnswer(offline, message.queryId, message.answer, ctx);
      return offline;
    case 'gateway.queries-lost':
      askAgain(offline, ctx);
      return offline;
    case 'gateway.query-quoted':
      prepare(offline, message.requestId, message.outcome, ctx);
      return offline;
    case 'gateway.fleet-described': {
      const job = offline.jobs.get(message.requestId);
      if (job === undefined) return offline;
      const { outcome } = message;
      if ('code' in outcome) pause(offline, job, outcome.message, ctx);
      else open(offline, job, outcome, ctx);
      return offline;
    }
    case 'gateway.query-explained':
    case 'gateway.subject-explained':
    case 'gateway.event-recorded':
      return offline;
    case 'offline.job-prepared':
    case 'offline.job-opened':
    case 'offline.items-read':
    case 'offline.results-written':
    case 'offline.record-kept':
    case 'offline.job-broken': {
      const job = offline.jobs.get(message.jobId);
      // A job that was forgotten meanwhile has nobody to tell.
      if (job !== undefined) takeFileEvent(offline, job, message, ctx);
      return offline;
    }
    default:
      return assertNever(message);
  }
}

function takeFileEvent(offline: Offline, job: Job, message: OfflineFilesEvent, ctx: Context): void {
  switch (message.type) {
    case 'offline.job-prepared':
      keep(offline, job, message, ctx);
      return;
    case 'offline.record-kept':
      confirm(offline, job, ctx);
      return;
    case 'offline.job-opened':
      begin(offline, job, message, ctx);
      return;
    case 'offline.items-read':
      takeItems(offline, job, message.items, ctx);
      return;
    case 'offline.results-written':
      takeWritten(offline, job, message, ctx);
      return;
    case 'offline.job-broken':
      if (job.submitted === undefined) breakJob(offline, job, message.error, ctx);
      else refuseJob(offline, job, message.error, ctx);
      return;
    default:
      assertNever(message);
  }
}

/** Names are checked by the dispatcher, which knows them, before inputs are looked at. */
function submit(offline: Offline, message: SubmitJob, ctx: Context): void {
  const { options, jobs } = offline;
  const { asked, principal, replyTo, requestId } = message;
  const open = [...jobs.values()].filter(({ stage }) => stage !== 'ended');
  const twin = open.find(({ record }) => record.asked.output === asked.output);
  if (open.length >= options.config.openMax || twin !== undefined) {
    const error =
      twin === undefined
        ? queryError('overloaded', `${String(open.length)} jobs are open (offline.openMax)`)
        : queryError('bad_input', `${asked.output} is where ${twin.record.id} writes`);
    ctx.tell(replyTo, { type: 'gateway.job-refused', requestId, error });
    return;
  }
  const last = Math.max(0, ...[...jobs.keys()].map(jobNumber));
  const record: JobRecord = {
    id: `job-${String(last + 1)}`,
    tenant: principal.tenant,
    asked,
    ...{ items: 0, fingerprint: '', state: 'open' },
  };
  jobs.set(record.id, newJob(record, message));
  ctx.tell(options.dispatcher, {
    type: 'dispatcher.quote-query',
    requestId: record.id,
    asked: {
      ...{ selector: asked.selector, slo: asked.slo, onMiss: 'best-effort' },
      timeoutMs: options.config.itemTimeoutMs,
    },
    batch: 1,
    principal,
    replyTo: ctx.self,
  });
}

/** What no wait would mend. */
const hopeless: ReadonlySet<string> = new Set([
  ...['unknown_task', 'unknown_architecture', 'unknown_variant', 'bad_input', 'slo_infeasible'],
]);

function prepare(
  offline: Offline,
  jobId: string,
  outcome: QueryError | object,
  ctx: Context,
): void {
  const job = offline.jobs.get(jobId);
  if (job?.stage !== 'asking' || job.submitted === undefined) return;
  if ('code' in outcome && hopeless.has(outcome.code)) {
    refuseJob(offline, job, outcome, ctx);
    return;
  }
  job.stage = 'preparing';
  const { asked, principal } = job.submitted;
  ctx.tell(offline.options.files, {
    ...{ type: 'offline-files.prepare-job', jobId, asked, principal, replyTo: ctx.self },
  });
}

/** The dispatcher was started anew, and has nothing of what it was asked. */
function askAgain(offline: Offline, ctx: Context): void {
  sendAgain(offline);
  for (const job of [...offline.jobs.values()]) {
    if (job.stage === 'opening') job.stage = 'waiting';
    if (job.stage !== 'asking') continue;
    const why = 'the dispatcher of this node was restarted; try again';
    refuseJob(offline, job, queryError('unavailable', why), ctx);
  }
}

function refuseJob(offline: Offline, job: Job, error: QueryError, ctx: Context): void {
  offline.jobs.delete(job.record.id);
  const { submitted } = job;
  if (submitted === undefined) return;
  const { requestId, replyTo } = submitted;
  ctx.tell(replyTo, { type: 'gateway.job-refused', requestId, error });
}

function keep(
  offline: Offline,
  job: Job,
  { items, fingerprint }: { readonly items: number; readonly fingerprint: string },
  ctx: Context,
): void {
  if (job.stage !== 'preparing') return;
  job.stage = 'keeping';
  job.record = { ...job.record, items, fingerprint };
  const { record } = job;
  ctx.tell(offline.options.files, {
    ...{ type: 'offline-files.keep-record', record, replyTo: ctx.self },
  });
}

/** From now on the job survives whatever happens here: it is its submitter's. */
function confirm(offline: Offline, job: Job, ctx: Context): void {
  if (job.stage === 'ended') forgetOldest(offline, ctx);
  const { submitted } = job;
  if (job.stage !== 'keeping' || submitted === undefined) return;
  job.stage = 'waiting';
  job.submitted = undefined;
  const { requestId, replyTo } = submitted;
  const jobs = [describeJob(offline, job)];
  ctx.tell(replyTo, { type: 'gateway.jobs-described', requestId, jobs });
  ctx.log.info('an offline job was taken', { job: job.record.id, items: job.record.items });
  keepTicking(offline, ctx);
}

function forgetOldest(offline: Offline, ctx: Context): void {
  const ended = [...offline.jobs.values()].filter(({ stage }) => stage === 'ended');
  for (const { record } of ended.slice(
    0,
    Math.max(0, ended.length - offline.options.config.keptMax),
  )) {
    offline.jobs.delete(record.id);
    ctx.tell(offline.options.files, { type: 'offline-files.drop-record', jobId: record.id });
  }
}

/** A job of the asker's tenant that its submitter knows of. */
function jobOf(offline: Offline, jobId: string, tenant: string): Job | undefined {
  const job = offline.jobs.get(jobId);
  return job?.submitted === undefined && job?.record.tenant === tenant ? job : undefined;
}

function describe(offline: Offline, asked: DescribeJobs, ctx: Context): void {
  const { jobId, principal, requestId, replyTo } = asked;
  const found =
    jobId === undefined
      ? [...offline.jobs.keys()].flatMap((id) => jobOf(offline, id, principal.tenant) ?? [])
      : [jobOf(offline, jobId, principal.tenant)];
  const jobs = found.flatMap((job) => (job === undefined ? [] : [describeJob(offline, job)]));
  if (jobId !== undefined && jobs.length === 0) {
    ctx.tell(replyTo, { type: 'gateway.job-refused', requestId, error: jobUnknown(jobId) });
    return;
  }
  ctx.tell(replyTo, { type: 'gateway.jobs-described', requestId, jobs });
}

/** What was written stays. A job that has ended is told as it is. */
function cancel(offline: Offline, asked: CancelJob, ctx: Context): void {
  const { jobId, principal, requestId, replyTo } = asked;
  const job = jobOf(offline, jobId, principal.tenant);
  if (job === undefined) {
    ctx.tell(replyTo, { type: 'gateway.job-refused', requestId, error: jobUnknown(jobId) });
    return;
  }
  if (job.stage !== 'ended') endJob(offline, job, 'cancelled', undefined, ctx);
  const jobs = [describeJob(offline, job)];
  ctx.tell(replyTo, { type: 'gateway.jobs-described', requestId, jobs });
}
