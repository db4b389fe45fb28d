/**
 * The bus as a model: subjects and bytes under virtual time, with whatever a network does to them.
 *
 * Undisturbed it keeps the bus contract (`runtime/bus.ts`): at most once, in order between one
 * publisher and one subscriber. Disturbed it loses, duplicates, delays, reorders and corrupts
 * messages by chance, parts the nodes into groups that do not hear each other, and cuts single
 * connections. Every draw comes from one stream of the seed.
 */

import type {
  Bus,
  BusMessage,
  BusStatus,
  BusSubscription,
  PublishRefusal,
} from '../runtime/bus.ts';
import type { Clock } from '../runtime/clock.ts';
import { BusPayloadTooLarge } from '../runtime/errors.ts';
import type { Random } from '../runtime/random.ts';

/** What may happen to one message on its way; the shares are probabilities. */
export interface Disturbance {
  readonly lossShare: number;
  readonly duplicateShare: number;
  readonly reorderShare: number;
  /**
   * A damaged copy arrives besides: damage in place of the original is a loss, and damage that
   * still reads as a message is what the transport's own checksums are for.
   */
  readonly corruptShare: number;
  readonly delayShare: number;
  /** The longest extra delay, ms. */
  readonly delayMs: number;
}

export const undisturbed: Disturbance = {
  lossShare: 0,
  duplicateShare: 0,
  reorderShare: 0,
  corruptShare: 0,
  delayShare: 0,
  delayMs: 0,
};

export interface BusModelOptions {
  readonly random: Random;
  /** From a publish to its arrival, ms: a constant part and the width of a uniform one. */
  readonly latencyMs: number;
  readonly jitterMs: number;
  readonly payloadMax?: number;
}

const defaultPayloadMax = 1024 * 1024;

type Mishap = 'loss' | 'duplicate' | 'reorder' | 'corrupt' | 'delay';

/** All connections of a simulation. */
export class BusModel {
  readonly payloadMax: number;
  /** In force for every message published from now on. */
  disturbance: Disturbance = undisturbed;
  /** How often each thing happened to a message. */
  readonly mishaps: Record<Mishap, number> = {
    loss: 0,
    duplicate: 0,
    reorder: 0,
    corrupt: 0,
    delay: 0,
  };
  private readonly options: BusModelOptions;
  private readonly bySubject = new Map<string, Set<Subscription>>();
  private readonly connections = new Set<BusConnection>();
  /** Which side of a partition each node is on; those not named are on side 0. */
  private sides: ReadonlyMap<string, number> = new Map();

  constructor(options: BusModelOptions) {
    this.options = options;
    this.payloadMax = options.payloadMax ?? defaultPayloadMax;
  }

  /** A connection of one process; `clock` is its own, so that nothing arrives once it crashed. */
  connect(node: string, clock: Clock): BusConnection {
    const connection = new BusConnection(this, node, clock);
    this.connections.add(connection);
    return connection;
  }

  /** From now on only nodes of one side hear each other, and nobody is told so. */
  partition(sides: ReadonlyMap<string, number>): void {
    this.sides = sides;
  }

  /** Connections that are open or cut, subscriptions that are in force: for leaks. */
  get counts(): { readonly connections: number; readonly subscriptions: number } {
    let subscriptions = 0;
    for (const subscribed of this.bySubject.values()) subscriptions += subscribed.size;
    return { connections: this.connections.size, subscriptions };
  }

  add(subscription: Subscription): void {
    const there = this.bySubject.get(subscription.subject);
    if (there === undefined) this.bySubject.set(subscription.subject, new Set([subscription]));
    else there.add(subscription);
  }

  remove(subscription: Subscription): void {
    const there = this.bySubject.get(subscription.subject);
    there?.delete(subscription);
    if (there?.size === 0) this.bySubject.delete(subscription.subject);
  }

  forget(connection: BusConnection): void {
    this.connections.delete(connection);
  }

  publish(
    from: BusConnection,
    message: BusMessage,
    onNoResponders: (() => void) | undefined,
  ): void {
    let heard = false;
    for (const subscription of this.bySubject.get(message.subject) ?? nobody) {
      const { connection } = subscription;
      if (connection.status !== 'connected' || !this.connected(from, connection)) continue;
      heard = true;
      this.carry(from, subscription, message);
    }
    if (heard || onNoResponders === undefined) return;
    from.clock.schedule(this.hopMs(), onNoResponders);
  }

  private connected(a: BusConnection, b: BusConnection): boolean {
    return (this.sides.get(a.node) ?? 0) === (this.sides.get(b.node) ?? 0);
  }

  private carry(from: BusConnection, to: Subscription, message: BusMessage): void {
    const { disturbance } = this;
    // A node's own beats come back by the same way, and may be lost on it too.
    if (disturbance === undisturbed) {
      this.send(from, to, message, 0, false);
      return;
    }
    if (this.happens('loss', disturbance.lossShare)) return;
    if (this.happens('corrupt', disturbance.corruptShare)) {
      this.send(from, to, { ...message, payload: this.corrupted(message.payload) }, 0, true);
    }
    const delayed = this.happens('delay', disturbance.delayShare);
    const extraMs = delayed ? this.options.random() * disturbance.delayMs : 0;
    this.send(from, to, message, extraMs, this.happens('reorder', disturbance.reorderShare));
    if (this.happens('duplicate', disturbance.duplicateShare)) {
      this.send(from, to, message, extraMs, false);
    }
  }

  private happens(mishap: Mishap, share: number): boolean {
    if (share === 0 || this.options.random() >= share) return false;
    this.mishaps[mishap] += 1;
    return true;
  }

  private send(
    from: BusConnection,
    to: Subscription,
    message: BusMessage,
    extraMs: number,
    overtakes: boolean,
  ): void {
    const arriveMs = this.hopMs() + extraMs;
    if (overtakes) {
      const lateMs = arriveMs + this.options.random() * 10 * this.options.latencyMs;
      to.connection.clock.schedule(lateMs, () => {
        to.take(message);
      });
      return;
    }
    from.wireTo(to).send(message, arriveMs);
  }

  private hopMs(): number {
    return this.options.latencyMs + this.options.random() * this.options.jitterMs;
  }

  /** The end cut off, the beginning damaged, or noise altogether. */
  private corrupted(payload: Uint8Array): Uint8Array {
    const { random } = this.options;
    const noise = (): number => Math.floor(random() * 256);
    const draw = random();
    if (draw < 0.4) return payload.slice(0, Math.floor(random() * payload.length));
    if (draw < 0.7) return Uint8Array.from(payload, noise);
    return Uint8Array.from(payload, (byte, at) => (at < 2 ? noise() : byte));
  }
}

const nobody: ReadonlySet<Subscription> = new Set();

/** One process's connection, as the bus port has it. */
export class BusConnection implements Bus {
  status: BusStatus = 'connected';
  readonly node: string;
  readonly clock: Clock;
  private readonly model: BusModel;
  private readonly subscriptions = new Set<Subscription>();
  private readonly listeners: ((status: BusStatus) => void)[] = [];
  private readonly wires = new Map<Subscription, Wire>();

  constructor(model: BusModel, node: string, clock: Clock) {
    this.model = model;
    this.node = node;
    this.clock = clock;
  }

  get payloadMax(): number {
    return this.model.payloadMax;
  }

  publish(
    subject: string,
    payload: Uint8Array,
    onNoResponders?: () => void,
  ): PublishRefusal | undefined {
    if (this.status !== 'connected') return 'bus-refused';
    if (payload.length > this.payloadMax) {
      throw new BusPayloadTooLarge(
        `${String(payload.length)} bytes; the bus takes ${String(this.payloadMax)}`,
        subject,
      );
    }
    this.model.publish(this, { subject, payload }, onNoResponders);
    return undefined;
  }

  subscribe(subject: string, handler: (message: BusMessage) => void): BusSubscription {
    const subscription = new Subscription(this, subject, handler);
    this.subscriptions.add(subscription);
    if (this.status === 'connected') this.model.add(subscription);
    return {
      unsubscribe: () => {
        subscription.live = false;
        this.subscriptions.delete(subscription);
        this.model.remove(subscription);
      },
    };
  }

  onStatus(listener: (status: BusStatus) => void): void {
    this.listeners.push(listener);
  }

  close(): Promise<void> {
    this.end('closed');
    return Promise.resolve();
  }

  /** The connection is lost: what is on the way to it too. */
  cut(): void {
    if (this.status !== 'connected') return;
    for (const subscription of this.subscriptions) {
      this.model.remove(subscription);
      subscription.life += 1;
    }
    this.become('disconnected');
  }

  restore(): void {
    if (this.status !== 'disconnected') return;
    for (const subscription of this.subscriptions) this.model.add(subscription);
    this.become('connected');
  }

  /** Its process is gone: nobody is left to be told. */
  drop(): void {
    this.listeners.length = 0;
    this.end('closed');
  }

  /** The way to one subscriber: messages keep their order on it. */
  wireTo(to: Subscription): Wire {
    let wire = this.wires.get(to);
    if (wire === undefined) {
      wire = new Wire(to);
      this.wires.set(to, wire);
    }
    if (this.wires.size > wiresKept) this.forgetDeadWires();
    return wire;
  }

  private forgetDeadWires(): void {
    for (const to of this.wires.keys()) if (!to.live) this.wires.delete(to);
  }

  private end(status: 'closed'): void {
    if (this.status === 'closed') return;
    for (const subscription of this.subscriptions) {
      subscription.live = false;
      this.model.remove(subscription);
    }
    this.subscriptions.clear();
    this.model.forget(this);
    this.become(status);
  }

  private become(status: BusStatus): void {
    this.status = status;
    for (const listener of this.listeners) listener(status);
  }
}

const wiresKept = 64;

export class Subscription {
  readonly connection: BusConnection;
  readonly subject: string;
  /** Counts cuts: what was sent before one does not arrive after it. */
  life = 0;
  live = true;
  private readonly handler: (message: BusMessage) => void;

  constructor(connection: BusConnection, subject: string, handler: (message: BusMessage) => void) {
    this.connection = connection;
    this.subject = subject;
    this.handler = handler;
  }

  take(message: BusMessage): void {
    if (this.live && this.connection.status === 'connected') this.handler(message);
  }
}

interface Parcel {
  readonly message: BusMessage;
  readonly life: number;
}

/** Arrivals are due in the order of sending; each due time takes the first that waits. */
export class Wire {
  private readonly to: Subscription;
  private parcels: Parcel[] = [];
  private next = 0;
  private lastDueMs = 0;

  constructor(to: Subscription) {
    this.to = to;
  }

  send(message: BusMessage, afterMs: number): void {
    const { clock } = this.to.connection;
    const nowMs = clock.nowMs();
    this.lastDueMs = Math.max(this.lastDueMs, nowMs + afterMs);
    this.parcels.push({ message, life: this.to.life });
    clock.schedule(this.lastDueMs - nowMs, this.arrive);
  }

  private readonly arrive = (): void => {
    const parcel = this.parcels[this.next] as Parcel;
    this.next += 1;
    if (this.next === this.parcels.length) {
      this.parcels = [];
      this.next = 0;
    }
    if (parcel.life === this.to.life) this.to.take(parcel.message);
  };
}
