/**
 * Schemas of every actor message that crosses a process. What does not match is refused at the
 * node's edge; behind it types are trusted. Parsing keeps byte views as they are: tensors are not
 * copied.
 */

import { z } from 'zod';

import type { BodyDecoders } from '../runtime/remote-inbound.ts';
import { FrameRejected } from '../runtime/errors.ts';
import { datatypes } from '../runtime/wire/tensors.ts';
import { decisionKinds } from '../actors/domain/decision.ts';
import type { ModelManifest } from '../actors/domain/manifest.ts';
import { outcomeCodes } from '../actors/domain/outcome.ts';
import { accuracyKinds } from '../actors/domain/variant.ts';
import { parseManifest } from './manifest-schema.ts';
import { profileSchema } from './profile-schema.ts';

const ref = z.object({ node: z.string(), epoch: z.number(), path: z.string() });
const bytes = z.instanceof(Uint8Array);
const datatype = z.enum(datatypes);
const optionalText = z.string().nullish().transform(absent);
const tensor = z.object({ datatype, shape: z.array(z.number()), data: bytes });
const tensors = z.record(z.string(), tensor);
const names = z.array(z.string()).nullish().transform(absent);
/** Infinity is a budget without a bound, which `z.number()` would refuse. */
const budgetMs = z.custom<number>((value) => typeof value === 'number' && !Number.isNaN(value));

/** msgpack has no undefined: what was absent arrives as nil. */
function absent<T>(value: T | null | undefined): T | undefined {
  return value ?? undefined;
}

const tensorSpec = z.object({
  datatype,
  shape: z.array(z.union([z.number(), z.string()])),
  shared: z.boolean().nullish().transform(absent),
  state: optionalText,
});

export const signatureSchema = z.object({
  inputs: z.record(z.string(), tensorSpec),
  outputs: z.record(z.string(), tensorSpec),
});

const textMap = z.record(z.string(), z.string()).nullish().transform(absent);

export const adapterSchema = z.object({
  inputs: textMap,
  outputs: textMap,
  tail: z.record(z.string(), z.int().positive()).nullish().transform(absent),
  drop: names,
});

const hardwareKind = z.enum(['cpu', 'cuda', 'webgpu', 'inferentia']);

export const variantSchema = z.object({
  id: z.string(),
  architecture: z.string(),
  task: z.string(),
  dataset: z.string(),
  precision: z.string(),
  file: z.object({
    path: z.string(),
    sha256: z.string(),
    bytes: z.number(),
    beside: z
      .array(z.object({ name: z.string(), sha256: z.string(), bytes: z.number() }))
      .nullish()
      .transform(absent),
  }),
  accuracy: z.number(),
  accuracyKind: z.enum(accuracyKinds),
  accuracyReference: optionalText,
  signature: signatureSchema,
  adapter: adapterSchema,
  batchMax: z.int().positive(),
  hardware: hardwareKind,
  profile: profileSchema,
  version: z.number().nullish().transform(absent),
  machine: optionalText,
  stale: optionalText,
});

export const familySchema = z.object({
  architecture: z.string(),
  version: z.number(),
  sourceDigest: optionalText,
  complete: z.boolean(),
  variants: z.array(variantSchema),
  refused: z.array(z.object({ name: z.string(), reason: z.string() })),
});

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
  slowdown: z.number(),
  served: z.number(),
  loadLeftMs: z.number(),
});

const hardware = z.array(
  z.object({
    kind: hardwareKind,
    units: z.number(),
    memoryBytes: z.number(),
    costUsdPerUnitHour: z.number(),
  }),
);

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
        hardware: hardwareKind,
        demand: z.array(requirement.extend({ rateQps: z.number() })),
      }),
    ),
  }),
  z.object({
    type: z.literal('fleet.place-variant'),
    worker: ref,
    workerId: z.string(),
    variantId: z.string(),
    hardware: hardwareKind,
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

const error = z.object({
  code: z.enum(outcomeCodes),
  message: z.string(),
  retryable: z.boolean(),
  details: z.record(z.string(), z.unknown()),
});

const outcome = z.discriminatedUnion('ok', [
  z.object({
    ok: z.literal(true),
    outputs: tensors,
    batchSize: z.number(),
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

const principal = z.object({
  name: z.string(),
  tenant: z.string(),
  mayRegister: z.boolean().nullish().transform(absent),
});

/** Read again as strictly as when it came in. */
const manifest = z.unknown().transform((written, context): ModelManifest => {
  const parsed = parseManifest(written);
  if (parsed.ok) return parsed.manifest;
  context.addIssue({ code: 'custom', message: parsed.problem });
  return z.NEVER;
});

const asked = { requestId: z.string(), principal, replyTo: ref };
const told = { requestId: z.string() };

/** Between gateways and the registrar's node. */
const registrationSchemas = [
  z.object({
    type: z.literal('uploads.write-chunk'),
    ...asked,
    uploadId: z.string(),
    file: z.string(),
    offset: z.int().min(0),
    data: bytes,
  }),
  z.object({
    type: z.literal('registrar.register-family'),
    ...asked,
    uploadId: z.string(),
    manifest,
    options: z.object({ generate: z.boolean(), profile: z.boolean() }),
  }),
  z.object({
    type: z.literal('registrar.unregister-family'),
    ...asked,
    architecture: z.string(),
    variant: optionalText,
  }),
  z.object({
    type: z.literal('registrar.drift-seen'),
    workerId: z.string(),
    everyMs: z.number().positive(),
    drifts: z.array(
      z.object({ variantId: z.string(), ratio: z.number().positive(), stale: z.boolean() }),
    ),
  }),
  z.object({ type: z.literal('gateway.chunk-written'), ...told, bytes: z.number() }),
  z.object({
    type: z.literal('gateway.registration-progressed'),
    ...told,
    progress: z.object({
      stage: z.string(),
      variant: optionalText,
      done: z.number(),
      total: z.number(),
    }),
  }),
  // Our own node wrote these for clients to read: plain data that nothing here acts on.
  z.object({ type: z.literal('gateway.family-registered'), ...told, report: z.looseObject({}) }),
  z.object({ type: z.literal('gateway.family-unregistered'), ...told, report: z.looseObject({}) }),
  z.object({ type: z.literal('gateway.registration-refused'), ...told, error }),
] as const;

const jobAsked = z.object({
  selector: z.discriminatedUnion('by', [
    z.object({ by: z.literal('task'), task: z.string(), dataset: optionalText }),
    z.object({ by: z.literal('architecture'), architecture: z.string() }),
    z.object({ by: z.literal('variant'), variant: z.string() }),
  ]),
  slo: z.object({
    accuracyMin: z.number().nullish().transform(absent),
    costUsdMax: z.number().nullish().transform(absent),
  }),
  outputs: names,
  input: z.string(),
  output: z.string(),
});

/** As the store holds it. */
export const jobRecordSchema = z.object({
  id: z.string(),
  tenant: z.string(),
  asked: jobAsked,
  items: z.number(),
  fingerprint: z.string(),
  state: z.enum(['open', 'done', 'cancelled', 'failed']),
  why: optionalText,
  written: z.number().nullish().transform(absent),
  failed: z.number().nullish().transform(absent),
});

const decision = z.object({
  kind: z.enum(decisionKinds),
  by: z.string(),
  atMs: z.number(),
  subject: z.string(),
  chosen: z.string(),
  why: z.string(),
  seen: z.record(z.string(), z.union([z.number(), z.string()])),
  rejected: z.array(z.object({ what: z.string(), why: z.string() })),
});

/** From workers, and from the records beside the controller, to those of gateway nodes. */
const recordsSchemas = [
  z.object({ type: z.literal('decisions.decision-made'), decision }),
  z.object({ type: z.literal('records.decision-relayed'), decision }),
  z.object({ type: z.literal('records.attach-peer'), peer: ref }),
] as const;

/** Between gateways and the offline jobs beside the controller. */
const offlineSchemas = [
  z.object({ type: z.literal('offline.submit-job'), ...asked, asked: jobAsked }),
  z.object({ type: z.literal('offline.describe-jobs'), ...asked, jobId: optionalText }),
  z.object({ type: z.literal('offline.cancel-job'), ...asked, jobId: z.string() }),
  // As with registrations, plain data that clients read.
  z.object({
    type: z.literal('gateway.jobs-described'),
    ...told,
    jobs: z.array(z.looseObject({})),
  }),
  z.object({ type: z.literal('gateway.job-refused'), ...told, error }),
] as const;

const schemas = [
  ...registrationSchemas,
  ...offlineSchemas,
  ...recordsSchemas,
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
