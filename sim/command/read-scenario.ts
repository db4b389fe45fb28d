/**
 * Reads a scenario from YAML. The schema is strict: an unknown key, a wrong unit or a name that
 * does not exist is refused, saying where it is and what was expected.
 */

import { readFileSync } from 'node:fs';
import { dirname, resolve } from 'node:path';

import { parse as parseYaml } from 'yaml';
import { z } from 'zod';

import type { Variant } from '../../actors/domain/variant.ts';
import { batchPolicies } from '../../actors/policy/batching/index.ts';
import { fleetPolicies } from '../../actors/policy/fleet/index.ts';
import {
  defaultPolicy,
  policies,
  type PolicyName,
  policyNames,
} from '../../actors/policy/policies.ts';
import { scalingPolicies } from '../../actors/policy/scaling/index.ts';
import { selectionPolicies } from '../../actors/policy/selection/index.ts';
import { ConfigInvalid, messageOf } from '../../runtime/errors.ts';
import { imageClassifiers } from '../profiles/image-classifiers.ts';
import { variantOfPoints } from '../profiles/simulated-variant.ts';
import type { MachineGroup, Scenario, Stream } from '../scenario/scenario.ts';
import type { Shape } from '../workloads/shape.ts';

const qps = z.number().min(0).max(1_000_000);
const seconds = z.number().positive().max(31_536_000);
const share = z.number().min(0).max(10);
const name = z.string().regex(/^[A-Za-z0-9_.-]{1,64}$/, 'letters, digits, ".", "-" and "_"');

const memoryUnits: Readonly<Record<string, number>> = { MiB: 2 ** 20, GiB: 2 ** 30 };

/** `4GiB` or `512MiB`. */
const memory = z.string().transform((text, ctx) => {
  const match = /^(\d+(?:\.\d+)?)\s*(MiB|GiB)$/.exec(text);
  const unit = memoryUnits[match?.[2] ?? ''];
  if (match !== null && unit !== undefined) return Math.round(Number(match[1]) * unit);
  ctx.addIssue({ code: 'custom', message: `"${text}" is no size; write 512MiB or 4GiB` });
  return z.NEVER;
});

const shape = z.discriminatedUnion('kind', [
  z.strictObject({ kind: z.literal('constant'), qps }),
  z.strictObject({ kind: z.literal('ramp'), fromQps: qps, toQps: qps }),
  z.strictObject({ kind: z.literal('step'), fromQps: qps, toQps: qps, atS: seconds }),
  z.strictObject({
    kind: z.literal('on-off'),
    ...{ onQps: qps, offQps: qps, onS: seconds, offS: seconds },
  }),
  z.strictObject({ kind: z.literal('diurnal'), minQps: qps, maxQps: qps, periodS: seconds }),
  z.strictObject({
    kind: z.literal('trace'),
    file: z.string(),
    stepS: seconds.default(1),
    scale: z.number().positive().default(1),
  }),
  z.strictObject({
    kind: z.literal('twitter-like'),
    meanQps: qps,
    fromS: z.number().min(0).max(86_400).default(0),
    speed: z.number().positive().max(1_000).default(1),
  }),
]);

const arrivals = z.discriminatedUnion('kind', [
  z.strictObject({ kind: z.literal('constant') }),
  z.strictObject({ kind: z.literal('poisson') }),
  z.strictObject({ kind: z.literal('gamma'), variation: z.number().positive().max(20) }),
]);

const stream = z.strictObject({
  shape,
  arrivals: arrivals.prefault({ kind: 'poisson' }),
  task: name.optional(),
  architectures: z.array(name).min(1).optional(),
  zipf: z.number().min(0).max(5).default(1),
  latencyMs: z.number().positive().optional(),
  accuracyMin: z.number().min(0).max(100).optional(),
  onMiss: z.enum(['best-effort', 'reject']).default('best-effort'),
  timeoutMs: z.number().positive().max(600_000).default(30_000),
  tenant: name.default('default'),
});

const hardware = z.enum(['cpu', 'cuda', 'webgpu']);

const machines = z.strictObject({
  name,
  hardware: hardware.default('cpu'),
  count: z.int().min(0).max(10_000).default(1),
  /** By default there are as many as there are at the start. */
  min: z.int().min(0).max(10_000).optional(),
  max: z.int().min(1).max(10_000).optional(),
  units: z.int().min(1).max(1_024),
  memory,
  usdPerHour: z.number().min(0),
  startUpS: z.number().min(0).max(3_600).default(25),
});

const ownVariant = z.strictObject({
  id: name,
  architecture: name,
  task: name,
  dataset: name.default('simulated'),
  hardware: hardware.default('cpu'),
  accuracy: z.number().min(0).max(100),
  loadMs: z.number().min(0),
  memory,
  /** Milliseconds of a batch by its size; the largest is the limit. */
  latencyMs: z.record(z.string().regex(/^[1-9]\d*$/), z.number().positive()),
});

const scenarioSchema = z.strictObject({
  name,
  about: z.string().default(''),
  seed: z.int().min(0).default(1),
  durationS: seconds,
  warmUpS: z.number().min(0).max(3_600).default(20),
  gateways: z.int().min(1).max(100).default(1),
  fleet: z.array(machines).min(1),
  /** The built-in profiles: which of their architectures. */
  profiles: z.array(name).optional(),
  variants: z.array(ownVariant).optional(),
  preload: z.record(z.string(), z.int().min(1)).default({}),
  load: z.array(stream).min(1),
  incidents: z
    .array(z.strictObject({ atS: seconds, crash: name, backAfterS: seconds.optional() }))
    .default([]),
  policy: z.enum(policyNames).optional(),
  selection: z.enum(Object.keys(selectionPolicies) as [keyof typeof selectionPolicies]).optional(),
  batching: z.enum(Object.keys(batchPolicies) as [keyof typeof batchPolicies]).optional(),
  scaling: z.enum(Object.keys(scalingPolicies) as [keyof typeof scalingPolicies]).optional(),
  fleetPolicy: z.enum(Object.keys(fleetPolicies) as [keyof typeof fleetPolicies]).optional(),
  spread: share.default(0.05),
  interference: share.default(0),
});

type Written = z.infer<typeof scenarioSchema>;

/** In place of what the scenario says. */
export interface Instead {
  readonly seed?: number | undefined;
  readonly policy?: PolicyName | undefined;
}

/** Throws ConfigInvalid: what is wrong, in which file, at which key. */
export function readScenario(file: string, instead: Instead = {}): Scenario {
  let written: unknown;
  try {
    written = parseYaml(readFileSync(file, 'utf8'));
  } catch (error) {
    throw new ConfigInvalid(`cannot read ${file}: ${messageOf(error)}`, file, error);
  }
  const parsed = scenarioSchema.safeParse(written);
  if (!parsed.success) throw new ConfigInvalid(`${file}: ${z.prettifyError(parsed.error)}`, file);
  return scenarioOf(parsed.data, file, instead);
}

function scenarioOf(written: Written, file: string, { seed, policy: other }: Instead): Scenario {
  const name = other ?? written.policy ?? defaultPolicy;
  const policy = policies[name];
  // A policy asked for by the command is meant whole.
  const parts: Partial<Pick<Written, 'selection' | 'batching' | 'scaling' | 'fleetPolicy'>> =
    other === undefined ? written : {};
  const variants = [...builtIn(written, file), ...(written.variants ?? []).map(variantOf)];
  if (variants.length === 0) {
    throw new ConfigInvalid(`${file}: it has no variants; give profiles or variants`, file);
  }
  const architectures = new Set(variants.map(({ architecture }) => architecture));
  return {
    ...written,
    seed: seed ?? written.seed,
    fleet: written.fleet.map((group) => groupOf(group, file)),
    variants,
    load: written.load.map((one, at) => streamOf(one, file, at, architectures, variants)),
    incidents: written.incidents.map(({ atS, crash, backAfterS }) => {
      checkMachine(written, file, crash);
      return { atS, crash, backAfterS };
    }),
    policy: name,
    selection: parts.selection ?? policy.selection,
    batching: parts.batching ?? policy.batching,
    scaling: parts.scaling ?? policy.scaling,
    fleetPolicy: parts.fleetPolicy ?? policy.fleet,
  };
}

function groupOf(
  { memory: memoryBytes, ...group }: z.infer<typeof machines>,
  file: string,
): MachineGroup {
  const { name: called, count, min = count, max = Math.max(1, count) } = group;
  if (min > count || count > max) {
    const what = `${String(count)} machines is not between ${String(min)} and ${String(max)}`;
    throw new ConfigInvalid(`${file}, fleet, ${called}: ${what}`, file);
  }
  return { ...group, memoryBytes, min, max };
}

/** Those that some machine of the fleet can run. */
function builtIn({ profiles, fleet }: Written, file: string): Variant[] {
  if (profiles === undefined) return [];
  const all = imageClassifiers();
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
