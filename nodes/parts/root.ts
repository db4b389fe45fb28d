/** What the roots share: settings as flags give them, and the handle of a running node. */

import { env } from 'node:process';

import type { PolicyName } from '../../actors/policy/policies.ts';
import type { Config } from '../config.ts';
import { loadConfig } from '../load-config.ts';
import type { LogLevel } from '../adapters/logger.ts';

export interface RootSettings {
  readonly logLevel?: LogLevel | undefined;
  readonly configFile?: string | undefined;
  /** In place of the configured folder. */
  readonly recordTo?: string | undefined;
}

export interface ListenSettings extends RootSettings {
  readonly host?: string | undefined;
  readonly port: number;
  readonly token?: string | undefined;
}

export interface RunningNode {
  /** One or two lines for people: what runs where. */
  describe(): string;
  /** The same for machines: names and addresses. */
  readonly facts: Readonly<Record<string, string | undefined>>;
  /** Drains and ends everything this node started. */
  close(): Promise<void>;
  /** Resolves when the node cannot go on. */
  readonly failed: Promise<Error>;
}

/** @param policy Where none is named. */
export function configOf({ configFile, recordTo }: RootSettings, policy?: PolicyName): Config {
  const environment = recordTo === undefined ? env : { ...env, INFAAS_RECORDING_FOLDER: recordTo };
  return loadConfig({ file: configFile, environment, policy });
}

export const defaultLogLevel: LogLevel = 'warn';
export const defaultHost = '127.0.0.1';
