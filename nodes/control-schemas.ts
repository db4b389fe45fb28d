/**
 * Schemas of the messages to and from what stands beside the controller: the registrar, the offline
 * jobs and the records of decisions.
 */

import { z } from 'zod';

import { decisionKinds } from '../actors/domain/decision.ts';
import type { ModelManifest } from '../actors/domain/manifest.ts';
import { parseManifest } from './manifest-schema.ts';
import { profileSchema } from './profile-schema.ts';
import {
  absent,
  adapterSchema,
  bytes,
  error,
  hardware,
  jobAsked,
  modelFileSchema,
  optionalText,
  recipeSchema,
  ref,
  signatureSchema,
} from './shared-schemas.ts';

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

/** Between the registrar's node and the profilers of workers. */
const profilingSchemas = [
  z.object({
    type: z.literal('profiler.measure'),
    requestId: z.string(),
    file: modelFileSchema,
    fit: z.object({
      signature: signatureSchema,
      adapter: adapterSchema.nullish().transform(absent),
      recipe: recipeSchema.nullish().transform(absent),
    }),
    batchMax: z.int().positive(),
    budgetMs: z.number().positive().nullish().transform(absent),
    replyTo: ref,
  }),
  z.object({ type: z.literal('profiler.cancel'), ...told }),
  z.object({
    type: z.literal('profiles.progressed'),
    ...told,
    done: z.number(),
    total: z.number(),
  }),
  z.object({
    type: z.literal('profiles.measured'),
    ...told,
    outcome: z.discriminatedUnion('ok', [
      z.object({ ok: z.literal(true), profile: profileSchema, batchMax: z.int().positive() }),
      z.object({ ok: z.literal(false), error, elsewhere: z.boolean() }),
    ]),
  }),
] as const;

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
    type: z.literal('registrar.worker-seen'),
    workerId: z.string(),
    hardware,
    utilisation: z.number(),
    profiler: ref.nullish().transform(absent),
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

export const controlSchemas = [
  ...profilingSchemas,
  ...registrationSchemas,
  ...offlineSchemas,
  ...recordsSchemas,
] as const;
