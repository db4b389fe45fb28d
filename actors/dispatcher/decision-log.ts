/**
 * The decisions on recent queries, for `explain`: a ring of slots in memory, the oldest written
 * over first. It is written for every query, so a slot keeps references and numbers and allocates
 * nothing, has no tensors, and of answers what is not their outputs; a description is made when
 * somebody asks.
 */

import type { Attempt, Explanation } from '../domain/explanation.ts';
import type { QueryError } from '../domain/outcome.ts';
import type { QueryAnswer, QueryId, QueryRequest, QueryServed, SloField } from '../domain/query.ts';
import type { FleetView, QueryView } from '../policy/selection/index.ts';
import { Judgements } from '../policy/selection/judge.ts';
import type { InFlight, Placement } from './in-flight.ts';

/** A query, and the newest of the decisions on it. */
interface Slot {
  queryId: QueryId;
  tenant: string;
  // Not the request itself: it holds the tensors.
  selector: QueryRequest['selector'] | undefined;
  slo: QueryRequest['slo'];
  onMiss: QueryRequest['onMiss'];
  batch: number;
  afterMs: number;
  reason: string;
  /** The placement itself: the instance is filled in when the worker says it. */
  placement: Placement | undefined;
  readonly judged: Judgements;
  /** What became of it, when it was not the last one after all. */
  ended: string | undefined;
  /** Decisions before it; there rarely are any. */
  earlier: Attempt[] | undefined;
  /** Of its answer, served or refused. */
  servedBy: QueryServed['servedBy'] | undefined;
  timing: QueryServed['timing'] | undefined;
  missed: readonly SloField[];
  batchReason: string;
  costUsd: number;
  error: QueryError | undefined;
}

export interface DecisionMade {
  readonly view: FleetView;
  readonly query: QueryView;
  readonly reason: string;
  /** Undefined when it was refused. */
  readonly placement?: Placement;
}

export class DecisionLog {
  readonly #slots: Slot[] = [];
  readonly #slotsMax: number;
  readonly #byQuery = new Map<QueryId, Slot>();
  #next = 0;

  /** Keeps the decisions on so many queries; 0 keeps none. */
  constructor(queriesMax: number) {
    this.#slotsMax = queriesMax;
  }

  record({ submit, batch }: InFlight, nowMs: number, made: DecisionMade): void {
    if (this.#slotsMax === 0) return;
    const { queryId, principal, request, receivedMs } = submit;
    let slot = this.#byQuery.get(queryId);
    if (slot === undefined) {
      slot = this.#freeSlot();
      slot.queryId = queryId;
      slot.tenant = principal.tenant;
      slot.selector = request.selector;
      slot.slo = request.slo;
      slot.onMiss = request.onMiss;
      slot.batch = batch;
      this.#byQuery.set(queryId, slot);
    } else {
      slot.earlier = [...(slot.earlier ?? []), attemptOf(slot)];
    }
    slot.afterMs = nowMs - receivedMs;
    slot.reason = made.reason;
    slot.placement = made.placement;
    slot.ended = undefined;
    slot.judged.take(made.view, made.query, made.placement?.variant);
  }

  setBack(queryId: QueryId, why: string): void {
    const slot = this.#byQuery.get(queryId);
    if (slot !== undefined) slot.ended = why;
  }

  answered(answer: QueryAnswer): void {
    const slot = this.#byQuery.get(answer.queryId);
    if (slot === undefined) return;
    if (!answer.ok) {
      slot.error = answer.error;
      return;
    }
    slot.servedBy = answer.servedBy;
    slot.timing = answer.timing;
    slot.missed = answer.slo.missed;
    slot.batchReason = answer.decision.batchReason;
    slot.costUsd = answer.costUsd;
  }

  /** Undefined for what it does not keep, and for what another tenant asked. */
  explain(queryId: QueryId, tenant: string, policy: string): Explanation | undefined {
    const slot = this.#byQuery.get(queryId);
    if (slot?.selector === undefined || slot.tenant !== tenant) return undefined;
    const { selector, slo, onMiss } = slot;
    return {
      queryId,
      policy,
      // Absent rather than undefined, which a frame carries as null.
      asked: { selector: present(selector), slo: present(slo), onMiss, batch: slot.batch },
      attempts: [...(slot.earlier ?? []), attemptOf(slot)],
      outcome: outcomeOf(slot),
    };
  }

  #freeSlot(): Slot {
    const at = this.#next;
    this.#next = (at + 1) % this.#slotsMax;
    const known = this.#slots[at];
    if (known === undefined) {
      const slot = emptySlot();
      this.#slots.push(slot);
      return slot;
    }
    this.#byQuery.delete(known.queryId);
    known.earlier = undefined;
    known.servedBy = undefined;
    known.error = undefined;
    return known;
  }
}

function emptySlot(): Slot {
  return {
    queryId: '',
    tenant: '',
    selector: undefined,
    slo: {},
    onMiss: 'best-effort',
    batch: 1,
    afterMs: 0,
    reason: '',
    placement: undefined,
    judged: new Judgements(),
    ended: undefined,
    earlier: undefined,
    servedBy: undefined,
    timing: undefined,
    missed: [],
    batchReason: '',
    costUsd: 0,
    error: undefined,
  };
}

function attemptOf({ afterMs, reason, placement, judged, ended }: Slot): Attempt {
  return {
    afterMs,
    reason,
    ...(placement === undefined ? {} : { chosen: chosenOf(placement) }),
    considered: judged.describe(),
    leftOut: judged.leftOut,
    ...(ended === undefined ? {} : { ended }),
  };
}

function chosenOf(placement: Placement): NonNullable<Attempt['chosen']> {
  const { variant, workerId, instanceId, predictedMs } = placement;
  const instance = instanceId === undefined ? {} : { instance: instanceId };
  return { variant: variant.id, worker: workerId, ...instance, predictedMs };
}

/** Without the fields that are undefined. */
function present<T extends object>(value: T): T {
  const fields = Object.entries(value).filter(([, field]) => field !== undefined);
  return Object.fromEntries(fields) as T;
}

function outcomeOf(slot: Slot): Explanation['outcome'] {
  const { servedBy, timing, missed, batchReason, costUsd, error } = slot;
  if (error !== undefined) return { state: 'refused', error };
  if (servedBy === undefined || timing === undefined) return { state: 'in-flight' };
  const { variant, worker, instance, batchSize } = servedBy;
  const served = { variant, worker, instance, batchSize, batchReason, timing, costUsd };
  return { state: 'served', ...served, missed };
}
