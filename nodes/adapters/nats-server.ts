/**
 * Starts a `nats-server` of our own on a free loopback port, for `infaas up` and for tests.
 *
 * The server belongs to this process: it ends with `stop()`, when we exit, and on Linux (through
 * `setpriv --pdeathsig`) even when we are killed. Its configuration lies in a temporary folder that
 * is removed with it. Source of the options: docs.nats.io, "Server configuration", for 2.9.
 */

import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { accessSync, constants, rmSync } from 'node:fs';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';

import { BusUnreachable, messageOf } from '../../runtime/errors.ts';
import type { Logger } from '../../runtime/log.ts';

export interface NatsServerOptions {
  /** Where JetStream keeps its files; without it the server has no JetStream. */
  readonly dataDir?: string;
  /** A port to take instead of a free one. */
  readonly port?: number;
  /** What clients must present; without it anyone on this machine may connect. */
  readonly token?: string;
  readonly log: Logger;
}

export interface NatsServer {
  readonly url: string;
  readonly pid: number;
  /** Resolves when it has ended, told to or not. */
  readonly ended: Promise<void>;
  /** SIGTERM, SIGKILL when that does not help, and the temporary folder removed. */
  stop(): Promise<void>;
}

/** The ceiling NATS advises; its default of 1 MiB would chunk an ordinary image. */
const payloadMaxBytes = 8 * 1024 * 1024;
const startTimeoutMs = 10_000;
const pollMs = 15;
const termGraceMs = 2_000;
/** Lines of the server's own log kept for the error when it does not start. */
const lastLinesMax = 8;

/** The path of `nats-server` on PATH, or undefined. */
export function findNatsServer(): string | undefined {
  return findOnPath('nats-server');
}

/** Starts a server and resolves when it accepts. Fails with BusUnreachable saying why not. */
export async function startNatsServer(options: NatsServerOptions): Promise<NatsServer> {
  const binary = findNatsServer();
  if (binary === undefined) {
    throw new BusUnreachable(
      'nats-server is not on the PATH; install it, or use the in-process bus',
      'nats-server',
    );
  }
  const folder = await mkdtemp(join(tmpdir(), 'infaas-nats-'));
  try {
    const config = join(folder, 'nats.conf');
    if (options.dataDir !== undefined) await mkdir(options.dataDir, { recursive: true });
    await writeFile(config, configText(folder, options), { mode: 0o600 });
    const server = new OwnedServer(binary, config, folder, options.log);
    return await server.started();
  } catch (error) {
    await rm(folder, { recursive: true, force: true });
    throw error instanceof BusUnreachable
      ? error
      : new BusUnreachable(`nats-server did not start: ${messageOf(error)}`, binary, error);
  }
}

function findOnPath(name: string): string | undefined {
  for (const folder of (process.env['PATH'] ?? '').split(delimiter)) {
    if (folder === '') continue;
    const candidate = join(folder, name);
    try {
      accessSync(candidate, constants.X_OK);
      return candidate;
    } catch {
      // Not there; the next folder.
    }
  }
  return undefined;
}

/**
 * The command prefix that makes the kernel end a child when we are killed; Linux with util-linux.
 */
function dyingWithUs(): readonly string[] {
  const setpriv = process.platform === 'linux' ? findOnPath('setpriv') : undefined;
  if (setpriv === undefined) return [];
  const prefix = [setpriv, '--pdeathsig', 'TERM', '--'];
  // BusyBox has a setpriv too, which cannot do this.
  const probe = spawnSync(setpriv, [...prefix.slice(1), 'true'], { stdio: 'ignore' });
  return probe.status === 0 ? prefix : [];
}

/** JSON strings are valid in the server's configuration language. */
function configText(folder: string, options: NatsServerOptions): string {
  return [
    'listen: "127.0.0.1:' + String(options.port ?? -1) + '"',
    `ports_file_dir: ${JSON.stringify(folder)}`,
    `max_payload: ${String(payloadMaxBytes)}`,
    ...(options.token === undefined
      ? []
      : [`authorization { token: ${JSON.stringify(options.token)} }`]),
    ...(options.dataDir === undefined
      ? []
      : [`jetstream { store_dir: ${JSON.stringify(options.dataDir)} }`]),
    '',
  ].join('\n');
}

class OwnedServer implements NatsServer {
  url = '';
  readonly pid: number;
  readonly ended: Promise<void>;
  private readonly child: ChildProcess;
  private readonly binary: string;
  private readonly folder: string;
  private readonly log: Logger;
  private readonly lastLines: string[] = [];
  private stopping = false;
  private failure: unknown;

  constructor(binary: string, config: string, folder: string, log: Logger) {
    this.binary = binary;
    this.folder = folder;
    this.log = log;
    const [command, ...args] = [...dyingWithUs(), binary, '--config', config] as const;
    // In a process group of its own: a Ctrl-C in our terminal must not end it before we have
    // drained.
    const stdio: ('ignore' | 'pipe')[] = ['ignore', 'ignore', 'pipe'];
    this.child = spawn(command, args, { stdio, detached: true });
    this.pid = this.child.pid ?? 0;
    this.child.stderr?.setEncoding('utf8').on('data', (text: string) => {
      this.heard(text);
    });
    this.ended = new Promise((resolve) => {
      this.child.once('error', (error) => {
        this.failure = error;
        resolve();
      });
      this.child.once('exit', (code, signal) => {
        if (!this.stopping) {
          this.failure = new Error(`it ended with ${String(signal ?? code)}`);
          log.error('nats-server ended by itself', { pid: this.pid, code, signal });
        }
        resolve();
      });
    });
    process.once('exit', this.onExit);
  }

  /** Resolves with itself when the server has written its port and answers on it. */
  async started(): Promise<NatsServer> {
    const portsFile = join(this.folder, `nats-server_${String(this.pid)}.ports`);
    const giveUpAt = performance.now() + startTimeoutMs;
    while (performance.now() < giveUpAt && this.failure === undefined) {
      const url = await readFile(portsFile, 'utf8').then(clientUrl, () => undefined);
      if (url !== undefined && (await accepts(url))) {
        this.url = url;
        this.log.info('nats-server started', { url, pid: this.pid });
        return this;
      }
      await new Promise((resolve) => setTimeout(resolve, pollMs));
    }
    const why = this.failure === undefined ? 'it did not answer in time' : messageOf(this.failure);
    await this.stop();
    throw new BusUnreachable(
      [`nats-server did not start: ${why}`, ...this.lastLines].join('\n'),
      this.binary,
      this.failure,
    );
  }

  async stop(): Promise<void> {
    this.stopping = true;
    process.removeListener('exit', this.onExit);
    if (this.running()) {
      this.child.kill('SIGTERM');
      const timer = setTimeout(() => this.child.kill('SIGKILL'), termGraceMs);
      await this.ended;
      clearTimeout(timer);
    }
    await rm(this.folder, { recursive: true, force: true });
  }

  private running(): boolean {
    return this.pid !== 0 && this.child.exitCode === null && this.child.signalCode === null;
  }

  private readonly onExit = (): void => {
    if (this.running()) this.child.kill('SIGTERM');
    rmSync(this.folder, { recursive: true, force: true });
  };

  private heard(text: string): void {
    for (const line of text.split('\n')) {
      if (line === '') continue;
      this.lastLines.push(line);
      if (this.lastLines.length > lastLinesMax) this.lastLines.shift();
      this.log.debug('nats-server', { line });
    }
  }
}

/**
 * The ports file: `{"nats": ["nats://127.0.0.1:4222"], ...}`; undefined while it is half written.
 */
function clientUrl(text: string): string | undefined {
  try {
    const urls = (JSON.parse(text) as { nats?: string[] }).nats;
    return urls?.[0];
  } catch {
    return undefined;
  }
}

/** True when the server greets with its INFO line. */
function accepts(url: string): Promise<boolean> {
  const { hostname, port } = new URL(url);
  return new Promise((resolve) => {
    const socket = connect({ host: hostname, port: Number(port), timeout: 1_000 });
    const done = (accepted: boolean) => (): void => {
      socket.destroy();
      resolve(accepted);
    };
    socket.once('data', done(true));
    socket.once('error', done(false));
    socket.once('timeout', done(false));
    socket.once('close', done(false));
  });
}
