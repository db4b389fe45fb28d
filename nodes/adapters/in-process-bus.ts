/**
 * The bus within one process: what several nodes of `infaas up` share when no NATS is wanted.
 *
 * One queue for all subjects, drained from `setImmediate`: delivery is never in the publisher's own
 * call, keeps the order of publishing, and lets I/O run between turns. Payloads are handed over by
 * reference: a publisher does not touch what it published, a subscriber does not write to it.
 */

import type {
  Bus,
  BusMessage,
  BusStatus,
  BusSubscription,
  PublishRefusal,
} from '../../runtime/bus.ts';
import { BusPayloadTooLarge, messageOf } from '../../runtime/errors.ts';
import { type Logger, silentLogger } from '../../runtime/log.ts';

export interface InProcessBusOptions {
  /** Bytes; 64 MiB unless told, NATS's own ceiling. */
  readonly payloadMax?: number;
  readonly log?: Logger;
}

interface Subscriber {
  readonly handler: (message: BusMessage) => void;
  active: boolean;
}

interface Parcel {
  readonly message: BusMessage;
  /** Who subscribed when it was published; copied on write, so this list never changes. */
  readonly to: readonly Subscriber[];
  readonly onNoResponders: (() => void) | undefined;
}

const defaultPayloadMax = 64 * 1024 * 1024;
/** Deliveries before I/O gets its turn. */
const deliveriesPerTurn = 256;
const nobody: readonly Subscriber[] = [];

/** A bus for the nodes of this process. Publishing more than `payloadMax` is a caller's error. */
export function createInProcessBus(options: InProcessBusOptions = {}): Bus {
  return new InProcessBus(options);
}

class InProcessBus implements Bus {
  status: BusStatus = 'connected';
  readonly payloadMax: number;
  private readonly log: Logger;
  private readonly subscribers = new Map<string, readonly Subscriber[]>();
  private readonly listeners: ((status: BusStatus) => void)[] = [];
  private queue: Parcel[] = [];
  /** Index of the next parcel; the array is replaced when it has been read to its end. */
  private next = 0;
  private scheduled = false;
  private readonly whenDrained: (() => void)[] = [];

  constructor(options: InProcessBusOptions) {
    this.payloadMax = options.payloadMax ?? defaultPayloadMax;
    this.log = options.log ?? silentLogger;
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
    const to = this.subscribers.get(subject) ?? nobody;
    if (to.length === 0 && onNoResponders === undefined) return undefined;
    this.queue.push({ message: { subject, payload }, to, onNoResponders });
    this.schedule();
    return undefined;
  }

  subscribe(subject: string, handler: (message: BusMessage) => void): BusSubscription {
    const subscriber: Subscriber = { handler, active: true };
    this.subscribers.set(subject, [...(this.subscribers.get(subject) ?? nobody), subscriber]);
    return {
      unsubscribe: () => {
        subscriber.active = false;
        const rest = (this.subscribers.get(subject) ?? nobody).filter((one) => one !== subscriber);
        if (rest.length === 0) this.subscribers.delete(subject);
        else this.subscribers.set(subject, rest);
      },
    };
  }

  onStatus(listener: (status: BusStatus) => void): void {
    this.listeners.push(listener);
  }

  async close(): Promise<void> {
    if (this.status === 'closed') return;
    this.status = 'closed';
    if (this.scheduled) await new Promise<void>((resolve) => this.whenDrained.push(resolve));
    this.subscribers.clear();
    for (const listener of this.listeners) listener('closed');
  }

  private schedule(): void {
    if (this.scheduled) return;
    this.scheduled = true;
    setImmediate(this.drain);
  }

  private readonly drain = (): void => {
    const end = Math.min(this.queue.length, this.next + deliveriesPerTurn);
    while (this.next < end) {
      const parcel = this.queue[this.next];
      this.next += 1;
      if (parcel !== undefined) this.deliver(parcel);
    }
    if (this.next < this.queue.length) {
      this.queue.splice(0, this.next);
      this.next = 0;
      setImmediate(this.drain);
      return;
    }
    this.queue = [];
    this.next = 0;
    this.scheduled = false;
    for (const resolve of this.whenDrained.splice(0)) resolve();
  };

  private deliver(parcel: Parcel): void {
    if (parcel.to.length === 0) {
      this.guarded(parcel.message.subject, () => parcel.onNoResponders?.());
      return;
    }
    for (const subscriber of parcel.to) {
      if (!subscriber.active) continue;
      try {
        subscriber.handler(parcel.message);
      } catch (error) {
        this.handlerThrew(parcel.message.subject, error);
      }
    }
  }

  private guarded(subject: string, call: () => void): void {
    try {
      call();
    } catch (error) {
      this.handlerThrew(subject, error);
    }
  }

  /** A subscriber must not throw; one that does costs neither the others nor the bus. */
  private handlerThrew(subject: string, error: unknown): void {
    this.log.error('a bus handler threw', { subject, error: messageOf(error) });
  }
}
