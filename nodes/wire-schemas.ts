/**
 * Schemas of every actor message that crosses a process. What does not match is refused at the
 * node's edge; behind it types are trusted. Parsing keeps byte views as they are: tensors are not
 * copied.
 */

import { z } from 'zod';

import type { BodyDecoders } from '../runtime/remote-inbound.ts';
import { FrameRejected } from '../runtime/errors.ts';
import { controlSchemas } from './control-schemas.ts';
import {
  absent,
  bytes,
  datatype,
  error,
  hardware,
  hardwareKind,
  names,
  optionalText,
  ref,
  variantSchema,
} from './shared-schemas.ts';

const tensor = z.object({ datatype, shape: z.array(z.number()), data: bytes });
const tensors = z.record(z.string(), tensor);
/** Infinity is a budget without a bound, which `z.number()` would refuse. */
const budgetMs = z.custom<number>((value) => typeof value === 'number' && !Number.isNaN(value));

const instanceState = z.enum([
  'loading',
  'active',
  'overloaded',
  'interfered',
  'migrating',
  'draining',
  'unloaded',
  'failed',
]);

const instanceReport = z.object({
  id: z.string(),
  path: z.string(),
  variantId: z.string(),
  state: instanceState,
  rateQps: z.number(),
  queued: z.number(),
  backlogMs: z.number(),
  lateMs: z.number().nullish().transform(absent),
  slowdown: z.number(),
  served: z.number(),
  loadLeftMs: z.number(),
});

const workerReport = z.object({
  workerId: z.string(),
  hardware,
  memoryUsedBytes: z.number(),
  utilisation: z.number(),
  onlineUtilisation: z.number().nullish().transform(absent),
  reclaimableBytes: z.number().nullish().transform(absent),
  instances: z.array(instanceReport),
});

const requirement = z.object({
  by: z.enum(['task', 'architecture', 'variant']),
  accuracyMin: z.number(),
  latencyMs: budgetMs,
});

const fleetSchemas = [
  z.object({
    type: z.literal('fleet.worker-reported'),
    worker: ref,
    workerId: z.string(),
    hardware,
    memoryUsedBytes: z.number(),
    utilisation: z.number(),
    instances: z.array(
      z.object({
        variantId: z.string(),
        state: instanceState,
        memoryBytes: z.number(),
        unitsUsed: z.number(),
        slowdown: z.number(),
        hardware: hardwareKind,
        demand: z.array(requirement.extend({ rateQps: z.number() })),
        machine: optionalText,
      }),
    ),
  }),
  z.object({
    type: z.literal('fleet.place-variant'),
    worker: ref,
    workerId: z.string(),
    variantId: z.string(),
    hardware: hardwareKind,
    machine: optionalText,
    memoryBytes: z.number(),
    instanceId: optionalText,
  }),
  z.object({
    type: z.literal('fleet.provisioner-reported'),
    name: z.string(),
    provisioner: ref,
    room: z.array(z.object({ kind: hardwareKind, units: z.number(), memoryBytes: z.number() })),
    workers: z.array(z.string()),
  }),
  z.object({ type: z.literal('fleet.worker-refused'), name: z.string(), why: z.string() }),
  z.object({ type: z.literal('fleet.worker-ended'), name: z.string(), how: z.string() }),
  z.object({
    type: z.literal('provisioner.add-worker'),
    name: z.string(),
    wanted: z.object({
      kind: hardwareKind,
      units: z.int().positive(),
      memoryBytes: z.number().positive().nullish().transform(absent),
    }),
    replyTo: ref,
  }),
  z.object({ type: z.literal('provisioner.remove-worker'), name: z.string(), replyTo: ref }),
  z.object({
    type: z.literal('worker.placed-elsewhere'),
    variantId: z.string(),
    instanceId: optionalText,
  }),
  z.object({
    type: z.literal('worker.plan-assigned'),
    counts: z.record(z.string(), z.int().min(0)),
  }),
] as const;

const outcome = z.discriminatedUnion('ok', [
  z.object({
    ok: z.literal(true),
    outputs: tensors,
    batchSize: z.number(),
    batchReason: z.string(),
    queueMs: z.number(),
    inferMs: z.number(),
  }),
  z.object({ ok: z.literal(false), error, retry: z.enum(['never', 'refused', 'suspect', 'lost']) }),
]);

function registryChanged<T extends string>(type: T) {
  return z.object({
    type: z.literal(type),
    since: z.number().nullish().transform(absent),
    revision: z.number(),
    variants: z.array(variantSchema),
    removed: names,
  });
}

const schemas = [
  ...controlSchemas,
  z.object({
    type: z.literal('controller.join-node'),
    requestId: z.string(),
    node: z.string(),
    incarnation: z.string(),
    kind: z.enum(['gateway', 'worker', 'controller', 'agent']),
    epochSeen: z.number(),
    replyTo: ref,
  }),
  z.object({ type: z.literal('node.joined'), requestId: z.string(), epoch: z.number() }),
  z.object({ type: z.literal('node.join-refused'), requestId: z.string(), message: z.string() }),
  z.object({ type: z.literal('node.attach-wanted') }),
  z.object({ type: z.literal('controller.attach-dispatcher'), dispatcher: ref }),
  z.object({ type: z.literal('controller.attach-worker'), worker: ref }),
  registryChanged('dispatcher.registry-changed'),
  registryChanged('worker.registry-changed'),
  z.object({
    type: z.literal('worker.dispatchers-changed'),
    dispatchers: z.array(ref),
    revision: z.number().optional(),
  }),
  z.object({
    type: z.literal('worker.load-variant'),
    variantId: z.string(),
    count: z.int().positive(),
  }),
  z.object({ type: z.literal('worker.unload-variant'), variantId: z.string() }),
  z.object({
    type: z.literal('worker.run-query'),
    queryId: z.string(),
    variantId: z.string(),
    instanceId: optionalText,
    inputs: tensors,
    outputs: names,
    batch: z.int().positive(),
    batchKey: z.string(),
    asks: requirement,
    sloLeadMs: budgetMs,
    rejectLate: z.boolean(),
    replyTo: ref,
  }),
  z.object({
    type: z.literal('worker.cancel-query'),
    queryId: z.string(),
    variantId: z.string(),
    instanceId: optionalText,
  }),
  z.object({
    type: z.literal('dispatcher.query-finished'),
    queryId: z.string(),
    epoch: z.number(),
    instanceId: z.string(),
    outcome,
    backlogMs: z.number(),
  }),
  z.object({
    type: z.literal('dispatcher.query-assigned'),
    queryId: z.string(),
    instanceId: z.string(),
    path: z.string(),
  }),
  z.object({
    type: z.literal('dispatcher.worker-reported'),
    worker: ref,
    report: workerReport,
    dispatchers: z.number(),
  }),
  ...fleetSchemas,
] as const;

interface BodySchema {
  safeParse(body: unknown): { success: boolean; data?: unknown; error?: z.ZodError };
}

const byType: ReadonlyMap<string, BodySchema> = new Map(
  schemas.map((schema) => [schema.shape.type.value, schema]),
);

/** The types that may cross a process; tests hold them against the protocols. */
export const wireTypes: readonly string[] = [...byType.keys()];

/** Of one attempt at one query, within its budget. */
const needDelivery: ReadonlySet<string> = new Set([
  'worker.run-query',
  'dispatcher.query-finished',
  'dispatcher.query-assigned',
]);

export const bodyDecoders: BodyDecoders = {
  decode(type, body, delivered) {
    const schema = byType.get(type);
    if (schema === undefined)
      throw new FrameRejected(`no message of type "${type}" is taken`, type);
    if (!delivered && needDelivery.has(type))
      throw new FrameRejected(`a "${type}" message does not say how it is delivered`, type);
    const parsed = schema.safeParse(body);
    if (parsed.success) return parsed.data;
    const why = z.prettifyError(parsed.error ?? new z.ZodError([]));
    throw new FrameRejected(`a "${type}" message does not fit its schema: ${why}`, type);
  },
};
