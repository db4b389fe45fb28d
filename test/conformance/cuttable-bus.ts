/**
 * A connection of its own to a shared in-process bus, which a test can cut, restore and hold up.
 *
 * It behaves as a NATS connection does: while cut it refuses to publish, the others find nobody at
 * its subjects, and what was on the way to it is lost; when restored its subscriptions work again.
 */

import type {
  Bus,
  BusMessage,
  BusStatus,
  BusSubscription,
  PublishRefusal,
} from '../../runtime/bus.ts';

interface Link {
  readonly subject: string;
  readonly handler: (message: BusMessage) => void;
  live: BusSubscription | undefined;
}

export class CuttableBus implements Bus {
  status: BusStatus = 'connected';
  private readonly hub: Bus;
  private readonly links = new Set<Link>();
  private readonly listeners: ((status: BusStatus) => void)[] = [];
  private held: (() => void)[] | undefined;
  private payloadMaxSet: number | undefined;

  constructor(hub: Bus) {
    this.hub = hub;
  }

  get payloadMax(): number {
    return this.payloadMaxSet ?? this.hub.payloadMax;
  }

  set payloadMax(bytes: number) {
    this.payloadMaxSet = bytes;
  }

  publish(
    subject: string,
    payload: Uint8Array,
    onNoResponders?: () => void,
  ): PublishRefusal | undefined {
    if (this.status !== 'connected') return 'bus-refused';
    if (onNoResponders === undefined) return this.hub.publish(subject, payload);
    return this.hub.publish(subject, payload, () => {
      this.arrive(onNoResponders);
    });
  }

  subscribe(subject: string, handler: (message: BusMessage) => void): BusSubscription {
    const link: Link = { subject, handler, live: undefined };
    this.links.add(link);
    if (this.status === 'connected') this.attach(link);
    return {
      unsubscribe: () => {
        this.links.delete(link);
        link.live?.unsubscribe();
      },
    };
  }

  onStatus(listener: (status: BusStatus) => void): void {
    this.listeners.push(listener);
  }

  async close(): Promise<void> {
    if (this.status === 'closed') return;
    // The hub delivers what was published before it lets I/O run a few times.
    for (let turn = 0; turn < 8; turn += 1) await new Promise((resolve) => setImmediate(resolve));
    this.become('closed');
    for (const link of this.links) link.live?.unsubscribe();
    this.links.clear();
  }

  /** The connection is lost. */
  disconnect(): void {
    if (this.status !== 'connected') return;
    for (const link of this.links) link.live?.unsubscribe();
    this.become('disconnected');
  }

  reconnect(): void {
    if (this.status !== 'disconnected') return;
    for (const link of this.links) this.attach(link);
    this.become('connected');
  }

  /** From now on what arrives waits, as in the socket of a process that stands still. */
  hold(): void {
    this.held ??= [];
  }

  /** What waited arrives, in order. */
  release(): void {
    const held = this.held ?? [];
    this.held = undefined;
    for (const arrive of held) arrive();
  }

  private attach(link: Link): void {
    link.live = this.hub.subscribe(link.subject, (message) => {
      this.arrive(() => {
        if (this.links.has(link)) link.handler(message);
      });
    });
  }

  private arrive(call: () => void): void {
    if (this.held === undefined) call();
    else this.held.push(call);
  }

  private become(status: BusStatus): void {
    this.status = status;
    for (const listener of this.listeners) listener(status);
  }
}
