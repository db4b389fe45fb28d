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
  /** Its variant is to be loaded for it. */
  readonly isToLoad: boolean;
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

/** Of tenants without a query so many are remembered, lest one with little to ask costs most. */
const idleTenantsMax = 1_024;

/**
 * By query alone: what a worker or an instance holds is asked for when it ends, and looked for then
 * rather than kept up to date with every query.
 */
export class InFlightTable {
  private readonly entries = new Map<QueryId, InFlight>();
  private readonly byTenant = new Map<string, { count: number }>();

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
    return this.byTenant.get(tenant)?.count ?? 0;
  }

  add(entry: InFlight): void {
    this.entries.set(entry.submit.queryId, entry);
    const { tenant } = entry.submit.principal;
    const held = this.byTenant.get(tenant);
    if (held === undefined) this.byTenant.set(tenant, { count: 1 });
    else held.count += 1;
  }

  /** True when it was there: only then may an answer leave. */
  remove(entry: InFlight): boolean {
    if (!this.entries.delete(entry.submit.queryId)) return false;
    entry.placement = undefined;
    const { tenant } = entry.submit.principal;
    const held = this.byTenant.get(tenant);
    if (held === undefined) return true;
    held.count -= 1;
    if (held.count === 0 && this.byTenant.size > idleTenantsMax) this.byTenant.delete(tenant);
    return true;
  }

  /** The oldest first, as are all lists below. */
  onWorker(workerId: WorkerId): readonly InFlight[] {
    return this.where(({ placement }) => placement?.workerId === workerId);
  }

  onInstance(workerId: WorkerId, instanceId: InstanceId): readonly InFlight[] {
    return this.where(
      ({ placement }) => placement?.instanceId === instanceId && placement.workerId === workerId,
    );
  }

  held(): readonly InFlight[] {
    return this.where(({ placement }) => placement === undefined);
  }

  private where(isWanted: (entry: InFlight) => boolean): InFlight[] {
    const wanted: InFlight[] = [];
    for (const entry of this.entries.values()) if (isWanted(entry)) wanted.push(entry);
    return wanted;
  }
}
