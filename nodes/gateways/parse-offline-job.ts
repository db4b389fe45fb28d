/** Requests about offline jobs, as a client sent them, to what the offline actor takes. */

import type { CancelJob, DescribeJobs, SubmitJob } from '../../actors/offline/protocol.ts';
import type { JsonObject } from './decode-request.ts';
import { parseAsked } from './parse-query.ts';
import { badField, badInput, Refused } from './refused.ts';

export const offlineOperations = [
  'offline-submit',
  'offline-status',
  'offline-cancel',
  'offline-list',
] as const;

export type OfflineOperation = (typeof offlineOperations)[number];

type Envelope = 'requestId' | 'principal' | 'replyTo';

export type OfflineRequest =
  Omit<SubmitJob, Envelope> | Omit<DescribeJobs, Envelope> | Omit<CancelJob, Envelope>;

const selectorFields = ['task', 'dataset', 'architecture', 'variant', 'slo'] as const;

export const offlineFields: Readonly<Record<OfflineOperation, readonly string[]>> = {
  'offline-submit': ['id', 'op', 'input', 'output', 'outputs', ...selectorFields],
  'offline-status': ['id', 'op', 'job'],
  'offline-cancel': ['id', 'op', 'job'],
  'offline-list': ['id', 'op'],
};

/** Throws Refused. That there are no other fields is seen to before. */
export function parseOfflineJob(op: OfflineOperation, value: JsonObject): OfflineRequest {
  switch (op) {
    case 'offline-submit':
      return parseSubmit(value);
    case 'offline-status':
      return { type: 'offline.describe-jobs', jobId: text(value, 'job', jobLengthMax) };
    case 'offline-cancel':
      return { type: 'offline.cancel-job', jobId: text(value, 'job', jobLengthMax) };
    case 'offline-list':
      return { type: 'offline.describe-jobs', jobId: undefined };
  }
}

const jobLengthMax = 64;
const pathLengthMax = 4_096;

function parseSubmit(value: JsonObject): OfflineRequest {
  const envelope = new Set(['id', 'op', 'input', 'output', 'outputs']);
  const parsed = parseAsked(value, envelope, { timeoutMsMax: Infinity });
  if (!parsed.ok) throw new Refused(parsed.error);
  const { selector, slo } = parsed.quote.asked;
  if (slo.latencyMs !== undefined) {
    throw badInput('slo', 'slo.latencyMs: an offline job runs when there is room, without one');
  }
  const { accuracyMin, costUsdMax } = slo;
  return {
    type: 'offline.submit-job',
    asked: {
      selector,
      slo: { accuracyMin, costUsdMax },
      outputs: namesOf(value['outputs']),
      input: text(value, 'input', pathLengthMax),
      output: text(value, 'output', pathLengthMax),
    },
  };
}

function text(value: JsonObject, field: string, lengthMax: number): string {
  const given = value[field];
  if (typeof given === 'string' && given !== '' && given.length <= lengthMax) return given;
  throw badField(field, `a string of 1..${lengthMax} characters`, given);
}

const namesMax = 64;

function namesOf(given: unknown): readonly string[] | undefined {
  if (given === undefined || given === null) return undefined;
  const isNames =
    Array.isArray(given) &&
    given.length <= namesMax &&
    given.every((name) => typeof name === 'string' && name !== '');
  if (!isNames) throw badField('outputs', `an array of at most ${namesMax} names`, given);
  return given.length === 0 ? undefined : (given as readonly string[]);
}
