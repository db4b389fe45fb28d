/**
 * The thread of a lab process that does its one job. It may hang or take the process down: the
 * other thread (`../model-lab.ts`) watches, and this one is never terminated, it dies with the
 * process.
 */

import { statSync } from 'node:fs';
import { parentPort, workerData } from 'node:worker_threads';

import { messageOf } from '../../runtime/errors.ts';
import { warmRuntime } from '../engine/session.ts';
import { ModelInvalid } from '../onnx/invalid-model.ts';
import { checkModel } from './check-model.ts';
import { ModelRefused, ValidationInvalid } from './errors.ts';
import { answerAll, evaluateModel } from './evaluate-model.ts';
import { generateModel } from './generate-model.ts';
import { inspectModel } from './inspect-model.ts';
import type { LabJobKind, LabJobs, LabMessage, LabTask, Report, TaskFailure } from './messages.ts';
import { feedModel, openModel } from './model-run.ts';
import { optimiseModel } from './optimise-model.ts';
import { profileModel } from './profile-model.ts';

function send(message: LabMessage): void {
  parentPort?.postMessage(message);
}

const report: Report = (stage, done = 0, total = 0) => {
  send({ type: 'progress', progress: { stage, done, total } });
};

try {
  send({ type: 'done', report: await doTask(workerData as LabTask) });
} catch (error) {
  send({ type: 'failed', failure: describe(error) });
}

async function doTask(task: LabTask): Promise<LabJobs[LabJobKind]['report']> {
  const { job, file, limits } = task;
  const fileBytes = sizeOf(file);
  const threads = job.kind === 'profile' ? job.options.threads : undefined;
  const settings = { ...task.session, threads: threads ?? task.session.threads };
  report('starting');
  await warmRuntime(settings);
  switch (job.kind) {
    case 'check': {
      report('loading');
      const model = await openModel(file, settings);
      return checkModel(model, job.options, limits, report);
    }
    case 'profile':
      return profileModel(file, job.options, settings, limits, report);
    case 'evaluate':
      return evaluateModel(file, job.options, settings, limits, report);
    case 'optimise':
      report('optimising');
      return optimiseModel(file, fileBytes, job.options, settings);
    case 'run': {
      report('loading');
      const fed = feedModel(await openModel(file, settings), job.options);
      const outputs = await answerAll(fed, job.options.samples, job.options.batchMax ?? 1, report);
      return { outputs };
    }
    case 'inspect':
      report('reading');
      return inspectModel(file, job.options);
    case 'generate':
      return generateModel(file, job.options, limits, report);
  }
}

function sizeOf(file: string): number {
  try {
    return statSync(file).size;
  } catch (error) {
    const message = `${file}: it cannot be read: ${messageOf(error)}`;
    throw new ModelRefused('unloadable', message, file, error);
  }
}

function describe(error: unknown): TaskFailure {
  const message = messageOf(error);
  if (error instanceof ModelInvalid) return { kind: 'refused', reason: 'invalid', message };
  if (error instanceof ModelRefused) return { kind: 'refused', reason: error.reason, message };
  if (error instanceof ValidationInvalid) {
    return { kind: 'validation', message, file: error.address, line: error.line };
  }
  // ONNX Runtime reports what it could not allocate as an error like any other.
  const kind = /bad_alloc|failed to allocate memory/i.test(message) ? 'out_of_memory' : 'threw';
  return { kind, message };
}
