/** Real processes for end-to-end tests: started through the command line, ended by pid. */

import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('../..', import.meta.url));
const binary = join(root, 'bin', 'infaas.js');

/** A command that ended by itself. */
export interface Ended {
  readonly code: number | null;
  readonly err: string;
}

export interface Process {
  readonly pid: number;
  /** The line of JSON it printed when it was ready. */
  readonly ready: Readonly<Record<string, unknown>>;
  readonly exited: Promise<number | null>;
  /** What it wrote to stderr so far, its last lines. */
  readonly errors: () => string;
  kill(signal: NodeJS.Signals): void;
}

/** Everything a test starts, and what it leaves behind, ended and removed by `end`. */
export class Stage {
  private readonly running: { child: ChildProcess; exited: Promise<number | null> }[] = [];
  private readonly folders: string[] = [];

  folder(): string {
    const folder = mkdtempSync(join(tmpdir(), 'infaas-e2e-'));
    this.folders.push(folder);
    return folder;
  }

  /** `infaas COMMAND … --json`, which is expected to end without having been ready. */
  async refused(args: readonly string[], config: object = {}): Promise<Ended> {
    const { child, exited, errors } = this.start(args, config);
    child.stdout.resume();
    return { code: await exited, err: errors() };
  }

  /** `infaas COMMAND … --json`; `config` becomes its configuration file. */
  async infaas(args: readonly string[], config: object = {}): Promise<Process> {
    const { child, exited, errors } = this.start(args, config);
    const line = await new Promise<string>((resolve, reject) => {
      createInterface({ input: child.stdout }).once('line', resolve);
      void exited.then((code) => {
        reject(new Error(`infaas ${args.join(' ')} ended with ${String(code)}: ${errors()}`));
      });
    });
    return {
      pid: child.pid ?? 0,
      ready: JSON.parse(line) as Record<string, unknown>,
      exited,
      errors,
      kill: (signal) => {
        child.kill(signal);
      },
    };
  }

  private start(args: readonly string[], config: object) {
    const file = join(this.folder(), 'config.yaml');
    writeFileSync(file, JSON.stringify(config));
    const child = spawn(process.execPath, [binary, ...args, '--config', file, '--json'], {
      cwd: root,
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    const exited = new Promise<number | null>((resolve) => child.once('exit', resolve));
    this.running.push({ child, exited });
    let errors = '';
    child.stderr.on('data', (chunk: Buffer) => {
      errors = (errors + chunk.toString()).slice(-4_000);
    });
    return { child, exited, errors: () => errors };
  }

  async end(): Promise<void> {
    for (const { child, exited } of this.running.reverse()) {
      if (child.exitCode !== null || child.signalCode !== null) continue;
      child.kill('SIGCONT');
      child.kill('SIGTERM');
      const killer = setTimeout(() => child.kill('SIGKILL'), 8_000);
      await exited;
      clearTimeout(killer);
    }
    for (const folder of this.folders) rmSync(folder, { recursive: true, force: true });
  }
}

/** Pids of the processes that `pid` started. */
export function childrenOf(pid: number): number[] {
  try {
    const listed = execFileSync('ps', ['-o', 'pid=', '--ppid', String(pid)], { encoding: 'utf8' });
    return listed.trim().split('\n').filter(Boolean).map(Number);
  } catch {
    return [];
  }
}

export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

/** Waits until `condition` holds, or fails saying what did not happen. */
export async function eventually(
  what: string,
  condition: () => boolean | Promise<boolean>,
  withinMs = 20_000,
): Promise<void> {
  const until = Date.now() + withinMs;
  while (!(await condition())) {
    if (Date.now() > until) throw new Error(`did not happen: ${what}`);
    await pause(50);
  }
}

export function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
