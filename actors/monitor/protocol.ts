/** What a worker's monitor understands: what instances did, and when to judge and report. */

import type { Requirement } from '../domain/demand.ts';
import type { InstanceId, InstanceState } from '../domain/instance.ts';
import type { VariantId } from '../domain/variant.ts';

/** An instance's own account, told at each change of its queue or state. */
export interface InstanceObserved {
  readonly type: 'monitor.instance-observed';
  readonly instanceId: InstanceId;
  readonly variantId: VariantId;
  readonly path: string;
  readonly state: InstanceState;
  readonly queued: number;
  /** Queries of the batch that runs. */
  readonly running: number;
  /** Queries that came since it last told of any, by what they asked. */
  readonly arrivals: readonly { readonly asks: Requirement; readonly count: number }[];
  /** Profiled ms of work that one more query waits for. */
  readonly backlogMs: number;
  /** Of the late, which it does not wait for. */
  readonly lateMs: number;
  readonly loadLeftMs: number;
  readonly memoryBytes: number;
  readonly saturationQps: number;
  /** Queries finished and engine time spent since its last account. */
  readonly finished: number;
  readonly busyMs: number;
  /** Of it, with offline queries. */
  readonly offlineMs: number;
  /** Execution time over the profile's prediction of the batch just run; undefined: none ran. */
  readonly ratio: number | undefined;
  /** True where watchers should learn at once (loaded, state changed). */
  readonly urgent: boolean;
}

export type MonitorMessage =
  | InstanceObserved
  | { readonly type: 'monitor.instance-gone'; readonly instanceId: InstanceId }
  | { readonly type: 'monitor.window-ended' }
  | { readonly type: 'monitor.report-due' };
