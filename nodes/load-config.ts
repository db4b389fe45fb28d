/**
 * Where settings come from: the environment over the file over the defaults. A setting's variable
 * is its path, `INFAAS_DISPATCHER_IN_FLIGHT_MAX` is `dispatcher.inFlightMax`.
 *
 * A name that is none is refused with the nearest that is: a limit that somebody believes to have
 * set is worse than a process that does not start.
 */

import { readFileSync } from 'node:fs';

import { parse as parseYaml } from 'yaml';
import { z } from 'zod';

import { ConfigInvalid, messageOf } from '../runtime/errors.ts';
import { type Policy, type PolicyName, policies } from '../actors/policy/policies.ts';
import { type Config, configSchema } from './config.ts';
import { nearestName } from '../actors/domain/nearest-name.ts';

export interface ConfigSources {
  readonly file?: string | undefined;
  readonly environment: Readonly<Record<string, string | undefined>>;
  /** Where none is named. */
  readonly policy?: PolicyName | undefined;
}

/** Variables that stand for a flag and not for a setting; the command line reads them. */
export const flagVariables: readonly string[] = [
  ...['INFAAS_CONFIG', 'INFAAS_LOG_LEVEL', 'INFAAS_NATS', 'INFAAS_NAME', 'INFAAS_HOST'],
  ...['INFAAS_PORT', 'INFAAS_TOKEN', 'INFAAS_DATA', 'INFAAS_CORES', 'INFAAS_MEMORY'],
  ...['INFAAS_WORKERS', 'INFAAS_WORKERS_MAX', 'INFAAS_URL'],
];

/** Throws ConfigInvalid naming what is wrong where, all of it at once. */
export function loadConfig({ file, environment, policy }: ConfigSources): Config {
  const settings = file === undefined ? {} : readConfigFile(file);
  const given = applyEnvironment(settings, environment);
  if (policy !== undefined) settings['policy'] ??= policy;
  applyPolicy(settings);
  const parsed = configSchema.safeParse(settings);
  if (parsed.success) return parsed.data;
  const lines = parsed.error.issues.flatMap((issue) => describeIssue(issue, file, given));
  throw new ConfigInvalid(lines.join('\n'), file ?? 'the environment');
}

type Settings = Record<string, unknown>;

function readConfigFile(file: string): Settings {
  let written: unknown;
  try {
    written = parseYaml(readFileSync(file, 'utf8'));
  } catch (error) {
    throw new ConfigInvalid(`cannot read ${file}: ${messageOf(error)}`, file, error);
  }
  if (isSettings(written ?? {})) return (written ?? {}) as Settings;
  const sections = Object.keys(configSchema.shape).join(', ');
  throw new ConfigInvalid(`${file}: expected sections with settings; known: ${sections}`, file);
}

function isSettings(value: unknown): value is Settings {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

// --- The environment ------------------------------------------------------------------------

interface Setting {
  readonly path: readonly string[];
  readonly schema: z.ZodType;
}

const settingsByVariable: ReadonlyMap<string, Setting> = new Map(
  settingsOf(configSchema, []).map((setting) => [variableOf(setting.path), setting]),
);

/** Every setting of the schema, sections among them: `INFAAS_WORKER_PRELOAD` takes JSON. */
function settingsOf(schema: z.ZodType, path: readonly string[]): Setting[] {
  return Object.entries(shapeOf(schema) ?? {}).flatMap(([key, inner]) => {
    const setting = { path: [...path, key], schema: inner };
    return [setting, ...settingsOf(inner, setting.path)];
  });
}

function variableOf(path: readonly string[]): string {
  const words = path.map((key) => key.replace(/[A-Z]/g, (letter) => `_${letter}`));
  return `INFAAS_${words.join('_').toUpperCase()}`;
}

/** The settings of an object, whatever default it is wrapped in; undefined for anything else. */
function shapeOf(schema: z.ZodType): Readonly<Record<string, z.ZodType>> | undefined {
  if (schema instanceof z.ZodObject) return schema.shape;
  const wrapped =
    schema instanceof z.ZodPrefault ||
    schema instanceof z.ZodDefault ||
    schema instanceof z.ZodOptional;
  const inner: unknown = wrapped ? schema.unwrap() : undefined;
  return inner instanceof z.ZodType ? shapeOf(inner) : undefined;
}

/** Sets what variables say; returns which variable gave which path. */
function applyEnvironment(
  settings: Settings,
  environment: ConfigSources['environment'],
): ReadonlyMap<string, string> {
  const given = new Map<string, string>();
  for (const [name, text] of Object.entries(environment)) {
    if (!name.startsWith('INFAAS_') || text === undefined || flagVariables.includes(name)) continue;
    const setting = settingsByVariable.get(name);
    if (setting === undefined) throw unknownVariable(name);
    put(settings, setting.path, valueOf(text, setting.schema));
    given.set(setting.path.join('.'), name);
  }
  return given;
}

function unknownVariable(name: string): ConfigInvalid {
  const meant = nearestName(name, [...flagVariables, ...settingsByVariable.keys()]);
  const hint = meant === undefined ? '' : `; did you mean ${meant}?`;
  return new ConfigInvalid(`${name} is the variable of no setting${hint}`, name);
}

/** Text where text is wanted, so that a token may be all digits; JSON otherwise. */
function valueOf(text: string, schema: z.ZodType): unknown {
  if (schema.safeParse(text).success) return text;
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}

function put(settings: Settings, path: readonly string[], value: unknown): void {
  const [key = '', ...rest] = path;
  if (rest.length === 0) {
    settings[key] = value;
    return;
  }
  const inner = settings[key] ?? {};
  // Anything else is refused by the schema, which says so better.
  if (!isSettings(inner)) return;
  settings[key] = inner;
  put(inner, rest, value);
}

// --- The policy -----------------------------------------------------------------------------

const policySettings: Readonly<Record<keyof Policy, readonly string[]>> = {
  selection: ['dispatcher', 'selection'],
  batching: ['instance', 'batching'],
  scaling: ['worker', 'scaling', 'policy'],
  fleet: ['fleet', 'policy'],
};

/** A policy named is its four parts, but for those that are set themselves. */
function applyPolicy(settings: Settings): void {
  const { policy } = settings;
  // What is no policy is refused by the schema, which says what there is.
  if (typeof policy !== 'string' || !Object.hasOwn(policies, policy)) return;
  for (const [part, path] of Object.entries(policySettings)) {
    const value = policies[policy as keyof typeof policies][part as keyof Policy];
    if (settingAt(settings, path) === undefined) put(settings, path, value);
  }
}

function settingAt(settings: unknown, [key, ...rest]: readonly string[]): unknown {
  if (key === undefined) return settings;
  return isSettings(settings) ? settingAt(settings[key], rest) : undefined;
}

// --- What is wrong --------------------------------------------------------------------------

function describeIssue(
  issue: z.core.$ZodIssue,
  file: string | undefined,
  given: ReadonlyMap<string, string>,
): string[] {
  const path = issue.path.map(String).join('.');
  const variable = [...given].find(([start]) => path === start || path.startsWith(`${start}.`));
  const source = variable?.[1] ?? file ?? 'the configuration';
  if (issue.code !== 'unrecognized_keys') return [`${source}: ${path}: ${issue.message}`];
  const known = Object.keys(shapeAt(issue.path.map(String)));
  return issue.keys.map((key) => {
    const name = path === '' ? key : `${path}.${key}`;
    const meant = nearestName(key, known);
    const hint = meant === undefined ? `known: ${known.join(', ')}` : `did you mean ${meant}?`;
    return `${source}: there is no setting ${name}; ${hint}`;
  });
}

function shapeAt(path: readonly string[]): Readonly<Record<string, z.ZodType>> {
  let shape = shapeOf(configSchema) ?? {};
  for (const key of path) shape = shapeOf(shape[key] ?? z.never()) ?? {};
  return shape;
}
