/**
 * One job's process as its parent sees it: started, listened to, and ended, by its own pid only.
 * Whatever the model does, the outcome is a report or one typed error, and the process is gone.
 */

import { type ChildProcess, spawn } from 'node:child_process';
import { setPriority } from 'node:os';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

import { type InfaasError, messageOf } from '../../runtime/errors.ts';
import type { Logger } from '../../runtime/log.ts';
import { entryPointBeside } from '../engine/entry-point.ts';
import { hostEnvironment } from '../engine/host-process.ts';
import type { LabConfig } from './config.ts';
import { type LabFailure, LabFailed, ModelRefused, ValidationInvalid } from './errors.ts';
import type {
  LabJobKind,
  LabJobs,
  LabMessage,
  LabProgress,
  LabTask,
  TaskFailure,
} from './messages.ts';

export interface LabProcessOptions {
  readonly task: LabTask;
  readonly config: LabConfig;
  /** Prefix of the command line that pins the process, `['taskset', '-c', '1']`, or nothing. */
  readonly pin: readonly string[];
  readonly log: Logger;
  readonly onProgress: ((progress: LabProgress) => void) | undefined;
  readonly signal: AbortSignal | undefined;
}

export type AnyReport = LabJobs[LabJobKind]['report'];

/** Lines of its standard error kept for the message when it dies. */
const lastLinesMax = 6;

/**
 * Does the job. Rejects with LabFailed, ModelRefused or ValidationInvalid; either way the process
 * has ended before the promise settles.
 */
export async function runLabProcess(options: LabProcessOptions): Promise<AnyReport> {
  const run = new LabProcess(options);
  const outcome = await run.outcome;
  await run.end();
  if ('report' in outcome) return outcome.report;
  throw outcome.error;
}

type Outcome = { readonly report: AnyReport } | { readonly error: InfaasError };

class LabProcess {
  readonly outcome: Promise<Outcome>;
  private readonly options: LabProcessOptions;
  private readonly child: ChildProcess;
  private readonly ended: Promise<void>;
  private readonly lastLines: string[] = [];
  private settle: (outcome: Outcome) => void = () => undefined;
  private silence: NodeJS.Timeout | undefined;
  private readonly whole: NodeJS.Timeout;
  private stage = 'starting';
  private readonly abort = (): void => {
    this.fail('cancelled', 'it was cancelled');
  };

  constructor(options: LabProcessOptions) {
    this.options = options;
    const { config, signal } = options;
    this.outcome = new Promise((resolve) => {
      this.settle = resolve;
    });
    this.child = spawnLab(options);
    this.ended = this.watch();
    this.expectWithin(config.startTimeoutMs, 'not_started', 'its process did not start');
    this.whole = setTimeout(() => {
      this.fail('hung', `it took over ${String(config.jobMs)} ms`);
    }, config.jobMs);
    if (signal?.aborted === true) this.abort();
    signal?.addEventListener('abort', this.abort, { once: true });
  }

  /** Kills what is left of it, and waits until it is gone. */
  async end(): Promise<void> {
    clearTimeout(this.silence);
    clearTimeout(this.whole);
    this.options.signal?.removeEventListener('abort', this.abort);
    this.child.kill('SIGKILL');
    await this.ended;
  }

  private watch(): Promise<void> {
    const { child, options } = this;
    child.on('message', (message: LabMessage) => {
      this.receive(message);
    });
    if (child.stderr !== null) {
      createInterface({ input: child.stderr }).on('line', (line) => {
        options.log.debug('model lab', { pid: child.pid, line });
        this.lastLines.push(line);
        if (this.lastLines.length > lastLinesMax) this.lastLines.shift();
      });
    }
    return new Promise((resolve) => {
      child.on('error', (error) => {
        this.fail('not_started', `its process did not start: ${messageOf(error)}`);
        if (child.pid === undefined) resolve();
      });
      // After `exit` and once its messages and its standard error have been read.
      child.on('close', (code, signal) => {
        const how = signal === null ? `ended with code ${String(code)}` : `died of ${signal}`;
        const kernel = signal === 'SIGKILL' ? ', perhaps of the kernel for lack of memory' : '';
        this.fail('killed', `its process ${how}${kernel}`);
        resolve();
      });
    });
  }

  private receive(message: LabMessage): void {
    const { config, task, onProgress } = this.options;
    switch (message.type) {
      case 'ready':
        this.child.send(task, (error) => {
          if (error !== null) this.fail('killed', `its process is gone: ${messageOf(error)}`);
        });
        return;
      case 'progress':
        // Starting is the process's business; from the first word on it is the model's.
        this.stage = message.progress.stage;
        this.expectWithin(config.hangMs, 'hung', `it did nothing for ${String(config.hangMs)} ms`);
        onProgress?.(message.progress);
        return;
      case 'done':
        this.settle({ report: message.report });
        return;
      case 'failed':
        this.settle({ error: this.errorFrom(message.failure) });
        return;
    }
  }

  private expectWithin(ms: number, how: LabFailure, what: string): void {
    clearTimeout(this.silence);
    this.silence = setTimeout(() => {
      this.fail(how, what);
    }, ms);
  }

  /** The first reason counts; later ones are its consequences. */
  private fail(how: LabFailure, what: string): void {
    this.settle({ error: this.failure(how, what) });
  }

  private failure(how: LabFailure, what: string): LabFailed {
    const { file, job } = this.options.task;
    const said =
      how !== 'killed' || this.lastLines.length === 0
        ? ''
        : `; it said: ${this.lastLines.join(' | ')}`;
    const message = `${file}: ${job.kind} failed while ${this.stage}: ${what}${said}`;
    return new LabFailed(how, this.stage, message, file);
  }

  private errorFrom(failure: TaskFailure): InfaasError {
    const { file } = this.options.task;
    switch (failure.kind) {
      case 'refused':
        return new ModelRefused(failure.reason, failure.message, file);
      case 'validation':
        return new ValidationInvalid(failure.message, failure.file, failure.line);
      case 'out_of_memory':
      case 'threw':
        return this.failure(failure.kind, failure.message);
    }
  }
}

function spawnLab({ pin, config }: LabProcessOptions): ChildProcess {
  const { url, execArgv } = entryPointBeside(import.meta.url, '../model-lab');
  const [command, ...args] = [...pin, process.execPath, ...execArgv, fileURLToPath(url)];
  const child = spawn(command, args, {
    stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
    serialization: 'advanced',
    env: hostEnvironment(),
  });
  try {
    if (child.pid !== undefined && config.nice > 0) setPriority(child.pid, config.nice);
  } catch {
    // Already gone, or not ours to change; its end tells.
  }
  return child;
}
