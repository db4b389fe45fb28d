/**
 * A lab process: does one job on a model that has not proven itself, and ends. Started by
 * `lab/lab-process.ts` only.
 *
 * The job runs in a thread, where native code may block for ever. This thread runs nothing of the
 * model; it passes messages on, and ends the process when it takes too much memory or when its
 * parent is gone.
 */

import { writeFileSync } from 'node:fs';
import { Worker } from 'node:worker_threads';

import { entryPointBeside } from './engine/entry-point.ts';
import type { LabMessage, LabTask } from './lab/messages.ts';

/** A terminal's Ctrl-C reaches every process: the parent decides. */
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => undefined);

process.once('disconnect', die);
process.once('message', (task: LabTask) => {
  start(task);
});
offerToTheKernel();
send({ type: 'ready' });

function start(task: LabTask): void {
  const { url, execArgv } = entryPointBeside(import.meta.url, './lab/workbench');
  const bench = new Worker(url, { workerData: task, execArgv: [...execArgv] });
  let told = false;
  bench.on('message', (message: LabMessage) => {
    told ||= message.type === 'done' || message.type === 'failed';
    send(message);
  });
  bench.on('error', (error) => {
    told = true;
    send({ type: 'failed', failure: { kind: 'threw', message: error.message } });
  });
  bench.on('exit', (code) => {
    if (told) return;
    const message = `its thread ended with code ${String(code)}`;
    send({ type: 'failed', failure: { kind: 'threw', message } });
  });
  setInterval(watchMemory, task.limits.memoryPollMs, task.limits.memoryBytesMax);
}

/** Before the kernel has to choose a process to kill, which may be anybody's. */
function watchMemory(bytesMax: number): void {
  const bytes = process.memoryUsage.rss();
  if (bytes <= bytesMax) return;
  const took = `it took ${inMebibytes(bytes)}, more than ${inMebibytes(bytesMax)}, the limit`;
  const failure = { kind: 'out_of_memory', message: took } as const;
  // Whether or not it is heard: memory does not wait.
  send({ type: 'failed', failure });
  setTimeout(die, 5);
}

function inMebibytes(bytes: number): string {
  return `${String(Math.round(bytes / 1024 ** 2))} MiB`;
}

/** If it does come to that, this process is the one to kill. Linux alone has such a thing. */
function offerToTheKernel(): void {
  try {
    writeFileSync('/proc/self/oom_score_adj', '1000');
  } catch {
    // Elsewhere the watch has to do.
  }
}

function send(message: LabMessage): void {
  // The parent may have gone meanwhile; `disconnect` says so.
  if (process.connected) process.send?.(message, undefined, {}, () => undefined);
}

/** At once: `process.exit` would wait for native code that may never return. */
function die(): void {
  process.kill(process.pid, 'SIGKILL');
}
