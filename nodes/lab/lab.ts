/**
 * The model lab: where models that have not proven themselves run, each job in a process of its
 * own. A model that hangs, aborts or eats memory costs that process, and its caller one typed
 * error.
 */

import { freemem } from 'node:os';

import type { Logger } from '../../runtime/log.ts';
import type { SessionSettings } from '../engine/messages.ts';
import type { LabConfig } from './config.ts';
import { LabFailed } from './errors.ts';
import { runLabProcess } from './lab-process.ts';
import type { LabJobKind, LabJobs, LabLimits, LabProgress, LabTask } from './messages.ts';

/** Beyond a job's own options: who listens, and how it ends early. */
export interface LabCall {
  readonly onProgress?: ((progress: LabProgress) => void) | undefined;
  /** Ends the job; it then rejects with LabFailed, `cancelled`. */
  readonly signal?: AbortSignal | undefined;
}

type Job<K extends LabJobKind> = (
  file: string,
  options: LabJobs[K]['options'],
  call?: LabCall,
) => Promise<LabJobs[K]['report']>;

/**
 * Every method takes the path of a model file and rejects with LabFailed (hung, killed, out of
 * memory, threw, cancelled, busy), ModelRefused (a verdict on the model) or ValidationInvalid.
 */
export interface ModelLab {
  /** It loads and runs; what its inputs and outputs are; whether it batches. */
  readonly check: Job<'check'>;
  /** Load time, memory and latency by batch. */
  readonly profile: Job<'profile'>;
  /** Accuracy on a validation set, or agreement with a reference. */
  readonly evaluate: Job<'evaluate'>;
  /** Writes what ONNX Runtime's optimiser makes of it. */
  readonly optimise: Job<'optimise'>;
  /** The answers to samples: to compare variants, to calibrate. */
  readonly run: Job<'run'>;
  /** What the file says of itself, and what is worth making of it. */
  readonly inspect: Job<'inspect'>;
  /** One candidate, made and compared with its source. */
  readonly generate: Job<'generate'>;
  /** Ends what runs and refuses what waits; afterwards no process is left. */
  close(): Promise<void>;
}

export interface LabOptions {
  /** Sessions are set as the engine sets them. */
  readonly session?: SessionSettings | undefined;
  /** Prefix of the command line that pins a job's process to cores. */
  readonly pin?: readonly string[] | undefined;
}

const engineDefaults: SessionSettings = {
  optimisation: 'all',
  cpuArena: true,
  memoryPattern: true,
};

export function createModelLab(config: LabConfig, log: Logger, options: LabOptions = {}): ModelLab {
  const queue = createQueue(config);
  const closing = new AbortController();
  const job =
    <K extends LabJobKind>(kind: K): Job<K> =>
    (file, jobOptions, { onProgress, signal } = {}) => {
      const ended =
        signal === undefined ? closing.signal : AbortSignal.any([signal, closing.signal]);
      return queue.enter(file, kind, ended, async () => {
        const task = {
          job: { kind, options: jobOptions },
          file,
          session: options.session ?? engineDefaults,
          limits: limitsOf(config),
        } as LabTask;
        const pin = options.pin ?? [];
        const report = await runLabProcess({ task, config, pin, log, onProgress, signal: ended });
        return report;
      });
    };
  return {
    check: job('check'),
    profile: job('profile'),
    evaluate: job('evaluate'),
    optimise: job('optimise'),
    run: job('run'),
    inspect: job('inspect'),
    generate: job('generate'),
    close: async () => {
      closing.abort();
      await queue.empty();
    },
  };
}

/** What is free is asked for each job: others take and give meanwhile. */
function limitsOf(config: LabConfig): LabLimits {
  const { samplesMin, samplesMax, spreadMax, turnMs, turnRunsMax, memoryBytesMax, ...rest } =
    config;
  return {
    attemptsMax: rest.attemptsMax,
    batches: rest.batches,
    profileMs: rest.profileMs,
    sampling: { samplesMin, samplesMax, spreadMax, turnMs, turnRunsMax },
    loadShare: rest.loadShare,
    madeUpSamples: rest.madeUpSamples,
    evaluationBatchMax: rest.evaluationBatchMax,
    validationLinesMax: rest.validationLinesMax,
    validationLineBytesMax: rest.validationLineBytesMax,
    memoryBytesMax: Math.min(memoryBytesMax, Math.floor(freemem() * 0.8)),
    memoryPollMs: rest.memoryPollMs,
  };
}

interface JobQueue {
  enter<T>(file: string, kind: string, ended: AbortSignal, work: () => Promise<T>): Promise<T>;
  /** When nothing runs and nothing waits. */
  empty(): Promise<void>;
}

/** First come, first served; `jobsMax` at once. */
function createQueue({ jobsMax, queueMax }: LabConfig): JobQueue {
  const waiting: (() => void)[] = [];
  const entered = new Set<Promise<unknown>>();
  let running = 0;
  const turn = (file: string, kind: string, ended: AbortSignal): Promise<void> =>
    new Promise((resolve, reject) => {
      const refuse = (): void => {
        const at = waiting.indexOf(begin);
        if (at >= 0) waiting.splice(at, 1);
        const message = `${file}: ${kind} was cancelled before it began`;
        reject(new LabFailed('cancelled', 'waiting', message, file));
      };
      const begin = (): void => {
        ended.removeEventListener('abort', refuse);
        running += 1;
        resolve();
      };
      if (ended.aborted) {
        refuse();
      } else if (running < jobsMax) {
        begin();
      } else if (waiting.length >= queueMax) {
        const message = `${file}: ${kind} was refused: ${String(queueMax)} jobs wait already`;
        reject(new LabFailed('busy', 'waiting', message, file));
      } else {
        ended.addEventListener('abort', refuse, { once: true });
        waiting.push(begin);
      }
    });
  const attend = async <T>(ready: Promise<void>, work: () => Promise<T>): Promise<T> => {
    await ready;
    try {
      return await work();
    } finally {
      running -= 1;
      waiting.shift()?.();
    }
  };
  return {
    enter: (file, kind, ended, work) => {
      const done = attend(turn(file, kind, ended), work);
      entered.add(done);
      const leave = (): void => {
        entered.delete(done);
      };
      done.then(leave, leave);
      return done;
    },
    empty: async () => {
      await Promise.allSettled(entered);
    },
  };
}
