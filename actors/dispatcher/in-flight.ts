/**
 * The in-flight table: every query from its arrival until exactly one terminal answer has left. The
 * only source from which a query is placed again.
 */

import type { InstanceId } from '../domain/instance.ts';
import type { QueryId } from '../domain/query.ts';
import type { WorkerId } from '../domain/worker.ts';
import type { IndexedVariant } from './fleet-index.ts';
import type { SubmitQuery } from './protocol.ts';

export interface Placement {
  readonly variant: IndexedVariant;
  readonly workerId: WorkerId;
  readonly workerEpoch: number;
  /** Undefined until the worker says which instance got it. */
  instanceId: InstanceId | undefined;
  readonly placedMs: number;
  readonly predictedMs: number;
  /** It was sent to be loaded, or to what was still loading. */
  readonly isCold: boolean;
  readonly reason: string;
}

export interface InFlight {
  readonly submit: SubmitQuery;
  readonly batch: number;
  readonly batchKey: string;
  readonly sloDueMs: number;
  readonly hardDueMs: number;
  /** Grows with every placement; an answer to an older one is stale. */
  attempt: number;
  /** Placements that an instance or its worker would not have. */
  refusals: number;
  /** Placements that ended with the engine that ran it: the query may be the cause. */
  suspicions: number;
  /** Placements that lost their holder by no fault of the query. */
  losses: number;
  /** Undefined while held for want of anywhere to place it. */
  placement: Placement | undefined;
  avoid: InstanceId | undefined;
}

export class InFlightTable {
  private readonly entries = new Map<QueryId, InFlight>();
  private readonly byWorker = new Map<WorkerId, Set<InFlight>>();
  private readonly byTenant = new Map<string, number>();

  get size(): number {
    return this.entries.size;
  }

  get(queryId: QueryId): InFlight | undefined {
    return this.entries.get(queryId);
  }

  all(): IterableIterator<InFlight> {
    return this.entries.values();
  }

  ofTenant(tenant: string): number {
    return this.byTenant.get(tenant) ?? 0;
  }

  add(entry: InFlight): void {
    this.entries.set(entry.submit.queryId, entry);
    const { tenant } = entry.submit.principal;
    this.byTenant.set(tenant, this.ofTenant(tenant) + 1);
  }

  /** True when it was there: only then may an answer leave. */
  remove(entry: InFlight): boolean {
    if (!this.entries.delete(entry.submit.queryId)) return false;
    this.release(entry);
    const { tenant } = entry.submit.principal;
    const left = this.ofTenant(tenant) - 1;
    if (left > 0) this.byTenant.set(tenant, left);
    else this.byTenant.delete(tenant);
    return true;
  }

  place(entry: InFlight, placement: Placement): void {
    this.release(entry);
    entry.placement = placement;
    const there = this.byWorker.get(placement.workerId);
    if (there === undefined) this.byWorker.set(placement.workerId, new Set([entry]));
    else there.add(entry);
  }

  /** Takes an entry from where it was placed; it stays in flight. */
  release(entry: InFlight): void {
    if (entry.placement === undefined) return;
    this.byWorker.get(entry.placement.workerId)?.delete(entry);
    entry.placement = undefined;
  }

  onWorker(workerId: WorkerId): readonly InFlight[] {
    return [...(this.byWorker.get(workerId) ?? [])];
  }

  onInstance(workerId: WorkerId, instanceId: InstanceId): readonly InFlight[] {
    return this.onWorker(workerId).filter(({ placement }) => placement?.instanceId === instanceId);
  }

  held(): readonly InFlight[] {
    return [...this.entries.values()].filter(({ placement }) => placement === undefined);
  }
}
