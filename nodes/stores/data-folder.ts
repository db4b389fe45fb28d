/**
 * The data folder: making it, and holding it for one process at a time.
 *
 * A holder writes a file named after itself, `held-by.PID.START.NONCE.HOST`, then looks whether
 * another living one is there. Two that start at the same moment both see each other and try again:
 * never do both hold it. A file whose process is gone (its pid is free, or another process has it
 * since) counts for nothing and is removed; no file is ever shared, so nothing is taken over twice.
 */

import { randomBytes } from 'node:crypto';
import { mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { hostname } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';

import { messageOf, StoreFailed } from '../../runtime/errors.ts';

export interface HeldFolder {
  release(): void;
}

const prefix = 'held-by.';
const triesMax = 5;
const betweenTriesMs = 40;

/** Makes a folder and those above it; throws StoreFailed naming the one that cannot be made. */
export function makeFolder(folder: string): void {
  const missing: string[] = [];
  let at = resolve(folder);
  // One by one: asked for all at once, Node never returns where a file system refuses (/proc).
  while (!isFolder(at)) {
    missing.push(at);
    if (dirname(at) === at) break;
    at = dirname(at);
  }
  for (const path of missing.reverse()) {
    try {
      mkdirSync(path);
    } catch (error) {
      if (isFolder(path)) continue;
      throw new StoreFailed(
        `cannot make the folder ${path}: ${messageOf(error)}; use another --data`,
        path,
        error,
      );
    }
  }
}

function isFolder(path: string): boolean {
  try {
    return statSync(path).isDirectory();
  } catch {
    return false;
  }
}

/**
 * Holds the folder until `release` or the end of this process; throws StoreFailed naming who else
 * does.
 */
export async function holdFolder(folder: string): Promise<HeldFolder> {
  makeFolder(folder);
  for (let tries = 1; ; tries += 1) {
    const mine = `${prefix}${[
      process.pid,
      startOf(process.pid) ?? 0,
      randomBytes(4).toString('hex'),
      encodeURIComponent(hostname()),
    ].join('.')}`;
    const path = join(folder, mine);
    claim(path, folder);
    const other = livingHolder(folder, mine);
    if (other === undefined) {
      return {
        release: () => {
          rmSync(path, { force: true });
        },
      };
    }
    rmSync(path, { force: true });
    if (tries >= triesMax) throw heldError(folder, other);
    await pause(betweenTriesMs * tries * (0.5 + Math.random()));
  }
}

function claim(path: string, folder: string): void {
  try {
    writeFileSync(path, '', { flag: 'wx' });
  } catch (error) {
    throw new StoreFailed(
      `cannot write in ${folder}: ${messageOf(error)}; use another --data, or make it writable`,
      folder,
      error,
    );
  }
}

interface Holder {
  readonly file: string;
  readonly pid: number;
  readonly host: string;
}

function livingHolder(folder: string, mine: string): Holder | undefined {
  let living: Holder | undefined;
  for (const file of readdirSync(folder)) {
    if (!file.startsWith(prefix) || file === mine) continue;
    const [pid, start, , ...host] = file.slice(prefix.length).split('.');
    const holder = { file, pid: Number(pid), host: decodeURIComponent(host.join('.')) };
    if (holder.host !== hostname() || isRunning(holder.pid, Number(start))) living = holder;
    else rmSync(join(folder, file), { force: true });
  }
  return living;
}

/** Whether that very process runs: a pid alone may be another process's by now. */
function isRunning(pid: number, start: number): boolean {
  const started = startOf(pid);
  if (started !== undefined) return started === start;
  // Where there is no /proc, or the process is gone from it.
  if (start !== 0) return false;
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}

/** When it started, in ticks since the machine did; undefined for none, and for an unreaped one. */
function startOf(pid: number): number | undefined {
  try {
    const stat = readFileSync(`/proc/${String(pid)}/stat`, 'utf8');
    // After the name, which may hold anything: state is field 3, the start field 22.
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    return fields[0] === 'Z' || fields[0] === 'X' ? undefined : Number(fields[19]);
  } catch {
    return undefined;
  }
}

function heldError(folder: string, { file, pid, host }: Holder): StoreFailed {
  const elsewhere = host === hostname() ? '' : ` on ${host}`;
  const advice =
    host === hostname()
      ? 'stop it, or use another --data'
      : `use another --data or, if that machine is gone, remove ${join(folder, file)}`;
  const who = pid === process.pid && elsewhere === '' ? 'this process' : `process ${String(pid)}`;
  return new StoreFailed(`${folder} is in use by ${who}${elsewhere}; ${advice}`, folder);
}
