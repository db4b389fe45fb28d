/**
 * What may stand in a scenario file. Strict: an unknown key, a wrong unit or a value out of range
 * is refused with its place.
 */

import { z } from 'zod';

import { parseMemorySize } from '../../actors/domain/memory-size.ts';
import { batchPolicies } from '../../actors/policy/batching/index.ts';
import { fleetPolicies } from '../../actors/policy/fleet/index.ts';
import { policyNames } from '../../actors/policy/policies.ts';
import { scalingPolicies } from '../../actors/policy/scaling/index.ts';
import { selectionPolicies } from '../../actors/policy/selection/index.ts';
import { modelledNames } from '../profiles/modelled.ts';

const qps = z.number().min(0).max(1_000_000);
const seconds = z.number().positive().max(31_536_000);
/** How far a time is from its profile: none is below nothing. */
const spread = z.number().min(0).max(1);
const interference = z.number().min(0).max(10);
const name = z.string().regex(/^[A-Za-z0-9_.-]{1,64}$/, 'letters, digits, ".", "-" and "_"');

/** As `infaas worker --memory` takes it, but not without a unit: nobody means 4 bytes. */
const memory = z.union([z.string(), z.number()]).transform((given, ctx) => {
  const bytes = Number.isNaN(Number(given)) ? parseMemorySize(String(given)) : undefined;
  if (bytes !== undefined) return bytes;
  ctx.addIssue({ code: 'custom', message: `"${given}" is no size; write 512MiB or 4GiB` });
  return z.NEVER;
});

const accuracy = z
  .number()
  .min(0)
  .max(100)
  .refine((percent) => percent === 0 || percent >= 1, {
    error: 'accuracies are percent: write 90 for 0.90',
  });

export const shape = z.discriminatedUnion('kind', [
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
  accuracyMin: accuracy.optional(),
  onMiss: z.enum(['best-effort', 'reject']).default('best-effort'),
  timeoutMs: z.number().positive().max(600_000).default(30_000),
  tenant: name.default('default'),
});

const hardware = z.enum(['cpu', 'cuda', 'webgpu', 'inferentia'], {
  error: 'expected cpu, cuda (any GPU), webgpu or inferentia',
});

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

export const ownVariant = z.strictObject({
  id: name,
  architecture: name,
  task: name,
  dataset: name.default('simulated'),
  hardware: hardware.default('cpu'),
  accuracy,
  loadMs: z.number().min(0),
  memory,
  /** Milliseconds of a batch by its size; the largest is the limit. */
  latencyMs: z
    .record(z.string().regex(/^[1-9]\d*$/), z.number().positive())
    .refine((latencyMs) => Object.hasOwn(latencyMs, '1'), {
      error: 'say what a batch of 1 takes, and of others as far as you know: { 1: 8, 8: 50 }',
    }),
});

const incident = z
  .strictObject({
    atS: seconds,
    crash: name.optional(),
    kill: name.optional(),
    cut: name.optional(),
    backAfterS: seconds.optional(),
    forS: seconds.optional(),
  })
  .refine(
    ({ crash, kill, cut }) => [crash, kill, cut].filter((one) => one !== undefined).length === 1,
    {
      error:
        'give one of crash (a machine), kill (its worker process) and cut (a machine, or "bus")',
    },
  )
  .refine(({ cut, forS }) => (cut === undefined) === (forS === undefined), {
    error: 'a cut, and nothing else, says how long it lasts: forS',
  })
  .refine(({ cut, backAfterS }) => cut === undefined || backAfterS === undefined, {
    error: 'a cut heals after forS; backAfterS is for crash and kill',
  });

/** Keys of a scenario that one policy has otherwise: the counts it was tuned to, say. */
export const forPolicySchema = z.partialRecord(
  z.enum(policyNames),
  z.record(z.string(), z.unknown()),
);

export const scenarioSchema = z.strictObject({
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
  forPolicy: forPolicySchema.default({}),
  incidents: z.array(incident).default([]),
  /** Offline work beside the load, without end: queries of a task, answered where there is room. */
  offline: z.strictObject({ task: name, accuracyMin: accuracy.optional() }).optional(),
  /** Of the built-in and the scenario's own variants, these alone. */
  variantsOnly: z.array(z.string()).min(1).optional(),
  /** Every rate is multiplied by it. */
  loadFactor: z.number().positive().max(1_000).default(1),
  /** Modelled constants (`sim/profiles/modelled.ts`), multiplied by these. */
  modelled: z.partialRecord(z.enum(modelledNames), z.number().positive().max(100)).default({}),
  /** `bus`: every message is encoded and every beat sent, as over NATS. */
  network: z.enum(['direct', 'bus']).default('direct'),
  policy: z.enum(policyNames).optional(),
  selection: z.enum(Object.keys(selectionPolicies) as [keyof typeof selectionPolicies]).optional(),
  batching: z.enum(Object.keys(batchPolicies) as [keyof typeof batchPolicies]).optional(),
  scaling: z.enum(Object.keys(scalingPolicies) as [keyof typeof scalingPolicies]).optional(),
  fleetPolicy: z.enum(Object.keys(fleetPolicies) as [keyof typeof fleetPolicies]).optional(),
  spread: spread.default(0.05),
  noise: z.array(z.number().positive()).min(2).max(1_001).optional(),
  interference: interference.default(0),
});

/** All keys that there are anywhere in a scenario. */
export const scenarioKeys: readonly string[] = [
  ...[scenarioSchema, machines, stream, ownVariant].flatMap((schema) => Object.keys(schema.shape)),
  ...shape.options.flatMap((option) => Object.keys(option.shape)),
  ...['crash', 'kill', 'cut', 'backAfterS', 'forS', 'variation'],
];

export type Written = z.infer<typeof scenarioSchema>;
