/**
 * An engine host as the worker process sees it: spawned, watched, and ended, by its own pid only.
 *
 * Its sockets are inherited pairs, so there is no name in the file system to leave behind, nobody
 * else can connect, and they end with either process however that dies.
 */

import { type ChildProcess, spawn } from 'node:child_process';
import type { Socket } from 'node:net';
import { setPriority } from 'node:os';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

import type { VariantId } from '../../actors/domain/variant.ts';
import { messageOf } from '../../runtime/errors.ts';
import type { Logger } from '../../runtime/log.ts';
import type { EngineConfig } from './config.ts';
import { entryPointBeside } from './entry-point.ts';
import type { HostSettings } from './messages.ts';
import { LaneLink, type LaneTask } from './lane-link.ts';

export interface HostProcessOptions {
  readonly lanes: number;
  /** Prefix of the command line that pins the process, `['taskset', '-c', '2,3']`, or nothing. */
  readonly pin: readonly string[];
  readonly config: EngineConfig;
  readonly log: Logger;
  /** Exactly once, unless closed on purpose. `suspects`: what may have caused it. */
  readonly lost: (host: HostProcess, why: string, suspects: readonly VariantId[]) => void;
}

/** Lines of the host's standard error kept for the message when it dies. */
const lastLinesMax = 6;
/** How long to wait for what a dead process wrote before it died. */
const lastWordsMs = 200;

export class HostProcess {
  readonly pid: number;
  readonly lanes: readonly LaneLink[];
  readonly ended: Promise<void>;
  started = false;
  private readonly options: HostProcessOptions;
  private readonly child: ChildProcess;
  private readonly lastLines: string[] = [];
  private readonly startTimer: NodeJS.Timeout;
  private lanesReady = 0;
  private closing = false;
  private why: string | undefined;
  private blamed: LaneTask | undefined;

  constructor(options: HostProcessOptions) {
    this.options = options;
    const { lanes, config } = options;
    this.child = spawnHost(options);
    this.pid = this.child.pid ?? 0;
    this.lanes = this.child.stdio.slice(4).map(
      (stream) =>
        new LaneLink({
          socket: stream as Socket,
          frameBytesMax: config.frameBytesMax,
          ready: () => {
            this.lanesReady += 1;
            if (this.lanesReady < lanes) return;
            this.started = true;
            clearTimeout(this.startTimer);
          },
          broken: (message) => {
            this.kill(message);
          },
        }),
    );
    this.startTimer = setTimeout(() => {
      this.kill(`it did not start within ${String(config.startTimeoutMs)} ms`);
    }, config.startTimeoutMs);
    this.ended = this.watch();
  }

  /** SIGKILL; `blamed` is the one task that is known to be the reason. */
  kill(why: string, blamed?: LaneTask): void {
    this.why ??= why;
    this.blamed ??= blamed;
    this.child.kill('SIGKILL');
  }

  /** Kills the host when one of its lanes has been at one task for too long. */
  checkHang(nowMs: number): void {
    if (this.why !== undefined) return;
    for (const lane of this.lanes) {
      const task = lane.overdue(nowMs);
      if (task === undefined) continue;
      const limit = String(Math.round(task.limitMs));
      this.kill(`killed: ${task.variantId} hung, ${task.what} took over ${limit} ms`, task);
      return;
    }
  }

  /** Lets lanes finish and release what they hold; SIGKILL after `withinMs`. */
  async close(withinMs: number): Promise<void> {
    this.closing = true;
    for (const lane of this.lanes) lane.close();
    const timer = setTimeout(() => {
      this.kill('it did not close in time');
    }, withinMs);
    await this.ended;
    clearTimeout(timer);
  }

  private async watch(): Promise<void> {
    const { child, options } = this;
    const stderr = child.stdio[2];
    if (stderr !== null) {
      createInterface({ input: stderr }).on('line', (line) => {
        options.log.debug('engine host', { pid: this.pid, line });
        this.lastLines.push(line);
        if (this.lastLines.length > lastLinesMax) this.lastLines.shift();
      });
    }
    const how = await endOf(child);
    clearTimeout(this.startTimer);
    for (const stream of child.stdio) stream?.destroy();
    if (this.closing) return;
    const suspects =
      this.blamed === undefined ? this.lanes.map((lane) => lane.current) : [this.blamed];
    const ids = new Set(suspects.flatMap((task) => task?.variantId ?? []));
    const said = this.lastLines.length === 0 ? '' : `; it said: ${this.lastLines.join(' | ')}`;
    options.lost(this, `engine host ${String(this.pid)} ${this.why ?? how}${said}`, [...ids]);
  }
}

function spawnHost({ lanes, pin, config }: HostProcessOptions): ChildProcess {
  const { url, execArgv } = entryPointBeside(import.meta.url, '../engine-host');
  const { frameBytesMax, optimisation, cpuArena, memoryPattern } = config;
  const session = { optimisation, cpuArena, memoryPattern };
  const settings: HostSettings = { lanes, frameBytesMax, session };
  const [command, ...args] = [
    ...pin,
    process.execPath,
    ...execArgv,
    fileURLToPath(url),
    JSON.stringify(settings),
  ];
  const pipes = Array.from({ length: lanes + 1 }, () => 'pipe' as const);
  const child = spawn(command, args, {
    stdio: ['ignore', 'ignore', 'pipe', ...pipes],
    env: hostEnvironment(),
  });
  child.stdio[3]?.on('error', () => undefined);
  try {
    if (child.pid !== undefined && config.nice > 0) setPriority(child.pid, config.nice);
  } catch {
    // Already gone, or not ours to change; its end tells.
  }
  return child;
}

/**
 * Models need none of our secrets, and options meant for this process are not meant for that one.
 * glibc by default keeps what unloaded models leave in each thread's heap, 100 MB after six loads
 * of 16 MB; with fixed thresholds and shared heaps resident memory stays flat.
 */
export function hostEnvironment(): NodeJS.ProcessEnv {
  const inherited = Object.entries(process.env).filter(
    ([name]) => !/^(INFAAS_|NATS_|NODE_OPTIONS$)/.test(name),
  );
  return {
    MALLOC_ARENA_MAX: '2',
    MALLOC_MMAP_THRESHOLD_: String(1024 * 1024),
    ...Object.fromEntries(inherited),
  };
}

/** Resolves, saying how, when the process is gone and what it wrote has been read. */
function endOf(child: ChildProcess): Promise<string> {
  return new Promise((resolve) => {
    child.on('error', (error) => {
      resolve(`did not start: ${messageOf(error)}`);
    });
    child.on('exit', (code, signal) => {
      const how = signal === null ? `ended with code ${String(code)}` : `died of ${signal}`;
      const timer = setTimeout(resolve, lastWordsMs, how);
      child.on('close', () => {
        clearTimeout(timer);
        resolve(how);
      });
    });
  });
}
