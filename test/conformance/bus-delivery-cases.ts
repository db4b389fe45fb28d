/** Cases of the bus suite on a connection that holds: delivery, order, subscriptions. */

import { expect } from 'chai';

import { BusPayloadTooLarge } from '../../runtime/errors.ts';
import { type BusCase, bytes, eventually, record, settled } from './bus-harness.ts';

export const deliveryCases: readonly BusCase[] = [
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
      a.publish('suite.all', bytes(1));
      a.publish('suite.all', bytes(2));
      const done = (): boolean => heard.every((one) => one.some(([value]) => value === 2));
      await eventually('all hear', done, harness.patienceMs);
      // What settled another subscription may have come to this one later.
      const news = heard.map((one) => one.filter(([value = 0]) => value < 254));
      for (const one of news) expect(one).to.deep.equal([[1], [2]]);
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

export const subscribingCases: readonly BusCase[] = [
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
