/** Cases of the metadata store's suite: what is written, by whom, and under which condition. */

import { expect } from 'chai';
import fc from 'fast-check';

import type { Expected, MetadataStore } from '../../../nodes/stores/metadata-store.ts';
import { StoreFailed } from '../../../runtime/errors.ts';
import type { StoreCase } from '../store-harness.ts';
import { recordBytesMax } from '../store-places.ts';

async function revisionOf(write: ReturnType<MetadataStore['put']>): Promise<number> {
  const outcome = await write;
  expect(outcome.ok).to.equal(true);
  return outcome.ok ? outcome.revision : -1;
}

async function keysUnder(store: MetadataStore, prefix: string): Promise<string[]> {
  return (await store.list(prefix)).map(({ key }) => key);
}

async function failureOf(promise: Promise<unknown>): Promise<unknown> {
  return promise.then(
    () => undefined,
    (error: unknown) => error,
  );
}

/** Adds one by compare-and-set until it is taken; gives how often someone else was first. */
async function increment(store: MetadataStore, key: string): Promise<number> {
  for (let lost = 0; ; lost += 1) {
    const current = await store.get(key);
    const value = ((current?.value ?? 0) as number) + 1;
    if ((await store.put(key, value, current?.revision ?? 'absent')).ok) return lost;
  }
}

export const writingCases: readonly StoreCase[] = [
  {
    name: 'gives back what was put, and nothing for what was not or is no more',
    async run(harness) {
      const store = await harness.open();
      const value = {
        ...{ text: 'ü', zero: 0, big: 2n ** 60n, none: null, yes: true, half: 0.5 },
        ...{ list: [1, [2], {}], bytes: Uint8Array.of(0, 255) },
      };
      const revision = await revisionOf(store.put('a/b', value, 'any'));
      expect(await store.get('a/b')).to.deep.equal({ key: 'a/b', value, revision });
      expect(await store.get('a')).to.equal(undefined);
      await store.put('a/b', undefined, 'any');
      expect((await store.get('a/b'))?.value).to.equal(null);
      await store.remove('a/b', 'any');
      expect(await store.get('a/b')).to.equal(undefined);
      expect(await store.list('')).to.deep.equal([]);
    },
  },
  {
    name: 'counts every change of the store in one order',
    async run(harness) {
      const store = await harness.open();
      const revisions = [
        await revisionOf(store.put('a', 1, 'any')),
        await revisionOf(store.put('b', 1, 'absent')),
        await revisionOf(store.put('a', 2, 'any')),
        await revisionOf(store.remove('b', 'any')),
        await revisionOf(store.put('b', 2, 'absent')),
      ];
      expect(revisions[0]).to.be.greaterThan(0);
      expect(revisions).to.deep.equal([...new Set(revisions)].sort((x, y) => x - y));
      expect((await store.get('a'))?.revision).to.equal(revisions[2]);
    },
  },
  {
    name: 'writes only over what it is told to expect, and says what is there instead',
    async run(harness) {
      const store = await harness.open();
      const first = await revisionOf(store.put('k', 1, 'absent'));
      const current = { key: 'k', value: 1, revision: first };
      const wrong: Expected[] = ['absent', first + 1];
      for (const expected of wrong) {
        expect(await store.put('k', 9, expected)).to.deep.equal({ ok: false, current });
        expect(await store.remove('k', expected)).to.deep.equal({ ok: false, current });
      }
      const second = await revisionOf(store.put('k', 2, first));
      expect((await store.put('k', 3, first)).ok).to.equal(false);
      expect(await store.get('k')).to.deep.equal({ key: 'k', value: 2, revision: second });
      await revisionOf(store.remove('k', second));
      expect(await store.put('k', 4, second)).to.deep.equal({ ok: false, current: undefined });
      await revisionOf(store.put('k', 5, 'absent'));
    },
  },
  {
    name: 'removes nothing where nothing is, and counts no change',
    async run(harness) {
      const store = await harness.open();
      for (const expected of ['any', 'absent'] as const) {
        expect(await store.remove('k', expected)).to.deep.equal({ ok: true, revision: 0 });
      }
      expect(await store.remove('k', 1)).to.deep.equal({ ok: false, current: undefined });
    },
  },
  {
    name: 'lists what begins with a prefix, by key, whatever the characters',
    async run(harness) {
      const store = await harness.open();
      const keys = [
        'v/a',
        'v/a.b',
        'v/a b',
        'v/a=2E',
        'v/ä',
        'v/😀',
        'v/a/b',
        'v',
        'va',
        'w/>',
        'w/*',
      ];
      for (const key of keys) await store.put(key, key, 'absent');
      const sorted = [...keys].sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)));
      expect(await keysUnder(store, '')).to.deep.equal(sorted);
      for (const prefix of ['v', 'v/', 'v/a', 'v/a/', 'w/', 'x', 'v/a.']) {
        const expected = sorted.filter((key) => key.startsWith(prefix));
        expect(await keysUnder(store, prefix), prefix).to.deep.equal(expected);
      }
      expect((await store.list('w/'))[0]).to.include({ key: 'w/*', value: 'w/*' });
    },
  },
  {
    name: 'loses no increment of concurrent writers',
    async run(harness) {
      const [writers, each] = [6, 20];
      const stores = await Promise.all(Array.from({ length: writers }, () => harness.open()));
      const lost = await Promise.all(
        stores.map(async (store) => {
          let count = 0;
          for (let at = 0; at < each; at += 1) count += await increment(store, 'counter');
          return count;
        }),
      );
      expect((await stores[0]?.get('counter'))?.value).to.equal(writers * each);
      // Otherwise they did not meet, and nothing was shown.
      expect(lost.reduce((sum, count) => sum + count)).to.be.greaterThan(0);
    },
  },
  {
    name: 'lets one of many create a record',
    async run(harness) {
      const stores = await Promise.all(Array.from({ length: 6 }, () => harness.open()));
      for (const key of ['one', 'two', 'three']) {
        const outcomes = await Promise.all(stores.map((store, at) => store.put(key, at, 'absent')));
        expect(outcomes.filter(({ ok }) => ok)).to.have.length(1);
        const winner = outcomes.findIndex(({ ok }) => ok);
        expect((await stores[0]?.get(key))?.value).to.equal(winner);
      }
    },
  },
  {
    name: 'behaves as a map under any sequence of writes',
    async run(harness) {
      const store = await harness.open();
      const key = fc.constantFrom('a', 'a/b', 'a/c', 'b');
      const step = fc.record({
        ...{ key, value: fc.nat(9), removes: fc.boolean() },
        expected: fc.constantFrom('any', 'absent', 'current'),
      });
      const steps = fc.array(step, { maxLength: 12 });
      let run = 0;
      const property = fc.asyncProperty(steps, async (taken) => {
        run += 1;
        const root = `run-${String(run)}/`;
        const model = new Map<string, number>();
        for (const { key: name, value, removes, expected } of taken) {
          const full = root + name;
          const there = await store.get(full);
          expect(there?.value).to.equal(model.get(name));
          const wanted = expected === 'current' ? (there?.revision ?? 'absent') : expected;
          const outcome = removes
            ? await store.remove(full, wanted)
            : await store.put(full, value, wanted);
          expect(outcome.ok).to.equal(wanted !== 'absent' || there === undefined);
          if (!outcome.ok) continue;
          if (removes) model.delete(name);
          else model.set(name, value);
        }
        const kept = (await store.list(root)).map((record) => [record.key, record.value]);
        const asked = [...model].map(([name, value]) => [root + name, value]);
        expect(kept).to.deep.equal(asked.sort(([a], [b]) => (String(a) < String(b) ? -1 : 1)));
      });
      await fc.assert(property, { numRuns: 25 });
    },
  },
  {
    name: 'keeps a record of the largest size whole, refuses a larger one and goes on',
    async run(harness) {
      const store = await harness.open();
      const largest = new Uint8Array(recordBytesMax - 5).fill(7);
      await revisionOf(store.put('large', largest, 'any'));
      expect((await store.get('large'))?.value).to.deep.equal(largest);
      const error = await failureOf(store.put('large', new Uint8Array(recordBytesMax), 'any'));
      expect(error).to.be.instanceOf(StoreFailed);
      expect(String(error)).to.contain('"large"').and.contain('recordBytesMax');
      expect((await store.get('large'))?.value).to.deep.equal(largest);
    },
  },
  {
    name: 'refuses keys that are none',
    async run(harness) {
      const store = await harness.open();
      for (const key of ['', '/', '/a', 'a/', 'a//b', 'a\nb', '\0', 'k'.repeat(513), '\ud800']) {
        expect(await failureOf(store.put(key, 1, 'any')), key).to.be.instanceOf(StoreFailed);
        expect(await failureOf(store.get(key)), key).to.be.instanceOf(StoreFailed);
        expect(await failureOf(store.remove(key, 'any')), key).to.be.instanceOf(StoreFailed);
      }
      expect(await store.list('')).to.deep.equal([]);
    },
  },
];
