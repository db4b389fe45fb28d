/**
 * The configuration: every limit of the system in one schema, with its default and unit. All
 * objects are strict: `load-config.ts` refuses what is not here, and knows where settings come
 * from.
 */

import { z } from 'zod';

import { defaultStateRules } from '../actors/domain/instance.ts';
import { batchPolicies } from '../actors/policy/batching/index.ts';
import { defaultDriftRule } from '../actors/policy/profiling/drift.ts';
import { defaultPolicy, policies, policyNames } from '../actors/policy/policies.ts';
import { selectionPolicies } from '../actors/policy/selection/index.ts';
import { reloadPolicy } from '../actors/worker/behaviour.ts';
import { engineConfigSchema } from './engine/config.ts';
import { gatewayConfigSchema } from './gateways/config.ts';
import { labConfigSchema } from './lab/config.ts';
import { generatorConfigSchema } from './generator/config.ts';
import { agentConfigSchema, fleetConfigSchema, scalingConfigSchema } from './scaling-config.ts';
import { offlineConfigSchema } from './offline/config.ts';
import { onnxConfigSchema } from './onnx/config.ts';
import { recordingConfigSchema } from './recording/config.ts';
import { registrarConfigSchema } from './registrar/config.ts';
import {
  blobCacheConfigSchema,
  repositoryConfigSchema,
  storeConfigSchema,
} from './stores/config.ts';

const byDefault = policies[defaultPolicy];
const count = z.int().min(1);
const milliseconds = z.number().positive();

const controllerConfig = z.strictObject({
  mailboxMax: count.default(10_000),
  nodesMax: count.default(10_000),
});

const dispatcherConfig = z.strictObject({
  mailboxMax: count.default(20_000),
  inFlightMax: count.default(10_000),
  inFlightPerTenantMax: count.default(10_000),
  /** Largest batch of a client's own in one query. */
  batchMax: count.default(1_024),
  /** Placements that may end with the death of what held the query. */
  attemptsMax: count.default(2),
  lossesMax: count.default(8),
  /**
   * Recent queries whose decisions `explain` can tell, some 2 KB each; 0: none. What outlives the
   * young heap costs throughput: 256 take about 2 % of it, 2,000 about 7 %.
   */
  explainedMax: z.int().min(0).default(256),
  selection: policyName(selectionPolicies, byDefault.selection),
  /** Expected way to an instance and back. */
  hopMs: z.number().min(0).default(0.5),
  /** How long queries wait for a lost bus before they are refused. */
  busOutageMs: milliseconds.default(3_000),
  /** How long queries wait for a worker when the last one has gone; 0: they are refused. */
  workersGoneMs: z.number().min(0).default(10_000),
});

const recordsConfig = z.strictObject({
  mailboxMax: count.default(20_000),
  /** Events of the fleet that `explain --instance` can tell, some 500 bytes each. */
  eventsMax: count.default(5_000),
  /** Gateway nodes that decisions about the fleet are relayed to. */
  peersMax: count.default(1_000),
});

const instanceConfig = z.strictObject({
  queueMax: count.default(2_000),
  mailboxMax: count.default(4_000),
  batching: policyName(batchPolicies, byDefault.batching),
  /** A batch counts as hung after the larger of this and `hangFactor` times its predicted time. */
  hangMs: milliseconds.default(10_000),
  hangFactor: z.number().min(1).default(50),
});

const monitorConfig = z.strictObject({
  windowMs: milliseconds.default(1_000),
  reportMs: milliseconds.default(250),
  mailboxMax: count.default(10_000),
  /** When a profile counts as stale, and is measured anew: observed times over profiled ones. */
  drift: z
    .strictObject({
      /** Off beyond this, slower or faster; right again within `clearsAt`. */
      setsAt: z.number().min(1).default(defaultDriftRule.setsAt),
      clearsAt: z.number().min(1).default(defaultDriftRule.clearsAt),
      /** For how long it must have been off. */
      forMs: milliseconds.default(defaultDriftRule.forMs),
      /** Batches that make an observation. */
      batchesMin: count.default(defaultDriftRule.batchesMin),
      /** Of the latest observation, in the running ratio. */
      weight: z.number().positive().max(1).default(defaultDriftRule.weight),
    })
    .prefault({}),
  /** How often workers tell the registrar of it. */
  driftTellMs: milliseconds.default(10_000),
  rules: z
    .strictObject({
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

const workerConfig = z.strictObject({
  mailboxMax: count.default(20_000),
  instancesMax: count.default(256),
  /** How long a closing worker waits for what it runs. */
  drainMs: z.int().min(0).default(10_000),
  /** Instances to keep of each variant, by variant name. */
  preload: z.record(z.string(), count).default({}),
  /** An instance that no query came to for this long may give way to a load. */
  evictAfterMs: milliseconds.default(5_000),
  /** Queries that wait until something has given way. */
  heldMax: count.default(1_000),
  scaling: scalingConfigSchema.prefault({}),
  /** Memory a worker needs before anything is loaded. */
  baseMemoryBytes: count.default(200 * 1024 * 1024),
  reload: z
    .strictObject({
      restartsMax: count.default(reloadPolicy.restartsMax),
      withinMs: milliseconds.default(reloadPolicy.withinMs),
    })
    .prefault({}),
});

/** Worker processes that `infaas up` keeps: how often one may end by itself. */
const processesConfig = z.strictObject({
  restartsMax: count.default(5),
  withinMs: milliseconds.default(60_000),
  initialMs: milliseconds.default(100),
  factor: z.number().min(1).default(3),
  maxMs: milliseconds.default(5_000),
});

const busConfig = z.strictObject({
  beatMs: milliseconds.default(250),
  missedMax: count.default(3),
  /** One message between nodes: a query with its inputs, an answer. The same on all nodes. */
  messageBytesMax: count.default(64 * 1024 * 1024),
});

export const configSchema = z.strictObject({
  controller: controllerConfig.prefault({}),
  dispatcher: dispatcherConfig.prefault({}),
  records: recordsConfig.prefault({}),
  recording: recordingConfigSchema.prefault({}),
  worker: workerConfig.prefault({}),
  instance: instanceConfig.prefault({}),
  monitor: monitorConfig.prefault({}),
  fleet: fleetConfigSchema.prefault({}),
  agent: agentConfigSchema.prefault({}),
  engine: engineConfigSchema.prefault({}),
  lab: labConfigSchema.prefault({}),
  gateway: gatewayConfigSchema.prefault({}),
  bus: busConfig.prefault({}),
  processes: processesConfig.prefault({}),
  offline: offlineConfigSchema.prefault({}),
  onnx: onnxConfigSchema.prefault({}),
  generator: generatorConfigSchema.prefault({}),
  registrar: registrarConfigSchema.prefault({}),
  store: storeConfigSchema.prefault({}),
  /**
   * Sets `dispatcher.selection`, `instance.batching`, `worker.scaling.policy` and `fleet.policy`
   * together (`load-config.ts`); what is set of these is left as it is.
   */
  policy: z.enum(policyNames).default(defaultPolicy),
  repository: repositoryConfigSchema.prefault({}),
  cache: blobCacheConfigSchema.prefault({}),
});

export type Config = z.infer<typeof configSchema>;

function policyName<T extends Readonly<Record<string, unknown>>>(
  policies: T,
  fallback: keyof T & string,
) {
  const names = Object.keys(policies) as (keyof T & string)[];
  return z.enum(names as [keyof T & string, ...(keyof T & string)[]]).default(fallback as never);
}
