/** What happened in the fleet, as it is kept for `explain` and streamed to whoever subscribed. */

import type { Decision } from './decision.ts';
import type { InstanceId, InstanceState } from './instance.ts';
import type { QueryId } from './query.ts';
import type { VariantId } from './variant.ts';
import type { WorkerId } from './worker.ts';

export type FleetEvent =
  | { readonly kind: 'decision'; readonly decision: Decision }
  | {
      readonly kind: 'worker';
      readonly worker: WorkerId;
      readonly change: 'joined' | 'left' | 'lost';
      readonly why?: string | undefined;
    }
  | {
      readonly kind: 'instance';
      readonly instance: InstanceId;
      readonly variant: VariantId;
      readonly worker: WorkerId;
      /** Undefined: it is new. */
      readonly from?: InstanceState | undefined;
      readonly to: InstanceState | 'gone';
    }
  | {
      /** Where a query of this gateway's went; only streamed, `explain QUERY_ID` keeps more. */
      readonly kind: 'selection';
      readonly queryId: QueryId;
      readonly tenant: string;
      readonly variant?: VariantId | undefined;
      readonly worker?: WorkerId | undefined;
      readonly instance?: InstanceId | undefined;
      readonly predictedMs?: number | undefined;
      readonly reason: string;
    };

export type FleetEventKind = FleetEvent['kind'];

export const fleetEventKinds = [
  'decision',
  'worker',
  'instance',
  'selection',
] as const satisfies readonly FleetEventKind[];

export interface RecordedEvent {
  /** Of the node that recorded it, without gaps. */
  readonly seq: number;
  /** On the clock of the node that recorded it, ms since its start. */
  readonly atMs: number;
  readonly event: FleetEvent;
}

/** What is asked why. */
export interface Subject {
  readonly kind: 'instance' | 'worker';
  readonly name: string;
}

export interface SubjectExplanation {
  readonly subject: Subject;
  /** Oldest first, as far as they are kept. */
  readonly events: readonly RecordedEvent[];
}

/** `w1/v-1` is an instance of worker `w1`, named after its variant and a number. */
function partsOf(instance: InstanceId): { readonly worker: WorkerId; readonly variant: VariantId } {
  const slash = instance.lastIndexOf('/');
  const name = instance.slice(slash + 1);
  return { worker: instance.slice(0, Math.max(0, slash)), variant: name.replace(/-\d+$/, '') };
}

/**
 * Is the event about it? About an instance is what its worker decided of it or of its variant;
 * about a worker all that it decided, that was decided of it, and that happened on it.
 */
export function concerns(event: FleetEvent, { kind, name }: Subject): boolean {
  if (kind === 'worker') {
    return event.kind === 'decision'
      ? event.decision.by === name || event.decision.subject === name
      : event.worker === name;
  }
  if (event.kind === 'instance' || event.kind === 'selection') return event.instance === name;
  if (event.kind === 'worker') return event.worker === partsOf(name).worker;
  const { by, subject } = event.decision;
  const { worker, variant } = partsOf(name);
  return subject === name || (by === worker && subject === variant);
}
