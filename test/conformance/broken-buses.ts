/**
 * Buses that are wrong in one way each, so that the suite is known to notice: every one of them
 * must fail a case. All are wrappers around a good connection.
 */

import type { Bus, BusMessage, BusStatus, BusSubscription } from '../../runtime/bus.ts';
import type { CuttableBus } from './cuttable-bus.ts';

export interface BrokenBus {
  readonly flaw: string;
  readonly wrap: (bus: CuttableBus) => Bus;
}

type Publish = Bus['publish'];
type Subscribe = Bus['subscribe'];
type Handler = (message: BusMessage) => void;

/** A good bus but for what is overridden. */
class Flawed implements Bus {
  protected readonly good: CuttableBus;

  constructor(good: CuttableBus) {
    this.good = good;
  }

  get status(): BusStatus {
    return this.good.status;
  }

  get payloadMax(): number {
    return this.good.payloadMax;
  }

  publish(...args: Parameters<Publish>): ReturnType<Publish> {
    return this.good.publish(...args);
  }

  subscribe(...args: Parameters<Subscribe>): BusSubscription {
    return this.good.subscribe(...args);
  }

  onStatus(listener: (status: BusStatus) => void): void {
    this.good.onStatus(listener);
  }

  close(): Promise<void> {
    return this.good.close();
  }
}

/** What the NATS client does when nobody stops it. */
class LosesSilently extends Flawed {
  override publish(...args: Parameters<Publish>): ReturnType<Publish> {
    this.good.publish(...args);
    return undefined;
  }
}

class SendsLater extends Flawed {
  private readonly waiting: Parameters<Publish>[] = [];

  constructor(good: CuttableBus) {
    super(good);
    good.onStatus((status) => {
      if (status === 'connected') for (const args of this.waiting.splice(0)) good.publish(...args);
    });
  }

  override publish(...args: Parameters<Publish>): ReturnType<Publish> {
    const refusal = this.good.publish(...args);
    if (refusal !== undefined) this.waiting.push(args);
    return refusal;
  }
}

class Reorders extends Flawed {
  override publish(...args: Parameters<Publish>): ReturnType<Publish> {
    const [subject, payload] = args;
    const { length } = payload;
    if (length < 1_000 || length > this.payloadMax) return this.good.publish(...args);
    setImmediate(() => this.good.publish(subject, payload));
    return undefined;
  }
}

class DeliversAtOnce extends Flawed {
  private readonly own = new Map<string, Set<Handler>>();

  override publish(...args: Parameters<Publish>): ReturnType<Publish> {
    const [subject, payload] = args;
    const own = this.own.get(subject);
    if (own === undefined) return this.good.publish(...args);
    for (const handler of own) handler({ subject, payload });
    return undefined;
  }

  override subscribe(subject: string, handler: Handler): BusSubscription {
    const own = this.own.get(subject) ?? new Set();
    this.own.set(subject, own.add(handler));
    return { unsubscribe: () => own.delete(handler) };
  }
}

class TellsNoResponders extends Flawed {
  private readonly when: 'never' | 'always' | 'twice' | 'at once';

  constructor(good: CuttableBus, when: 'never' | 'always' | 'twice' | 'at once') {
    super(good);
    this.when = when;
  }

  override publish(
    subject: string,
    payload: Uint8Array,
    onNoResponders: () => void = () => undefined,
  ): ReturnType<Publish> {
    if (this.when === 'never') return this.good.publish(subject, payload);
    const tell = (): void => {
      try {
        onNoResponders();
      } catch {
        // A good bus survives this, so that is not the flaw.
      }
    };
    if (this.when === 'always') setImmediate(tell);
    if (this.when === 'at once') tell();
    return this.good.publish(subject, payload, () => {
      tell();
      if (this.when === 'twice') tell();
    });
  }
}

class ThrowsWhenCut extends Flawed {
  override publish(...args: Parameters<Publish>): ReturnType<Publish> {
    if (this.good.publish(...args) === undefined) return undefined;
    throw new Error('disconnected');
  }
}

class ForgetsSubscriptions extends Flawed {
  private readonly subscriptions: BusSubscription[] = [];

  constructor(good: CuttableBus) {
    super(good);
    good.onStatus((status) => {
      if (status === 'disconnected') for (const one of this.subscriptions) one.unsubscribe();
    });
  }

  override subscribe(...args: Parameters<Subscribe>): BusSubscription {
    const subscription = this.good.subscribe(...args);
    this.subscriptions.push(subscription);
    return subscription;
  }
}

class HearsNotItself extends Flawed {
  private lastOwn: Uint8Array | undefined;

  override publish(...args: Parameters<Publish>): ReturnType<Publish> {
    this.lastOwn = args[1];
    return this.good.publish(...args);
  }

  override subscribe(subject: string, handler: Handler): BusSubscription {
    return this.good.subscribe(subject, (message) => {
      if (message.payload !== this.lastOwn) handler(message);
    });
  }
}

/** Changes what each handler sees. */
class HandlesOtherwise extends Flawed {
  private readonly change: (handler: Handler) => Handler;

  constructor(good: CuttableBus, change: (handler: Handler) => Handler) {
    super(good);
    this.change = change;
  }

  override subscribe(subject: string, handler: Handler): BusSubscription {
    return this.good.subscribe(subject, this.change(handler));
  }
}

class KeepsDelivering extends Flawed {
  override subscribe(...args: Parameters<Subscribe>): BusSubscription {
    this.good.subscribe(...args);
    return { unsubscribe: () => undefined };
  }
}

class TakesAnySize extends Flawed {
  override publish(...args: Parameters<Publish>): ReturnType<Publish> {
    const [subject, payload, onNoResponders] = args;
    return this.good.publish(subject, payload.subarray(0, this.payloadMax), onNoResponders);
  }
}

class SaysNothing extends Flawed {
  override onStatus(): void {
    // The flaw: listeners are never told.
  }
}

class RepeatsItsStatus extends Flawed {
  override onStatus(listener: (status: BusStatus) => void): void {
    this.good.onStatus((status) => {
      listener(status);
      listener(status);
    });
  }
}

class DropsOnClose extends Flawed {
  private waiting: Parameters<Publish>[] = [];

  override publish(...args: Parameters<Publish>): ReturnType<Publish> {
    if (this.status !== 'connected') return 'bus-refused';
    if (this.waiting.push(args) === 1) {
      setImmediate(() => {
        for (const one of this.waiting.splice(0)) this.good.publish(...one);
      });
    }
    return undefined;
  }

  override close(): Promise<void> {
    this.waiting = [];
    return this.good.close();
  }
}

const breakAfterThrow = (): ((handler: Handler) => Handler) => {
  let broken = false;
  return (handler) => (message) => {
    if (broken) return;
    try {
      handler(message);
    } catch {
      broken = true;
    }
  };
};

export const brokenBuses: readonly BrokenBus[] = [
  { flaw: 'loses silently while disconnected', wrap: (bus) => new LosesSilently(bus) },
  { flaw: 'sends later what it refused', wrap: (bus) => new SendsLater(bus) },
  { flaw: 'lets small messages overtake large ones', wrap: (bus) => new Reorders(bus) },
  { flaw: 'delivers within the publishing call', wrap: (bus) => new DeliversAtOnce(bus) },
  { flaw: 'never tells no-responders', wrap: (bus) => new TellsNoResponders(bus, 'never') },
  { flaw: 'always tells no-responders', wrap: (bus) => new TellsNoResponders(bus, 'always') },
  { flaw: 'tells no-responders twice', wrap: (bus) => new TellsNoResponders(bus, 'twice') },
  { flaw: 'tells no-responders at once', wrap: (bus) => new TellsNoResponders(bus, 'at once') },
  { flaw: 'throws while disconnected', wrap: (bus) => new ThrowsWhenCut(bus) },
  { flaw: 'forgets its subscriptions', wrap: (bus) => new ForgetsSubscriptions(bus) },
  { flaw: 'does not hear itself', wrap: (bus) => new HearsNotItself(bus) },
  {
    flaw: 'delivers twice',
    wrap: (bus) =>
      new HandlesOtherwise(bus, (handler) => (message) => {
        handler(message);
        handler(message);
      }),
  },
  {
    flaw: 'hands over the whole buffer instead of the view',
    wrap: (bus) =>
      new HandlesOtherwise(bus, (handler) => ({ subject, payload }) => {
        handler({ subject, payload: new Uint8Array(payload.buffer) });
      }),
  },
  {
    flaw: 'delivers nothing more after a handler threw',
    wrap: (bus) => new HandlesOtherwise(bus, breakAfterThrow()),
  },
  { flaw: 'keeps delivering after unsubscribe', wrap: (bus) => new KeepsDelivering(bus) },
  { flaw: 'cuts off what is too large', wrap: (bus) => new TakesAnySize(bus) },
  { flaw: 'does not tell its status', wrap: (bus) => new SaysNothing(bus) },
  { flaw: 'tells each status twice', wrap: (bus) => new RepeatsItsStatus(bus) },
  { flaw: 'drops what it holds when closed', wrap: (bus) => new DropsOnClose(bus) },
];
