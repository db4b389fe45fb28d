/**
 * The engine port: how an instance speaks to whatever runs its graph. The adapter in `nodes/`
 * drives engine-host processes; the simulator's is a model. Everything is a message, nothing
 * blocks.
 */

import type { NamedTensors } from '../../runtime/wire/tensors.ts';
import type { Ref } from '../../runtime/actor.ts';
import type { InstanceId } from '../domain/instance.ts';
import type { LatencyPoint } from '../domain/profile.ts';
import type { Variant } from '../domain/variant.ts';

export type EngineCommand =
  | {
      readonly type: 'engine.load-variant';
      readonly instanceId: InstanceId;
      readonly variant: Variant;
      /** The cores to run on, apart from other instances; by default wherever there is room. */
      readonly cores?: readonly number[] | undefined;
      readonly replyTo: Ref<EngineEvent>;
    }
  | {
      /** At most one batch of an instance is with the engine at a time. */
      readonly type: 'engine.run-batch';
      readonly instanceId: InstanceId;
      readonly batchId: number;
      readonly queries: readonly EngineQuery[];
      /** Which batch gets a core before others (`core-queue.ts`). */
      readonly priority: number;
      readonly dueMs: number;
      readonly late: boolean;
      /** Beyond this the engine counts as hung and its host is killed. */
      readonly hangMs: number;
    }
  | {
      /** Asked for again, it is done once. */
      readonly type: 'engine.unload-variant';
      readonly instanceId: InstanceId;
      /** Who hears, besides whoever loaded it, that nothing is held any more or never was. */
      readonly releasedTo?: Ref<SessionReleased> | undefined;
    }
  | { readonly type: 'engine.describe-cores'; readonly replyTo: Ref<CoresDescribed> };

/** The engine holds no session for that instance. */
export interface SessionReleased {
  readonly type: 'worker.session-released';
  readonly instanceId: InstanceId;
}

/** A core of the worker's, as everything on the machine uses it. */
export interface CoreUse {
  readonly core: number;
  /** Busy share of its time since the last description, whoever used it. */
  readonly busy: number;
}

/** None where cores cannot be chosen or watched. */
export interface CoresDescribed {
  readonly type: 'engine.cores-described';
  readonly cores: readonly CoreUse[];
}

export interface EngineQuery {
  /** Checked against the variant's signature; absent state inputs start as zeros. */
  readonly inputs: NamedTensors;
  /** Its own size along the batch axis. */
  readonly batch: number;
  /** Names wanted; undefined: all. */
  readonly outputs: readonly string[] | undefined;
}

export type EngineEvent =
  | {
      readonly type: 'instance.variant-loaded';
      readonly loadMs: number;
      readonly memoryBytes: number;
      /** A few batches run to warm up, timed: what this worker's hardware does to the profile. */
      readonly measured: readonly LatencyPoint[];
    }
  | { readonly type: 'instance.load-failed'; readonly message: string }
  | {
      readonly type: 'instance.batch-ran';
      readonly batchId: number;
      readonly inferMs: number;
      /** One entry a query, in order. */
      readonly results: readonly NamedTensors[];
    }
  | { readonly type: 'instance.batch-failed'; readonly batchId: number; readonly message: string }
  | {
      /** Its engine host is gone: crashed, hung and killed, or killed by somebody. */
      readonly type: 'instance.engine-lost';
      readonly message: string;
    }
  | { readonly type: 'instance.variant-unloaded' };
