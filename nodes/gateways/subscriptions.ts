/**
 * Subscriptions of a gateway's clients to what happens in the fleet. Events are gathered for a
 * moment and go out together; what one client does not read waits for it up to a bound, beyond
 * which it loses events, with a count, and costs nobody else anything.
 */

import type { GatewayMessage } from '../../actors/dispatcher/protocol.ts';
import {
  concerns,
  type FleetEventKind,
  fleetEventKinds,
  type RecordedEvent,
} from '../../actors/domain/fleet-event.ts';
import { type QueryError, queryError } from '../../actors/domain/outcome.ts';
import type { Principal } from '../../actors/domain/principal.ts';
import type { Ref } from '../../runtime/actor.ts';
import type { Cancel } from '../../runtime/clock.ts';
import type { JsonObject } from './decode-request.ts';
import type { GatewayOptions } from './query-desk.ts';
import { badField, badInput, Refused } from './refused.ts';

export interface SubscriptionFilter {
  readonly kinds: ReadonlySet<FleetEventKind>;
  readonly worker: string | undefined;
  readonly instance: string | undefined;
}

/** What goes out at once: partial answers until the last. */
export interface SubscriptionNews {
  readonly events: readonly (RecordedEvent & { readonly at: string })[];
  /** Events since the last news that the subscriber was too slow for, or no message can hold. */
  readonly lost: number;
}

/** Where news go. False: not now, it has not read what it was sent. */
export type SendNews = (news: SubscriptionNews) => boolean;

interface Subscriber {
  readonly filter: SubscriptionFilter;
  readonly tenant: string;
  readonly send: SendNews;
  waiting: RecordedEvent[];
  lost: number;
  toldMs: number;
}

const gatherMs = 50;
/** So often records are told again what is wanted: they may have been started anew. */
const wantedAgainMs = 1_000;
/** So often a subscriber is told that there is nothing: it knows then that it is still heard. */
const quietMs = 10_000;

const defaultKinds: ReadonlySet<FleetEventKind> = new Set(['decision', 'worker', 'instance']);
const fields: ReadonlySet<string> = new Set(['id', 'op', 'kinds', 'worker', 'instance']);

export type ParsedSubscription =
  | { readonly ok: true; readonly filter: SubscriptionFilter }
  | { readonly ok: false; readonly error: QueryError };

/** Selections are one a query: only whoever names them gets them. */
export function parseSubscription(value: JsonObject): ParsedSubscription {
  try {
    const other = Object.keys(value).find((key) => !fields.has(key));
    if (other !== undefined) {
      const name = other.slice(0, 64);
      throw badInput(name, `unknown field "${name}"; known: kinds, worker, instance`);
    }
    const { kinds, worker, instance } = value;
    return {
      ok: true,
      filter: {
        kinds: kindsOf(kinds),
        ...{ worker: nameOf('worker', worker) },
        instance: nameOf('instance', instance),
      },
    };
  } catch (error) {
    if (error instanceof Refused) return { ok: false, error: error.error };
    throw error;
  }
}

function kindsOf(given: unknown): ReadonlySet<FleetEventKind> {
  if (given === undefined || given === null) return defaultKinds;
  const known: readonly unknown[] = fleetEventKinds;
  if (Array.isArray(given) && given.length > 0 && given.every((kind) => known.includes(kind))) {
    return new Set(given as FleetEventKind[]);
  }
  throw badField('kinds', `an array of: ${fleetEventKinds.join(', ')}`, given);
}

const nameLengthMax = 256;

function nameOf(field: string, given: unknown): string | undefined {
  if (given === undefined || given === null) return undefined;
  if (typeof given === 'string' && given !== '' && given.length <= nameLengthMax) return given;
  throw badField(field, `a string of 1..${String(nameLengthMax)} characters`, given);
}

/**
 * In as many messages as it takes; `send` is false where one is too large. An event that is so by
 * itself is counted as lost.
 */
export function sendInParts(news: SubscriptionNews, send: SendNews): void {
  if (send(news)) return;
  const { events, lost } = news;
  if (events.length <= 1) {
    send({ events: [], lost: lost + events.length });
    return;
  }
  const half = events.length >> 1;
  sendInParts({ events: events.slice(0, half), lost }, send);
  sendInParts({ events: events.slice(half), lost: 0 }, send);
}

export class Subscriptions {
  private readonly options: GatewayOptions;
  private readonly port: Ref<GatewayMessage>;
  private readonly subscribers = new Set<Subscriber>();
  private wants: 'nothing' | 'fleet' | 'fleet-and-selections' = 'nothing';
  private wantedAtMs = -Infinity;
  private gathering: Cancel | undefined;

  constructor(name: string, options: GatewayOptions) {
    this.options = options;
    this.port = options.host.port<GatewayMessage>(`subscriptions-${name}`, (message) => {
      if (message.type === 'gateway.event-recorded') this.take(message.recorded);
    });
  }

  /** Why no further one is taken. */
  refusal(): QueryError | undefined {
    if (this.options.records === undefined) {
      return queryError('unavailable', 'this gateway keeps no records to subscribe to');
    }
    const most = this.options.config.subscriptionsMax;
    return this.subscribers.size >= most
      ? queryError('overloaded', `this gateway has ${String(most)} subscriptions, its limit`)
      : undefined;
  }

  /** The function returned ends it. */
  add(filter: SubscriptionFilter, { tenant }: Principal, send: SendNews): () => void {
    const subscriber: Subscriber = {
      filter,
      tenant,
      send,
      waiting: [],
      lost: 0,
      toldMs: -Infinity,
    };
    this.subscribers.add(subscriber);
    this.listen();
    this.gather();
    return () => {
      this.subscribers.delete(subscriber);
      this.listen();
    };
  }

  close(): void {
    this.subscribers.clear();
    this.listen();
    this.gathering?.();
    this.options.host.closePort(this.port);
  }

  /** Records tell only what somebody wants. */
  private listen(): void {
    const { records, host } = this.options;
    const all = [...this.subscribers];
    const selections = all.some(({ filter }) => filter.kinds.has('selection'));
    const wants = selections ? 'fleet-and-selections' : all.length > 0 ? 'fleet' : 'nothing';
    if (records === undefined || (wants === this.wants && !this.isToSayAgain())) return;
    this.wants = wants;
    this.wantedAtMs = this.options.clock.nowMs();
    host.tell(records, { type: 'records.listen', listener: this.port, wants });
  }

  private isToSayAgain(): boolean {
    const { clock } = this.options;
    return this.wants !== 'nothing' && clock.nowMs() - this.wantedAtMs >= wantedAgainMs;
  }

  private take(recorded: RecordedEvent): void {
    const { event } = recorded;
    const most = this.options.config.subscriptionEventsMax;
    for (const subscriber of this.subscribers) {
      const { filter, tenant, waiting } = subscriber;
      if (!filter.kinds.has(event.kind)) continue;
      if (event.kind === 'selection' && event.tenant !== tenant) continue;
      const { worker, instance } = filter;
      if (worker !== undefined && !concerns(event, { kind: 'worker', name: worker })) continue;
      if (instance !== undefined && !concerns(event, { kind: 'instance', name: instance }))
        continue;
      if (waiting.length >= most) subscriber.lost += 1;
      else waiting.push(recorded);
    }
  }

  /** Only while somebody is subscribed, so that it keeps no process alive. */
  private gather(): void {
    this.gathering ??= this.options.clock.schedule(gatherMs, () => {
      this.gathering = undefined;
      const nowMs = this.options.clock.nowMs();
      this.listen();
      for (const subscriber of [...this.subscribers]) this.tell(subscriber, nowMs);
      if (this.subscribers.size > 0) this.gather();
    });
  }

  private tell(subscriber: Subscriber, nowMs: number): void {
    const { waiting, lost, toldMs } = subscriber;
    if (waiting.length === 0 && lost === 0 && nowMs - toldMs < quietMs) return;
    const { clock } = this.options;
    const originMs = clock.wallMs() - nowMs;
    // Field by field: there may be one a query.
    const events = waiting.map(({ seq, atMs, event }) => {
      return { seq, at: new Date(originMs + atMs).toISOString(), atMs, event };
    });
    if (!subscriber.send({ events, lost })) return;
    subscriber.waiting = [];
    subscriber.lost = 0;
    subscriber.toldMs = nowMs;
  }
}
