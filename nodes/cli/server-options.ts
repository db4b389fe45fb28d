/**
 * The options of commands that run a node. Precedence: flags > `INFAAS_*` environment > config file
 * > defaults; host, port and token may stand in the file's `gateway` section.
 */

import { type Command, Option } from 'commander';

import type { LogLevel } from '../adapters/logger.ts';
import type { RootSettings } from '../parts/root.ts';
import { UsageError } from './errors.ts';
import { collect, parseNatsUrl, parseNodeName, parsePort } from './option-values.ts';

const levels = ['debug', 'info', 'warn', 'error', 'silent'] as const satisfies readonly LogLevel[];

export interface NodeOptions {
  readonly logLevel: LogLevel;
  readonly config?: string;
  readonly record?: string;
}

export function rootSettingsOf({ logLevel, config, record }: NodeOptions): RootSettings & {
  readonly logLevel: LogLevel;
} {
  return { logLevel, configFile: config, recordTo: record };
}

export function addNodeOptions(command: Command): Command {
  return command
    .addOption(new Option('--config <file>', 'configuration, YAML or JSON').env('INFAAS_CONFIG'))
    .option('--record <folder>', 'records what is decided and why there, for replay and what-if')
    .addOption(
      new Option('--log-level <level>', 'what is logged on stderr')
        .choices(levels)
        .env('INFAAS_LOG_LEVEL')
        .default('warn'),
    );
}

export interface MemberOptions {
  readonly nats?: string;
  readonly name?: string;
}

/** Asked for here and not by commander, which would complain of it before a misspelt option. */
export function natsOf({ nats }: MemberOptions): string {
  if (nats !== undefined) return nats;
  throw new UsageError('say which system to join: --nats nats://HOST:4222 (or INFAAS_NATS)');
}

/** `--nats` of a node that cannot do without. */
export function addBusOption(command: Command): Command {
  return command.addOption(
    new Option('--nats <url>', 'the NATS server or servers of the system')
      .env('INFAAS_NATS')
      .argParser(parseNatsUrl),
  );
}

/** Of nodes that there may be several of. */
export function addMemberOptions(command: Command, kind: string): Command {
  return addBusOption(command).addOption(
    new Option('--name <name>', `name of this ${kind} (default: ${kind}- and a random number)`)
      .env('INFAAS_NAME')
      .argParser(parseNodeName),
  );
}

export interface ListenOptions {
  readonly host?: string;
  readonly port?: number;
  readonly token?: string;
}

export function addListenOptions(command: Command): Command {
  return command
    .addOption(
      new Option('--host <host>', 'where to listen (default: 127.0.0.1)').env('INFAAS_HOST'),
    )
    .addOption(
      new Option('--port <port>', '0 takes a free one (default: 8080)')
        .env('INFAAS_PORT')
        .argParser(parsePort),
    )
    .addOption(
      new Option('--token <token>', 'what clients must present; mandatory off loopback').env(
        'INFAAS_TOKEN',
      ),
    );
}

export interface ModelOptions {
  readonly zoo?: boolean;
  readonly model?: readonly string[];
  readonly data?: string;
}

export const defaultDataDir = '.infaas/store';

/** `alternative`: what else than a manifest may be given. */
export function addModelOptions(command: Command, alternative = ''): Command {
  const model = ['register the model of this manifest', alternative].filter(Boolean).join(', ');
  return command
    .option('--zoo', 'register the bundled models')
    .option('--model <manifest>', `${model}; may be repeated`, collect)
    .addOption(
      new Option('--data <dir>', 'where the store is kept')
        .env('INFAAS_DATA')
        .default(defaultDataDir),
    );
}

export interface SliceOptions {
  readonly cores?: string;
  readonly memory?: string;
}

export function addSliceOptions(command: Command): Command {
  return command
    .addOption(
      new Option('--cores <list>', 'cores to own, like 0-1 or 0,2 (default: all, unpinned)').env(
        'INFAAS_CORES',
      ),
    )
    .addOption(
      new Option('--memory <size>', 'memory to own, like 4GiB (default: four fifths)').env(
        'INFAAS_MEMORY',
      ),
    );
}

export interface Listening {
  readonly host: string;
  readonly port: number;
  readonly token: string | undefined;
}

/** Flags and `INFAAS_HOST` … over the configuration, which knows file and defaults. */
export async function listeningOf(
  options: ListenOptions & NodeOptions,
  environment: Readonly<Record<string, string | undefined>>,
): Promise<Listening> {
  const { loadConfig } = await import('../load-config.ts');
  const { gateway } = loadConfig({ file: options.config, environment });
  const { createAuthenticator } = await import('../gateways/authenticate.ts');
  const token = options.token === '' ? undefined : options.token;
  const listening = {
    host: options.host ?? gateway.host,
    port: options.port ?? gateway.port,
    token: token ?? gateway.token,
  };
  // Open to other machines without a token: refused before anything is started.
  createAuthenticator({ ...gateway, ...listening });
  return listening;
}
