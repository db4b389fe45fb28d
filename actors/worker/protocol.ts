/** What a worker understands. Its router passes queries on to the instances it supervises. */

import type { Ref, Terminated } from '../../runtime/actor.ts';
import type { NamedTensors } from '../../runtime/wire/tensors.ts';
import type { Delivery } from '../../runtime/wire/envelope.ts';
import type { DispatcherMessage } from '../dispatcher/protocol.ts';
import type { InstanceId } from '../domain/instance.ts';
import type { QueryId } from '../domain/query.ts';
import type { Variant, VariantId } from '../domain/variant.ts';
import type { WorkerReport } from '../domain/worker.ts';

/** A query placed here. The same message goes on to the instance. */
export interface RunQuery {
  readonly type: 'worker.run-query';
  readonly queryId: QueryId;
  readonly delivery: Delivery;
  readonly variantId: VariantId;
  /** Undefined: whichever instance of the variant, loading one when there is none. */
  readonly instanceId: InstanceId | undefined;
  readonly inputs: NamedTensors;
  readonly outputs: readonly string[] | undefined;
  readonly batch: number;
  readonly batchKey: string;
  /** Milliseconds until the SLO's latency is missed, at sending; Infinity without one. */
  readonly sloBudgetMs: number;
  /** With `onMiss: reject` a query that cannot meet its SLO any more is dropped, not served late. */
  readonly rejectLate: boolean;
  readonly replyTo: Ref<DispatcherMessage>;
}

export interface CancelQuery {
  readonly type: 'worker.cancel-query';
  readonly queryId: QueryId;
  readonly instanceId: InstanceId | undefined;
}

export type WorkerMessage =
  | RunQuery
  | CancelQuery
  | {
      readonly type: 'worker.registry-changed';
      readonly revision: number;
      readonly variants: readonly Variant[];
    }
  | {
      readonly type: 'worker.dispatchers-changed';
      readonly dispatchers: readonly Ref<DispatcherMessage>[];
    }
  | { readonly type: 'worker.load-variant'; readonly variantId: VariantId; readonly count: number }
  | { readonly type: 'worker.unload-variant'; readonly variantId: VariantId }
  | {
      readonly type: 'worker.instance-terminated';
      readonly instanceId: InstanceId;
      readonly terminated: Terminated;
    }
  | { readonly type: 'worker.reload-due' }
  | { readonly type: 'worker.report-gathered'; readonly report: WorkerReport };
