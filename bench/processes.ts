/**
 * The processes a benchmark measures, started from compiled output on free ports and ended by pid:
 * our system, its peers, a nats-server, and what they use in memory.
 */

import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

/** `dist/bench`, or `bench` when run from the sources. */
const here = dirname(fileURLToPath(import.meta.url));
const extension = import.meta.url.endsWith('.ts') ? '.ts' : '.js';

export const root = extension === '.ts' ? join(here, '..') : join(here, '..', '..');

export interface Started {
  readonly pid: number;
  /** The first line it printed on stdout, parsed. */
  readonly ready: Readonly<Record<string, unknown>>;
  stop(): Promise<void>;
}

/** What still runs when a benchmark fails is ended with it. */
const running = new Set<ChildProcess>();
process.once('exit', () => {
  for (const child of running) child.kill('SIGTERM');
});

const readyWithinMs = 30_000;
const stopWithinMs = 5_000;

/** Starts `node ARGS…` and waits for its first line of JSON on stdout. */
export async function startNode(args: readonly string[]): Promise<Started> {
  const child = spawn(process.execPath, args, { cwd: root, stdio: ['ignore', 'pipe', 'inherit'] });
  running.add(child);
  const exited = new Promise<void>((resolve) => {
    child.once('exit', () => {
      running.delete(child);
      resolve();
    });
  });
  const stop = (): Promise<void> => endProcess(child, exited);
  const line = await firstLine(child, args.join(' '));
  return { pid: child.pid ?? 0, ready: JSON.parse(line) as Record<string, unknown>, stop };
}

function firstLine(child: ChildProcess, what: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => {
      child.kill('SIGKILL');
      reject(new Error(`"${what}" was not ready within ${String(readyWithinMs)} ms`));
    }, readyWithinMs);
    child.once('exit', (code) => {
      clearTimeout(timer);
      reject(new Error(`"${what}" ended with ${String(code)} before it was ready`));
    });
    if (child.stdout === null) return;
    createInterface({ input: child.stdout }).once('line', (line) => {
      clearTimeout(timer);
      resolve(line);
    });
  });
}

async function endProcess(child: ChildProcess, exited: Promise<void>): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  child.kill('SIGTERM');
  const killer = setTimeout(() => child.kill('SIGKILL'), stopWithinMs);
  await exited;
  clearTimeout(killer);
}

/** One of `bench/peers`. */
export function startPeer(name: string, args: readonly string[]): Promise<Started> {
  const loader = extension === '.ts' ? ['--import', 'tsx'] : [];
  return startNode([...loader, join(here, 'peers', `${name}${extension}`), ...args]);
}

/** `infaas COMMAND … --json`, with a configuration of its own. */
export async function startInfaas(
  command: string,
  args: readonly string[],
  config: Readonly<Record<string, unknown>> = {},
): Promise<Started> {
  const folder = mkdtempSync(join(tmpdir(), 'infaas-bench-'));
  const file = join(folder, 'config.yaml');
  writeFileSync(file, JSON.stringify(config));
  const data =
    command === 'up' || command === 'controller' ? ['--data', join(folder, 'store')] : [];
  const binary = join(root, 'bin', 'infaas.js');
  const started = await startNode([binary, command, ...args, ...data, '--config', file, '--json']);
  return {
    ...started,
    stop: async () => {
      await started.stop();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

/** Proportional set size of a process and all its descendants, bytes. */
export function treePssBytes(pid: number): number {
  let total = pssBytes(pid);
  for (const child of childrenOf(pid)) total += treePssBytes(child);
  return total;
}

function pssBytes(pid: number): number {
  const rollup = readFileSync(`/proc/${String(pid)}/smaps_rollup`, 'utf8');
  return Number(/^Pss:\s+(\d+) kB/m.exec(rollup)?.[1] ?? 0) * 1024;
}

/** `ps` exits with 1 where there are none. */
function childrenOf(pid: number): number[] {
  const { stdout } = spawnSync('ps', ['-o', 'pid=', '--ppid', String(pid)], { encoding: 'utf8' });
  return stdout.trim().split(/\s+/).filter(Boolean).map(Number);
}
