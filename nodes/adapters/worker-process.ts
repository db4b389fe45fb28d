/**
 * Spawns a worker node as a process of this machine. It belongs to us: it is told to drain when we
 * stop, killed when it does not, and ends by itself when we are gone (its IPC channel closes).
 */

import { type ChildProcess, spawn } from 'node:child_process';
import { join } from 'node:path';
import { execPath } from 'node:process';

import { packageRoot } from '../package-root.ts';
import type { LogLevel } from './logger.ts';

export interface WorkerProcessOptions {
  readonly natsUrl: string;
  readonly name: string;
  readonly cores: string;
  readonly memory: string | undefined;
  readonly logLevel: LogLevel;
  readonly configFile: string | undefined;
  readonly recordTo?: string | undefined;
}

export interface SpawnedWorker {
  readonly name: string;
  readonly pid: number | undefined;
  /** Resolves when it has joined, rejects when it ended before. */
  readonly ready: Promise<void>;
  /** Resolves with how it ended, for people. */
  readonly exited: Promise<string>;
  stop(): Promise<void>;
}

const readyWithinMs = 30_000;
const stopGraceMs = 5_000;

export function spawnWorker(options: WorkerProcessOptions): SpawnedWorker {
  const args = [
    ...[join(packageRoot(), 'bin', 'infaas.js'), 'worker'],
    ...['--nats', options.natsUrl, '--name', options.name, '--cores', options.cores],
    ...['--log-level', options.logLevel],
    ...(options.memory === undefined ? [] : ['--memory', options.memory]),
    ...(options.configFile === undefined ? [] : ['--config', options.configFile]),
    ...(options.recordTo === undefined ? [] : ['--record', options.recordTo]),
  ];
  const child = spawn(execPath, args, { stdio: ['ignore', 'ignore', 'inherit', 'ipc'] });
  const exited = new Promise<string>((resolve) => {
    child.once('exit', (code, signal) => {
      resolve(signal === null ? `exit code ${String(code)}` : `signal ${signal}`);
    });
    child.once('error', (error) => {
      resolve(error.message);
    });
  });
  const ready = new Promise<void>((resolve, reject) => {
    const timer = setTimeout(() => {
      reject(new Error(`${options.name} has not joined within ${String(readyWithinMs)} ms`));
    }, readyWithinMs);
    child.once('message', () => {
      clearTimeout(timer);
      resolve();
    });
    void exited.then((how) => {
      clearTimeout(timer);
      reject(new Error(`${options.name} ended before it joined: ${how}`));
    });
  });
  return { name: options.name, pid: child.pid, ready, exited, stop: () => stop(child, exited) };
}

async function stop(child: ChildProcess, exited: Promise<string>): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  child.kill('SIGTERM');
  const killer = setTimeout(() => child.kill('SIGKILL'), stopGraceMs);
  await exited;
  clearTimeout(killer);
}

/**
 * In the spawned process: tells the parent that it joined, and calls `orphaned` when that is gone.
 */
export function reportReady(orphaned: () => void): void {
  if (process.send === undefined) return;
  process.on('disconnect', orphaned);
  process.send({ type: 'worker-process.ready' });
}
