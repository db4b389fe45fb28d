/** What a worker is set to, and what it holds. */

import type { ActorContext, Ref } from '../../runtime/actor.ts';
import { refOf } from '../../runtime/actor.ts';
import type { SupervisionPolicy } from '../../runtime/supervision.ts';
import type { ControllerMessage } from '../controller/protocol.ts';
import type { DecisionMade } from '../domain/decision.ts';
import { type Hardware, runsOn } from '../domain/hardware.ts';
import type { InstanceId } from '../domain/instance.ts';
import type { Variant, VariantId } from '../domain/variant.ts';
import type { InstanceLoad, WorkerId, WorkerReport } from '../domain/worker.ts';
import type { FleetMessage } from '../fleet-autoscaler/protocol.ts';
import type { InstanceConfig } from '../instance/behaviour.ts';
import type { EngineCommand } from '../instance/engine-port.ts';
import type { InstanceMessage } from '../instance/protocol.ts';
import type { ModelAutoscalerConfig } from '../model-autoscaler/behaviour.ts';
import type { ModelAutoscalerMessage } from '../model-autoscaler/protocol.ts';
import type { MonitorConfig } from '../monitor/behaviour.ts';
import type { MonitorMessage } from '../monitor/protocol.ts';
import type { ProfilerMessage } from '../registrar/profiler-port.ts';
import type { WorkerSeen } from '../registrar/protocol.ts';
import type { RunQuery, WorkerEvent, WorkerMessage } from './protocol.ts';

export interface WorkerConfig {
  readonly mailboxMax: number;
  readonly instancesMax: number;
  /** Instances to keep of each variant from the start on; lost ones are loaded again. */
  readonly preload: Readonly<Record<VariantId, number>>;
  readonly baseMemoryBytes: number;
  /** When an instance fails: how often, and after what pause, its variant may load again here. */
  readonly reload: SupervisionPolicy;
  /** An instance that no query came to for this long may give way to a load. */
  readonly evictAfterMs: number;
  /** Queries that wait until something has given way. */
  readonly heldMax: number;
  /** Told nothing by the controller for so long, it attaches anew. */
  readonly forgottenMs?: number;
  readonly instance: InstanceConfig;
  readonly monitor: MonitorConfig;
  readonly scaling: ModelAutoscalerConfig;
}

export interface WorkerOptions {
  readonly id: WorkerId;
  readonly node: string;
  readonly epoch: () => number;
  readonly hardware: readonly Hardware[];
  readonly engine: Ref<EngineCommand>;
  readonly controller: Ref<ControllerMessage>;
  /** Whom to ask for room elsewhere; undefined where there is no other worker. */
  readonly fleet?: Ref<FleetMessage> | undefined;
  /** Path of the records on each dispatcher's node, where decisions are kept; if anywhere. */
  readonly recordsPath?: string | undefined;
  /** Who has stale profiles measured anew. */
  readonly registrar?: Ref<WorkerSeen> | undefined;
  /** Measures models on this machine for the registrar. */
  readonly profiler?: Ref<ProfilerMessage> | undefined;
  readonly config: WorkerConfig;
}

export interface Loaded {
  readonly id: InstanceId;
  readonly ref: Ref<InstanceMessage>;
  variant: Variant;
  /** It has loaded, as far as reports tell. */
  ready: boolean;
  /** It takes no more queries. */
  draining: boolean;
  /** When its last query came, or it was spawned. */
  usedAtMs: number;
  /** It gives way to this one, which loads. */
  successorId: InstanceId | undefined;
}

export interface Working {
  readonly options: WorkerOptions;
  readonly monitor: Ref<MonitorMessage>;
  readonly autoscaler: Ref<ModelAutoscalerMessage>;
  registry: Registry;
  /** Of the registry that it knows. */
  revision: number;
  readonly instances: Map<InstanceId, Loaded>;
  /** Those that take queries. */
  readonly byVariant: Map<VariantId, Loaded[]>;
  readonly wanted: Map<VariantId, number>;
  /** When each variant's instances failed here, for the intensity limit. */
  readonly failures: Map<VariantId, readonly number[]>;
  /** The newest of them in words, and when: instances of one engine host die of one cause. */
  readonly lastFailure: Map<VariantId, { readonly why: string; readonly atMs: number }>;
  /** Variants that failed too often here, until when. */
  readonly barredUntilMs: Map<VariantId, number>;
  /** When variants moved away from here. */
  readonly movedAtMs: Map<VariantId, number>;
  /** Queries of variants for which room is being made. */
  /** Something unloads for others to load. */
  makingRoom: boolean;
  /** As last reported. */
  loads: Map<InstanceId, InstanceLoad>;
  dispatchers: readonly Ref<WorkerEvent>[];
  report: WorkerReport | undefined;
  readonly lasting: Lasting;
  /** Sessions of the worker's life before a restart that the engine has not released yet. */
  readonly leaving: Map<InstanceId, Variant>;
  /** Its node closes. */
  draining: boolean;
}

/** The variants that there are; one object until they change. */
export interface Registry {
  readonly list: readonly Variant[];
  readonly byId: ReadonlyMap<VariantId, Variant>;
}

const registries = new WeakMap<readonly Variant[], Registry>();

/** Made once for a list: workers of one process that are told the same hold the same. */
export function registryOf(list: readonly Variant[]): Registry {
  const known = registries.get(list);
  if (known !== undefined) return known;
  const registry = { list, byId: new Map(list.map((variant) => [variant.id, variant])) };
  registries.set(list, registry);
  return registry;
}

const runnables = new WeakMap<Registry, Map<string, readonly Variant[]>>();

/**
 * The variants without those that are made for other hardware or another type of machine. Found
 * once for a registry: workers alike of one process hold the same.
 */
export function runnableOn(registry: Registry, hardware: readonly Hardware[]): readonly Variant[] {
  const known = runnables.get(registry) ?? new Map<string, readonly Variant[]>();
  runnables.set(registry, known);
  const key = hardware.map(({ kind, machine = '' }) => `${kind} ${machine}`).join('; ');
  const found = known.get(key);
  if (found !== undefined) return found;
  const isHere = (variant: Variant): boolean => hardware.some((each) => runsOn(each, variant));
  const list = registry.list.every(isHere) ? registry.list : registry.list.filter(isHere);
  known.set(key, list);
  return list;
}

/** What outlives a restart of the actor, since it is true of the engine. */
export interface Lasting {
  /** How many instances have been named. */
  named: number;
  /** What the engine may hold, for whom. */
  readonly sessions: Map<InstanceId, Variant>;
  /** Queries that wait until something has given way: their dispatchers do not learn of an end. */
  readonly held: Held[];
}

export interface Held {
  readonly query: RunQuery;
  readonly sinceMs: number;
}

export type Context = ActorContext<WorkerMessage>;

/** Decisions go to all gateway nodes: each tells those who ask it. */
export function sinksOf({ options, dispatchers }: Working): readonly Ref<DecisionMade>[] {
  const { recordsPath } = options;
  if (recordsPath === undefined) return [];
  return dispatchers.map(({ node, epoch }) => refOf(node, epoch, recordsPath));
}
