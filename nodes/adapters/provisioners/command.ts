/**
 * A provisioner that runs a command of the user's: for machines that have no agent yet, which a
 * cloud's command line can start. It gets what is wanted as one JSON document on its standard
 * input; exit code 0 means that the worker will come, and anything else why not (docs/scaling.md).
 */

import { spawn } from 'node:child_process';

import type { ProvisionerCommand } from '../../../actors/fleet-autoscaler/protocol.ts';
import type { ActorHost, Ref } from '../../../runtime/actor.ts';
import type { Logger } from '../../../runtime/log.ts';

export interface CommandProvisionerOptions {
  readonly host: Pick<ActorHost, 'port' | 'tell'>;
  /** The executable; it gets no arguments. */
  readonly command: string;
  readonly natsUrl: string;
  readonly timeoutMs: number;
  readonly log: Logger;
}

const saidMax = 2_000;

export function createCommandProvisioner(
  options: CommandProvisionerOptions,
): Ref<ProvisionerCommand> {
  const { host, natsUrl, log } = options;
  /** Removal is asked again and again until the worker is gone; the command is run once. */
  const removed = new Set<string>();
  return host.port<ProvisionerCommand>('command-provisioner', (asked) => {
    const { name, replyTo } = asked;
    if (asked.type === 'provisioner.remove-worker') {
      if (removed.has(name)) return;
      removed.add(name);
      void run(options, { do: 'remove', name }).then((why) => {
        if (why === undefined) return;
        removed.delete(name);
        log.warn('the provisioner did not remove a worker', { worker: name, why });
      });
      return;
    }
    const { kind, units, memoryBytes } = asked.wanted;
    const hardware = { kind, units, ...(memoryBytes === undefined ? {} : { memoryBytes }) };
    void run(options, { do: 'add', name, nats: natsUrl, hardware }).then((why) => {
      if (why !== undefined) host.tell(replyTo, { type: 'fleet.worker-refused', name, why });
    });
  });
}

/** Resolves with why it failed, or with nothing. */
function run(options: CommandProvisionerOptions, wanted: object): Promise<string | undefined> {
  return new Promise((resolve) => {
    const child = spawn(options.command, [], {
      stdio: ['pipe', 'ignore', 'pipe'],
      timeout: options.timeoutMs,
      killSignal: 'SIGKILL',
    });
    let said = '';
    child.stderr.on('data', (chunk: Buffer) => {
      said = (said + chunk.toString()).slice(-saidMax);
    });
    child.once('error', (error) => {
      resolve(`${options.command} did not start: ${error.message}`);
    });
    child.once('close', (code, signal) => {
      const how = signal === null ? `exit code ${String(code)}` : `signal ${signal}`;
      resolve(code === 0 ? undefined : `${options.command} ended with ${how}: ${said.trim()}`);
    });
    // One that does not read it may end before it is written.
    child.stdin.on('error', () => undefined);
    child.stdin.end(`${JSON.stringify(wanted)}\n`);
  });
}
