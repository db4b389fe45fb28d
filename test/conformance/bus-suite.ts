/**
 * What every bus must do, as a list of cases that can be run against any of them: the in-process
 * one, NATS with a real server, and the broken ones of `broken-buses.ts`, each of which must fail.
 *
 * "Nothing came" is never decided by waiting: a later message on the same subject is the fence, since
 * a bus keeps order.
 */

import { expect } from 'chai';

import type { Bus, BusStatus } from '../../runtime/bus.ts';
import { BusPayloadTooLarge } from '../../runtime/errors.ts';

/** One bus under test. */
export interface BusHarness {
  /** A connection of its own, as another process would have. */
  open(): Promise<Bus>;
  /** Cuts all connections; resolves when the buses have noticed. */
  cut(): Promise<void>;
  /** Makes the connections possible again; resolves when the buses are connected. */
  restore(): Promise<void>;
  /** How long something that must happen may take, in milliseconds. */
  readonly patienceMs: number;
  close(): Promise<void>;
}

export interface BusCase {
  readonly name: string;
  run(harness: BusHarness): Promise<void>;
}

/** Runs every case of the suite against the buses that `createHarness` makes, one harness each. */
export function describeBus(name: string, createHarness: () => Promise<BusHarness>): void {
  describe(`the bus contract: ${name}`, () => {
    for (const { name: sentence, run } of busCases) {
      it(sentence, async () => {
        const harness = await createHarness();
        try {
          await run(harness);
        } finally {
          await harness.close();
        }
      });
    }
  });
}

/** Polls until the condition holds; fails naming what did not happen. */
export async function eventually(
  what: string,
  condition: () => boolean,
  patienceMs: number,
): Promise<void> {
  const giveUpAt = performance.now() + patienceMs;
  while (!condition()) {
    if (performance.now() > giveUpAt) throw new Error(`did not happen: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 2));
  }
}

const bytes = (...values: number[]): Uint8Array => Uint8Array.from(values);

/** What a subscription heard: of each message its first bytes. */
function record(bus: Bus, subject: string): number[][] {
  const heard: number[][] = [];
  bus.subscribe(subject, ({ payload }) => heard.push([...payload.subarray(0, 8)]));
  return heard;
}

/** Waits until what `publisher` publishes on `subject` reaches a recording: subscriptions settle. */
async function settled(
  harness: BusHarness,
  publisher: Bus,
  subject: string,
  heard: number[][],
): Promise<void> {
  const giveUpAt = performance.now() + harness.patienceMs;
  while (heard.length === 0) {
    if (performance.now() > giveUpAt) throw new Error('nothing arrives at all');
    publisher.publish(subject, bytes(255));
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
  const fence = Math.floor(Math.random() * 256);
  publisher.publish(subject, bytes(254, fence));
  const isFence = (one: number[]): boolean => one[0] === 254 && one[1] === fence;
  await eventually('the fence arrives', () => heard.some(isFence), harness.patienceMs);
  heard.length = 0;
}

const delivery: BusCase[] = [
  {
    name: 'delivers the bytes that were published, under their subject',
    async run(harness) {
      const [a, b] = [await harness.open(), await harness.open()];
      const heard = record(b, 'suite.plain');
      let subject = '';
      b.subscribe('suite.plain', (message) => (subject = message.subject));
      await settled(harness, a, 'suite.plain', heard);
      a.publish('suite.plain', bytes(9, 1, 2, 3, 9).subarray(1, 4));
      a.publish('suite.plain', bytes());
      await eventually('both arrive', () => heard.length >= 2, harness.patienceMs);
      expect(heard).to.deep.equal([[1, 2, 3], []]);
      expect(subject).to.equal('suite.plain');
    },
  },
  {
    name: 'lets every subscriber hear, the publisher among them, each message once',
    async run(harness) {
      const [a, b] = [await harness.open(), await harness.open()];
      const heard = [record(a, 'suite.all'), record(a, 'suite.all'), record(b, 'suite.all')];
      for (const one of heard) await settled(harness, a, 'suite.all', one);
      for (const one of heard) one.length = 0;
      a.publish('suite.all', bytes(1));
      a.publish('suite.all', bytes(2));
      const done = (): boolean => heard.every((one) => one.some(([value]) => value === 2));
      await eventually('all hear', done, harness.patienceMs);
      for (const one of heard) expect(one).to.deep.equal([[1], [2]]);
    },
  },
  {
    name: 'delivers to nobody but the subscribers of the subject',
    async run(harness) {
      const bus = await harness.open();
      const [near, far] = [record(bus, 'suite.one'), record(bus, 'suite.one-two')];
      await settled(harness, bus, 'suite.one', near);
      bus.publish('suite.one-two', bytes(1));
      await eventually('it arrives', () => far.length > 0, harness.patienceMs);
      bus.publish('suite.one', bytes(2));
      await eventually('the fence arrives', () => near.length > 0, harness.patienceMs);
      expect(near).to.deep.equal([[2]]);
    },
  },
  {
    name: 'never delivers within the call that publishes',
    async run(harness) {
      const bus = await harness.open();
      let publishing = false;
      let within = 0;
      let heard = 0;
      bus.subscribe('suite.later', () => {
        heard += 1;
        if (publishing) within += 1;
      });
      publishing = true;
      bus.publish('suite.later', bytes(1));
      bus.publish('suite.nobody', bytes(1), () => {
        if (publishing) within += 1;
      });
      publishing = false;
      await eventually('it arrives', () => heard > 0, harness.patienceMs);
      expect(within).to.equal(0);
    },
  },
  {
    name: 'keeps the order of one publisher, whatever the sizes',
    async run(harness) {
      const [a, b] = [await harness.open(), await harness.open()];
      const order: number[] = [];
      const heard = record(b, 'suite.order');
      await settled(harness, a, 'suite.order', heard);
      b.subscribe('suite.order', ({ payload }) => {
        order.push(((payload[0] ?? 0) << 8) | (payload[1] ?? 0));
      });
      await settled(harness, a, 'suite.order', heard);
      order.length = 0;
      const count = 400;
      for (let index = 0; index < count; index += 1) {
        const payload = new Uint8Array(2 + (index % 7 === 0 ? 40_000 : index % 50));
        payload.set([index >> 8, index & 255]);
        a.publish('suite.order', payload);
      }
      await eventually('all arrive', () => order.length >= count, harness.patienceMs);
      expect(order).to.deep.equal(Array.from({ length: count }, (_, index) => index));
    },
  },
  {
    name: 'takes a payload of payloadMax bytes and throws BusPayloadTooLarge above it',
    async run(harness) {
      const [a, b] = [await harness.open(), await harness.open()];
      const sizes: number[] = [];
      b.subscribe('suite.large', ({ payload }) => sizes.push(payload.length));
      await eventually(
        'the subscription works',
        () => a.publish('suite.large', bytes(1)) === undefined && sizes.length > 0,
        harness.patienceMs,
      );
      sizes.length = 0;
      const largest = new Uint8Array(a.payloadMax);
      expect(a.publish('suite.large', largest)).to.equal(undefined);
      expect(() => a.publish('suite.large', new Uint8Array(a.payloadMax + 1))).to.throw(
        BusPayloadTooLarge,
      );
      const arrived = (): boolean => sizes.includes(largest.length);
      await eventually('it arrives whole', arrived, harness.patienceMs);
      expect(Math.max(...sizes)).to.equal(largest.length);
    },
  },
];

const subscribing: BusCase[] = [
  {
    name: 'delivers nothing more after unsubscribe returned, to that subscriber alone',
    async run(harness) {
      const bus = await harness.open();
      const stays = record(bus, 'suite.leave');
      let after = 0;
      let left = false;
      const subscription = bus.subscribe('suite.leave', () => {
        if (left) after += 1;
      });
      await settled(harness, bus, 'suite.leave', stays);
      bus.publish('suite.leave', bytes(1));
      subscription.unsubscribe();
      subscription.unsubscribe();
      left = true;
      bus.publish('suite.leave', bytes(2));
      await eventually('the other hears both', () => stays.length >= 2, harness.patienceMs);
      expect(stays).to.deep.equal([[1], [2]]);
      expect(after).to.equal(0);
    },
  },
  {
    name: 'lets a handler publish, subscribe and unsubscribe',
    async run(harness) {
      const bus = await harness.open();
      const answers = record(bus, 'suite.answer');
      await settled(harness, bus, 'suite.answer', answers);
      const once = bus.subscribe('suite.ask', () => {
        once.unsubscribe();
        bus.subscribe('suite.ask', () => bus.publish('suite.answer', bytes(2)));
        bus.publish('suite.answer', bytes(1));
        bus.publish('suite.ask', bytes(0));
      });
      bus.publish('suite.ask', bytes(0));
      await eventually('both answers come', () => answers.length >= 2, harness.patienceMs);
      expect(answers).to.deep.equal([[1], [2]]);
    },
  },
  {
    name: 'goes on when a handler throws',
    async run(harness) {
      const bus = await harness.open();
      let calls = 0;
      bus.subscribe('suite.throws', () => {
        calls += 1;
        throw new Error('a handler must not, but this one does');
      });
      const heard = record(bus, 'suite.throws');
      bus.publish('suite.nobody', bytes(1), () => {
        throw new Error('nor may this one');
      });
      bus.publish('suite.throws', bytes(1));
      bus.publish('suite.throws', bytes(2));
      await eventually('the other hears both', () => heard.length >= 2, harness.patienceMs);
      expect([heard, calls]).to.deep.equal([[[1], [2]], 2]);
    },
  },
];

const noResponders: BusCase[] = [
  {
    name: 'tells each publish that nobody subscribes to its subject, once',
    async run(harness) {
      const bus = await harness.open();
      const told = new Array<number>(500).fill(0);
      for (let index = 0; index < told.length; index += 1) {
        bus.publish(`suite.nobody.${String(index)}`, bytes(1), () => {
          told[index] = (told[index] ?? 0) + 1;
        });
      }
      const all = (): boolean => told.every((count) => count > 0);
      await eventually('each is told', all, harness.patienceMs);
      let fence = false;
      bus.publish('suite.nobody.fence', bytes(1), () => (fence = true));
      await eventually('the fence is told', () => fence, harness.patienceMs);
      expect(told.every((count) => count === 1)).to.equal(true);
    },
  },
  {
    name: 'tells nothing when somebody subscribes, and again when the last one left',
    async run(harness) {
      const [a, b] = [await harness.open(), await harness.open()];
      let heard = 0;
      let told = 0;
      const subscription = b.subscribe('suite.somebody', () => (heard += 1));
      await eventually(
        'the subscription works',
        () => a.publish('suite.somebody', bytes(1)) === undefined && heard > 0,
        harness.patienceMs,
      );
      let fence = false;
      a.publish('suite.somebody', bytes(1), () => (told += 1));
      a.publish('suite.nobody', bytes(1), () => (fence = true));
      await eventually('the fence is told', () => fence, harness.patienceMs);
      expect(told).to.equal(0);
      subscription.unsubscribe();
      const publish = (): boolean => {
        a.publish('suite.somebody', bytes(1), () => (told += 1));
        return told > 0;
      };
      await eventually('nobody is left', publish, harness.patienceMs);
    },
  },
];

const disconnecting: BusCase[] = [
  {
    name: 'refuses to publish while disconnected, and never delivers what it refused',
    async run(harness) {
      const [a, b] = [await harness.open(), await harness.open()];
      const heard = record(b, 'suite.refused');
      await settled(harness, a, 'suite.refused', heard);
      await harness.cut();
      expect(a.status).to.equal('disconnected');
      expect(a.publish('suite.refused', bytes(1))).to.equal('bus-refused');
      expect(a.publish('suite.refused', bytes(1), () => undefined)).to.equal('bus-refused');
      await harness.restore();
      await settled(harness, a, 'suite.refused', heard);
      a.publish('suite.refused', bytes(2));
      await eventually('the fence arrives', () => heard.length > 0, harness.patienceMs);
      expect(heard).to.deep.equal([[2]]);
    },
  },
  {
    name: 'does not throw when publishing races the cut',
    async run(harness) {
      const bus = await harness.open();
      const results = new Set<unknown>();
      let cutting = true;
      const publishing = (async () => {
        while (cutting) {
          results.add(bus.publish('suite.race', bytes(1), () => undefined));
          await new Promise((resolve) => setImmediate(resolve));
        }
      })();
      await harness.cut();
      results.add(bus.publish('suite.race', bytes(1)));
      cutting = false;
      await publishing;
      for (const result of results) expect(result).to.be.oneOf([undefined, 'bus-refused']);
      expect(results.has('bus-refused')).to.equal(true);
    },
  },
  {
    name: 'tells its status as it changes, each change once',
    async run(harness) {
      const bus = await harness.open();
      const told: BusStatus[] = [];
      bus.onStatus((status) => told.push(status));
      expect(bus.status).to.equal('connected');
      await harness.cut();
      expect([bus.status, told]).to.deep.equal(['disconnected', ['disconnected']]);
      await harness.restore();
      expect([bus.status, told]).to.deep.equal(['connected', ['disconnected', 'connected']]);
    },
  },
  {
    name: 'keeps its subscriptions over a cut, old ones and those made meanwhile',
    async run(harness) {
      const [a, b] = [await harness.open(), await harness.open()];
      const before = record(b, 'suite.before');
      await settled(harness, a, 'suite.before', before);
      await harness.cut();
      const during = record(b, 'suite.during');
      await harness.restore();
      await settled(harness, a, 'suite.before', before);
      await settled(harness, a, 'suite.during', during);
      await settled(harness, b, 'suite.during', during);
      let told = false;
      a.publish('suite.nobody', bytes(1), () => (told = true));
      await eventually('no responders works again', () => told, harness.patienceMs);
    },
  },
];

const closing: BusCase[] = [
  {
    name: 'delivers to others what was published before it closed',
    async run(harness) {
      const [a, b] = [await harness.open(), await harness.open()];
      const heard = record(b, 'suite.last');
      await settled(harness, a, 'suite.last', heard);
      for (let index = 0; index < 100; index += 1) a.publish('suite.last', bytes(index));
      await a.close();
      await eventually('all arrive', () => heard.length >= 100, harness.patienceMs);
    },
  },
  {
    name: 'refuses once closed, and may be closed twice, connected or not',
    async run(harness) {
      const [a, b] = [await harness.open(), await harness.open()];
      const told: BusStatus[] = [];
      a.onStatus((status) => told.push(status));
      await a.close();
      await a.close();
      expect([a.status, told]).to.deep.equal(['closed', ['closed']]);
      expect(a.publish('suite.closed', bytes(1))).to.equal('bus-refused');
      await harness.cut();
      await b.close();
      expect(b.status).to.equal('closed');
    },
  },
];

export const busCases: readonly BusCase[] = [
  ...delivery,
  ...subscribing,
  ...noResponders,
  ...disconnecting,
  ...closing,
];
