/**
 * Reads a scenario from YAML. The schema is strict: an unknown key, a wrong unit or a name that
 * does not exist is refused, saying where it is and what was expected.
 */

import { readFileSync } from 'node:fs';
import { dirname, resolve } from 'node:path';

import { parse as parseYaml } from 'yaml';
import { z } from 'zod';

import { nearestName } from '../../actors/domain/nearest-name.ts';
import type { Variant } from '../../actors/domain/variant.ts';
import { defaultPolicy, policies, type PolicyName } from '../../actors/policy/policies.ts';
import { ConfigInvalid, messageOf } from '../../runtime/errors.ts';
import { imageClassifiers } from '../profiles/image-classifiers.ts';
import { type Modelled, modelledBy } from '../profiles/modelled.ts';
import { variantOfPoints } from '../profiles/simulated-variant.ts';
import type {
  Incident,
  MachineGroup,
  OfflineAsked,
  Scenario,
  Stream,
} from '../scenario/scenario.ts';
import type { Shape } from '../workloads/shape.ts';
import {
  forPolicySchema,
  scenarioKeys,
  type ownVariant,
  scenarioSchema,
  type shape,
  type Written,
} from './scenario-schema.ts';

/** In place of what the scenario says. */
export interface Instead {
  readonly seed?: number | undefined;
  readonly policy?: PolicyName | undefined;
  /** Any other keys, as they would be written. */
  readonly set?: Readonly<Record<string, unknown>> | undefined;
}

/** Throws ConfigInvalid: what is wrong, in which file, at which key. */
export function readScenario(file: string, instead: Instead = {}): Scenario {
  let written: unknown;
  try {
    written = parseYaml(readFileSync(file, 'utf8'));
  } catch (error) {
    throw new ConfigInvalid(`cannot read ${file}: ${messageOf(error)}`, file, error);
  }
  const parsed = scenarioSchema.safeParse(changed(written, instead));
  if (!parsed.success) {
    const what = `${file}: ${z.prettifyError(parsed.error)}${meantBy(parsed.error)}`;
    throw new ConfigInvalid(what, file);
  }
  return scenarioOf(parsed.data, file, instead);
}

/** For each key that there is not, the one that was most likely meant. */
function meantBy({ issues }: z.ZodError): string {
  const guesses: string[] = [];
  for (const issue of issues) {
    if (issue.code !== 'unrecognized_keys') continue;
    for (const key of issue.keys) {
      const nearest = nearestName(key, scenarioKeys);
      if (nearest !== undefined) guesses.push(`\n  "${key}": did you mean "${nearest}"?`);
    }
  }
  return guesses.join('');
}

/** What is for the chosen policy alone stands above the rest, and what is asked for above all. */
function changed(written: unknown, { policy, set }: Instead): unknown {
  if (typeof written !== 'object' || written === null) return written;
  const keys = { ...written, ...set } as Readonly<Record<string, unknown>>;
  const own = forPolicySchema.safeParse(keys['forPolicy']);
  const name = policy ?? keys['policy'] ?? defaultPolicy;
  return { ...keys, ...(own.data?.[name as PolicyName] ?? {}), ...set };
}

function scenarioOf(written: Written, file: string, { seed, policy: other }: Instead): Scenario {
  const name = other ?? written.policy ?? defaultPolicy;
  const policy = policies[name];
  // A policy asked for by the command is meant whole.
  const parts: Partial<Pick<Written, 'selection' | 'batching' | 'scaling' | 'fleetPolicy'>> =
    other === undefined ? written : {};
  const modelled = modelledBy(written.modelled);
  const variants = variantsOf(written, file, modelled);
  if (variants.length === 0) {
    throw new ConfigInvalid(`${file}: it has no variants; give profiles or variants`, file);
  }
  const architectures = new Set(variants.map(({ architecture }) => architecture));
  checkNames(written, file, variants);
  return {
    ...written,
    seed: seed ?? written.seed,
    fleet: written.fleet.map((group) => groupOf(group, file, modelled)),
    variants,
    load: written.load.map((one, at) => streamOf(one, file, at, architectures, variants)),
    offline: offlineOf(written, file, variants),
    incidents: written.incidents.map((one) => incidentOf(one, written, file)),
    // No time is below nothing.
    spread: Math.min(1, written.spread * modelled.spread),
    interference: written.interference * modelled.interference,
    hopMs: modelled.hopMs,
    policy: name,
    selection: parts.selection ?? policy.selection,
    batching: parts.batching ?? policy.batching,
    scaling: parts.scaling ?? policy.scaling,
    fleetPolicy: parts.fleetPolicy ?? policy.fleet,
  };
}

/** What would else be taken for another, or never happen. */
function checkNames(written: Written, file: string, variants: readonly Variant[]): void {
  const { fleet, preload, incidents, durationS } = written;
  const fail = (what: string): never => {
    throw new ConfigInvalid(`${file}, ${what}`, file);
  };
  const group = twice(fleet.map((each) => each.name));
  if (group !== undefined) fail(`fleet: two groups are called "${group}"`);
  const id = twice(variants.map((each) => each.id));
  if (id !== undefined) fail(`variants: two have the id "${id}"`);
  const unknown = Object.keys(preload).find((each) => variants.every((one) => one.id !== each));
  if (unknown !== undefined) fail(`preload: there is no variant "${unknown}"`);
  const late = incidents.find(({ atS }) => atS >= durationS);
  if (late !== undefined) {
    const { atS } = late;
    fail(`incidents: one at ${String(atS)} s would come after the end (durationS)`);
  }
  // Of the built-in ones those that fit are used; who writes one down means it.
  for (const { id: one, hardware: kind, memory } of written.variants ?? []) {
    const rooms = fleet.filter((each) => each.hardware === kind).map((each) => each.memory);
    if (rooms.length === 0 || memory <= Math.max(...rooms)) continue;
    fail(`variants: "${one}" is larger than the memory of any ${kind} machine`);
  }
}

function twice(names: readonly string[]): string | undefined {
  return names.find((each, at) => names.indexOf(each) < at);
}

function groupOf(
  { memory: memoryBytes, ...group }: Written['fleet'][number],
  file: string,
  modelled: Modelled,
): MachineGroup {
  const { name: called, count, min = count, max = Math.max(1, count) } = group;
  if (group.max !== undefined && min > max) {
    const what = `min, ${String(min)}, is more than max, ${String(max)}`;
    throw new ConfigInvalid(`${file}, fleet, ${called}: ${what}`, file);
  }
  if (min > count || count > max) {
    const what = `${String(count)} machines is not between ${String(min)} and ${String(max)}`;
    throw new ConfigInvalid(`${file}, fleet, ${called}: ${what}`, file);
  }
  return { ...group, memoryBytes, min, max, startUpS: group.startUpS * modelled.startUp };
}

function variantsOf(written: Written, file: string, modelled: Modelled): Variant[] {
  const all = [
    ...builtIn(written, file, modelled),
    ...(written.variants ?? []).map((one) => variantOf(one)),
  ];
  const only = written.variantsOnly;
  const unknown = only?.find((id) => !all.some((variant) => variant.id === id));
  if (unknown !== undefined) {
    throw new ConfigInvalid(`${file}, variantsOnly: there is no variant "${unknown}"`, file);
  }
  return only === undefined ? all : all.filter(({ id }) => only.includes(id));
}

/** Those that some machine of the fleet can run. */
function builtIn({ profiles, fleet }: Written, file: string, modelled: Modelled): Variant[] {
  if (profiles === undefined) return [];
  const all = imageClassifiers(modelled);
  const known = new Set(all.map(({ architecture }) => architecture));
  for (const each of profiles) {
    if (each !== 'all' && !known.has(each)) {
      const names = [...known].join(', ');
      const what = `there is no profile "${each}"; known: all, ${names}`;
      throw new ConfigInvalid(`${file}, profiles: ${what}`, file);
    }
  }
  const kinds = new Set(fleet.map((group) => group.hardware));
  const wanted = new Set(profiles);
  return all.filter(
    ({ architecture, hardware: kind }) =>
      kinds.has(kind) && (wanted.has('all') || wanted.has(architecture)),
  );
}

function variantOf({ memory: memoryBytes, latencyMs, ...figures }: z.infer<typeof ownVariant>) {
  const latency = Object.entries(latencyMs)
    .map(([batch, ms]) => ({ batch: Number(batch), ms }))
    .sort((a, b) => a.batch - b.batch);
  const batchMax = latency.at(-1)?.batch ?? 1;
  const measuredOn = 'the scenario';
  return variantOfPoints(
    { ...figures, memoryBytes, batchMax, precision: 'fp32', measuredOn },
    latency,
  );
}

function streamOf(
  written: Written['load'][number],
  file: string,
  at: number,
  known: ReadonlySet<string>,
  variants: readonly Variant[],
): Stream {
  const { task, architectures } = written;
  const where = `${file}, load[${String(at)}]`;
  if ((task === undefined) === (architectures === undefined)) {
    throw new ConfigInvalid(`${where}: give task or architectures, one of them`, file);
  }
  if (task !== undefined && !variants.some((variant) => variant.task === task)) {
    throw new ConfigInvalid(`${where}: no variant is of task "${task}"`, file);
  }
  const unknown = architectures?.find((each) => !known.has(each));
  if (unknown !== undefined) {
    throw new ConfigInvalid(`${where}: no variant is of architecture "${unknown}"`, file);
  }
  return {
    ...written,
    task,
    architectures: architectures ?? [],
    shape: shapeOf(written.shape, file),
    latencyMs: written.latencyMs,
    accuracyMin: written.accuracyMin,
  };
}

function offlineOf(
  { offline }: Written,
  file: string,
  variants: readonly Variant[],
): OfflineAsked | undefined {
  if (offline === undefined) return undefined;
  const { task, accuracyMin } = offline;
  if (!variants.some((variant) => variant.task === task)) {
    throw new ConfigInvalid(`${file}, offline: no variant is of task "${task}"`, file);
  }
  return { task, accuracyMin };
}

function incidentOf(
  { atS, crash, kill, cut, backAfterS, forS = 0 }: Written['incidents'][number],
  written: Written,
  file: string,
): Incident {
  if (cut !== undefined) {
    if (written.network !== 'bus') {
      throw new ConfigInvalid(`${file}, incidents: only a bus can be cut; say network: bus`, file);
    }
    if (cut !== 'bus') checkMachine(written, file, cut);
    return { kind: 'cut', atS, machine: cut === 'bus' ? undefined : cut, forS };
  }
  const machine = crash ?? kill ?? '';
  checkMachine(written, file, machine);
  return crash === undefined
    ? { kind: 'kill', atS, machine, backAfterS: backAfterS ?? processStartS }
    : { kind: 'crash', atS, machine, backAfterS };
}

/** What an agent takes to start another worker process where one has died, s. */
const processStartS = 1;

function checkMachine({ fleet }: Written, file: string, machine: string): void {
  const names = fleet.map((group) => `${group.name}-1 to ${group.name}-${String(group.count)}`);
  const exists = fleet.some((group) => {
    const number = Number(machine.slice(group.name.length + 1));
    return machine.startsWith(`${group.name}-`) && number >= 1 && number <= group.count;
  });
  if (exists) return;
  const what = `there is no machine "${machine}"; there are ${names.join(', ')}`;
  throw new ConfigInvalid(`${file}, incidents: ${what}`, file);
}

/** A trace's file is found from the scenario's folder. */
function shapeOf(written: z.infer<typeof shape>, file: string): Shape {
  if (written.kind !== 'trace') return written;
  const { stepS, scale } = written;
  const path = resolve(dirname(file), written.file);
  return { kind: 'trace', rates: readRates(path), stepS, scale };
}

function readRates(path: string): number[] {
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (error) {
    throw new ConfigInvalid(`cannot read the trace ${path}: ${messageOf(error)}`, path, error);
  }
  const rates: number[] = [];
  for (const [at, line] of text.split('\n').entries()) {
    const rate = line.replace(/#.*/, '').trim();
    if (rate === '') continue;
    if (!(Number(rate) >= 0 && Number(rate) < Infinity)) {
      const what = `"${rate.slice(0, 40)}" is no rate; one number a line, queries per second`;
      throw new ConfigInvalid(`${path}, line ${String(at + 1)}: ${what}`, path);
    }
    rates.push(Number(rate));
  }
  if (rates.length === 0) throw new ConfigInvalid(`${path}: there is no rate in it`, path);
  return rates;
}
