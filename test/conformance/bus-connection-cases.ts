/** Cases of the bus suite on who is there: no responders, connections that break, and closing. */

import { expect } from 'chai';

import type { BusStatus } from '../../runtime/bus.ts';
import { type BusCase, bytes, eventually, record, settled } from './bus-harness.ts';

export const noRespondersCases: readonly BusCase[] = [
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

export const disconnectingCases: readonly BusCase[] = [
  {
    name: 'refuses to publish while disconnected, and never delivers what it refused',
    async run(harness) {
      // The subscriber first, so that it is back first and would hear what the other kept.
      const [b, a] = [await harness.open(), await harness.open()];
      const heard = record(b, 'suite.refused');
      const everything = record(b, 'suite.refused');
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
      expect(everything.filter(([value]) => value === 1)).to.deep.equal([]);
    },
  },
  {
    name: 'does not throw when publishing races the cut',
    async run(harness) {
      const bus = await harness.open();
      const results = new Set<unknown>();
      const cutting = { on: true };
      const publishing = (async () => {
        while (cutting.on) {
          results.add(bus.publish('suite.race', bytes(1), () => undefined));
          await new Promise((resolve) => setImmediate(resolve));
        }
      })();
      await harness.cut();
      results.add(bus.publish('suite.race', bytes(1)));
      cutting.on = false;
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

export const closingCases: readonly BusCase[] = [
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
