/**
 * The profiler of a worker: measures models for the registrar on the worker's own machine and
 * cores, in a process of the model lab, from files that it fetches as the worker does.
 */

import type { ProfilerEvent, ProfilerMessage } from '../../actors/registrar/profiler-port.ts';
import { queryError } from '../../actors/domain/outcome.ts';
import type { WorkerId } from '../../actors/domain/worker.ts';
import type { ActorHost, Ref } from '../../runtime/actor.ts';
import { InfaasError, messageOf } from '../../runtime/errors.ts';
import type { Logger } from '../../runtime/log.ts';
import { LabFailed, ModelRefused } from '../lab/errors.ts';
import type { ModelLab } from '../lab/lab.ts';
import type { ModelFiles, ModelLease } from '../stores/model-files.ts';
import { errorOfStep } from './failures.ts';

export interface ProfilerOptions {
  readonly host: ActorHost;
  readonly log: Logger;
  readonly lab: ModelLab;
  readonly files: ModelFiles;
  readonly workerId: WorkerId;
}

export interface Profiler {
  readonly port: Ref<ProfilerMessage>;
  /** Ends what is being measured. */
  close(): Promise<void>;
}

type Measure = Extract<ProfilerMessage, { type: 'profiler.measure' }>;
type Outcome = Extract<ProfilerEvent, { type: 'profiles.measured' }>['outcome'];

export function openProfiler(options: ProfilerOptions): Profiler {
  const { host, lab } = options;
  const running = new Map<string, AbortController>();
  const measure = async (message: Measure): Promise<void> => {
    const { requestId, replyTo } = message;
    const ended = new AbortController();
    running.set(requestId, ended);
    const outcome = await measureHere(options, message, ended.signal);
    running.delete(requestId);
    host.tell(replyTo, { type: 'profiles.measured', requestId, outcome });
  };
  const port = host.port<ProfilerMessage>('profiler', (message) => {
    if (message.type === 'profiler.cancel') running.get(message.requestId)?.abort();
    else void measure(message);
  });
  return {
    port,
    close: async () => {
      host.closePort(port);
      for (const ended of running.values()) ended.abort();
      await lab.close();
    },
  };
}

async function measureHere(
  { host, lab, log, files, workerId }: ProfilerOptions,
  { requestId, file, fit, batchMax, budgetMs, replyTo }: Measure,
  signal: AbortSignal,
): Promise<Outcome> {
  let lease: ModelLease | undefined;
  try {
    lease = await files.acquire(file, { signal });
    const onProgress = ({ done, total }: { done: number; total: number }): void => {
      host.tell(replyTo, { type: 'profiles.progressed', requestId, done, total });
    };
    const beside = lease.file.beside?.map(({ name }) => name);
    const options = { ...fit, batchMax, budgetMs, beside };
    const measured = await lab.profile(lease.file.path, options, { signal, onProgress });
    const { profile } = measured;
    const { provenance } = profile;
    return {
      ok: true,
      batchMax: measured.batchMax,
      profile: {
        ...profile,
        measuredOn: `${profile.measuredOn}, worker ${workerId}`,
        provenance: provenance && { ...provenance, worker: workerId },
      },
    };
  } catch (error) {
    // Whatever is not the model's doing is this worker's: another may manage.
    const ofModel = error instanceof ModelRefused || isOfModel(error);
    const known = error instanceof InfaasError;
    if (!known) log.error('a model could not be measured', { error });
    return ofModel
      ? { ok: false, error: errorOfStep(error, ''), elsewhere: false }
      : { ok: false, error: queryError('unavailable', messageOf(error)), elsewhere: true };
  } finally {
    lease?.release();
  }
}

function isOfModel(error: unknown): boolean {
  if (!(error instanceof LabFailed)) return false;
  return ['hung', 'killed', 'out_of_memory', 'threw'].includes(error.how);
}
