/**
 * The configuration: every limit of the system in one schema, with its default and unit.
 *
 * Precedence: flags > `INFAAS_*` environment > file > defaults. A flag or variable names a setting
 * by its path, `INFAAS_DISPATCHER_IN_FLIGHT_MAX` is `dispatcher.inFlightMax`.
 */

import { readFileSync } from 'node:fs';

import { parse as parseYaml } from 'yaml';
import { z } from 'zod';

import { defaultStateRules } from '../actors/domain/instance.ts';
import { batchPolicies } from '../actors/policy/batching/index.ts';
import { selectionPolicies } from '../actors/policy/selection/index.ts';
import { reloadPolicy } from '../actors/worker/behaviour.ts';
import { ConfigInvalid, messageOf } from '../runtime/errors.ts';
import { engineConfigSchema } from './engine/config.ts';
import { gatewayConfigSchema } from './gateways/config.ts';
import { labConfigSchema } from './lab/config.ts';
import { generatorConfigSchema } from './generator/config.ts';
import { agentConfigSchema, fleetConfigSchema, scalingConfigSchema } from './scaling-config.ts';
import { onnxConfigSchema } from './onnx/config.ts';

const count = z.int().min(1);
const milliseconds = z.number().positive();

const controllerConfig = z.object({
  mailboxMax: count.default(10_000),
  nodesMax: count.default(10_000),
});

const dispatcherConfig = z.object({
  mailboxMax: count.default(20_000),
  inFlightMax: count.default(10_000),
  inFlightPerTenantMax: count.default(10_000),
  /** Largest batch of a client's own in one query. */
  batchMax: count.default(1_024),
  /** Placements that may end with the death of what held the query. */
  attemptsMax: count.default(2),
  lossesMax: count.default(8),
  selection: policyName(selectionPolicies, 'cheapest'),
  /** Expected way to an instance and back. */
  hopMs: z.number().min(0).default(0.5),
});

const instanceConfig = z.object({
  queueMax: count.default(2_000),
  mailboxMax: count.default(4_000),
  batching: policyName(batchPolicies, 'adaptive'),
  /** A batch counts as hung after the larger of this and `hangFactor` times its predicted time. */
  hangMs: milliseconds.default(10_000),
  hangFactor: z.number().min(1).default(50),
});

const monitorConfig = z.object({
  windowMs: milliseconds.default(1_000),
  reportMs: milliseconds.default(250),
  mailboxMax: count.default(10_000),
  rules: z
    .object({
      overloadSets: z.number().default(defaultStateRules.overloadSets),
      overloadClears: z.number().default(defaultStateRules.overloadClears),
      backlogSetsMs: milliseconds.default(defaultStateRules.backlogSetsMs),
      backlogClearsMs: milliseconds.default(defaultStateRules.backlogClearsMs),
      slowdownSets: z.number().default(defaultStateRules.slowdownSets),
      slowdownClears: z.number().default(defaultStateRules.slowdownClears),
      interferedWindows: count.default(defaultStateRules.interferedWindows),
      clearWindows: count.default(defaultStateRules.clearWindows),
      batchesMin: count.default(defaultStateRules.batchesMin),
    })
    .prefault({}),
});

const workerConfig = z.object({
  mailboxMax: count.default(20_000),
  instancesMax: count.default(256),
  /** Instances to keep of each variant, by variant name. */
  /** How long a closing worker waits for what it runs. */
  drainMs: z.int().min(0).default(10_000),
  preload: z.record(z.string(), count).default({}),
  /** An instance that no query came to for this long may give way to a load. */
  evictAfterMs: milliseconds.default(5_000),
  /** Queries that wait until something has given way. */
  heldMax: count.default(1_000),
  scaling: scalingConfigSchema.prefault({}),
  /** Memory a worker needs before anything is loaded. */
  baseMemoryBytes: count.default(200 * 1024 * 1024),
  reload: z
    .object({
      restartsMax: count.default(reloadPolicy.restartsMax),
      withinMs: milliseconds.default(reloadPolicy.withinMs),
    })
    .prefault({}),
});

const busConfig = z.object({
  beatMs: milliseconds.default(250),
  missedMax: count.default(3),
});

export const configSchema = z.strictObject({
  controller: controllerConfig.prefault({}),
  dispatcher: dispatcherConfig.prefault({}),
  worker: workerConfig.prefault({}),
  instance: instanceConfig.prefault({}),
  monitor: monitorConfig.prefault({}),
  fleet: fleetConfigSchema.prefault({}),
  agent: agentConfigSchema.prefault({}),
  engine: engineConfigSchema.prefault({}),
  lab: labConfigSchema.prefault({}),
  gateway: gatewayConfigSchema.prefault({}),
  bus: busConfig.prefault({}),
  onnx: onnxConfigSchema.prefault({}),
  generator: generatorConfigSchema.prefault({}),
});

export type Config = z.infer<typeof configSchema>;

function policyName<T extends Readonly<Record<string, unknown>>>(
  policies: T,
  fallback: keyof T & string,
) {
  const names = Object.keys(policies) as (keyof T & string)[];
  return z.enum(names as [keyof T & string, ...(keyof T & string)[]]).default(fallback as never);
}

export interface ConfigSources {
  readonly file?: string | undefined;
  readonly environment: Readonly<Record<string, string | undefined>>;
}

/**
 * Reads file and environment over the defaults; throws ConfigInvalid naming what is wrong where.
 */
export function loadConfig(sources: ConfigSources): Config {
  const written = sources.file === undefined ? {} : readConfigFile(sources.file);
  const merged = applyEnvironment(written, sources.environment);
  const parsed = configSchema.safeParse(merged);
  if (parsed.success) return parsed.data;
  const where = sources.file ?? 'the environment';
  throw new ConfigInvalid(`${where}: ${z.prettifyError(parsed.error)}`, where);
}

type Settings = Record<string, Record<string, unknown>>;

function readConfigFile(file: string): Settings {
  try {
    const written: unknown = parseYaml(readFileSync(file, 'utf8'));
    return (written ?? {}) as Settings;
  } catch (error) {
    throw new ConfigInvalid(`cannot read ${file}: ${messageOf(error)}`, file, error);
  }
}

const prefix = 'INFAAS_';

function applyEnvironment(written: Settings, environment: ConfigSources['environment']): Settings {
  const merged: Settings = { ...written };
  for (const [name, value] of Object.entries(environment)) {
    if (!name.startsWith(prefix) || value === undefined) continue;
    const [section, ...words] = name.slice(prefix.length).toLowerCase().split('_');
    if (section === undefined || words.length === 0 || !(section in configSchema.shape)) continue;
    const key = words.map((word, at) => (at === 0 ? word : capitalised(word))).join('');
    merged[section] = { ...merged[section], [key]: scalarOf(value) };
  }
  return merged;
}

function capitalised(word: string): string {
  return word.charAt(0).toUpperCase() + word.slice(1);
}

function scalarOf(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}
