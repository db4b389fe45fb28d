/** Cases of the metadata store's suite: what a watcher is told. */

import { expect } from 'chai';

import type { MetadataStore, StoreChange } from '../../../nodes/stores/metadata-store.ts';
import { eventually } from '../bus-harness.ts';
import type { StoreCase } from '../store-harness.ts';

/** `key=value`, or `-key` for a removal. */
function brief(change: StoreChange): string {
  return change.kind === 'put'
    ? `${change.record.key}=${String(change.record.value)}`
    : `-${change.key}`;
}

function revisionOf(change: StoreChange): number {
  return change.kind === 'put' ? change.record.revision : change.revision;
}

const isFence = (change: StoreChange): boolean => brief(change).endsWith('fence=1');

async function fenced(
  store: MetadataStore,
  told: readonly StoreChange[],
  key: string,
  patienceMs: number,
): Promise<void> {
  await store.put(key, 1, 'any');
  await eventually('the fence is told', () => told.some(isFence), patienceMs);
}

export const watchCases: readonly StoreCase[] = [
  {
    name: 'tells a watcher every change under its prefix in order, whoever made it',
    async run(harness) {
      const [watching, other] = [await harness.open(), await harness.open()];
      await watching.put('w/before', 0, 'any');
      const told: StoreChange[] = [];
      await watching.watch('w/', (change) => told.push(change));
      const expected: string[] = [];
      for (let at = 0; at < 120; at += 1) {
        const store = at % 2 === 0 ? watching : other;
        const key = `w/${String(at % 4)}`;
        await store.put('x/elsewhere', at, 'any');
        if (at % 10 === 9) {
          await store.remove(key, 'any');
          expected.push(`-${key}`);
        } else {
          await store.put(key, at, 'any');
          expected.push(`${key}=${String(at)}`);
        }
      }
      await fenced(other, told, 'w/fence', harness.patienceMs);
      expect(told.map(brief)).to.deep.equal([...expected, 'w/fence=1']);
      const revisions = told.map(revisionOf);
      expect(revisions).to.deep.equal([...revisions].sort((a, b) => a - b));
    },
  },
  {
    name: 'tells of writes made at once in the order of their revisions',
    async run(harness) {
      const store = await harness.open();
      const told: StoreChange[] = [];
      await store.watch('w/', (change) => told.push(change));
      const writes = Array.from({ length: 200 }, (_, at) =>
        store.put(`w/${String(at)}`, at, 'absent'),
      );
      const outcomes = await Promise.all(writes);
      await fenced(store, told, 'w/fence', harness.patienceMs);
      const revisions = told.map(revisionOf);
      expect(revisions).to.deep.equal([...revisions].sort((a, b) => a - b));
      const made = outcomes.map((outcome) => (outcome.ok ? outcome.revision : 0));
      expect(revisions.slice(0, -1)).to.deep.equal(made.sort((a, b) => a - b));
    },
  },
  {
    name: 'tells nothing of writes that were refused, nor of removals of nothing',
    async run(harness) {
      const store = await harness.open();
      await store.put('w/a', 1, 'any');
      const told: StoreChange[] = [];
      await store.watch('w/', (change) => told.push(change));
      await store.put('w/a', 2, 'absent');
      await store.remove('w/a', 999_999);
      await store.remove('w/none', 'any');
      await fenced(store, told, 'w/fence', harness.patienceMs);
      expect(told.map(brief)).to.deep.equal(['w/fence=1']);
    },
  },
  {
    name: 'tells nothing more once a watch has ended, and others go on',
    async run(harness) {
      const store = await harness.open();
      const [ended, stays]: [StoreChange[], StoreChange[]] = [[], []];
      const end = await store.watch('w/', (change) => ended.push(change));
      await store.watch('w/', (change) => stays.push(change));
      await store.put('w/a', 1, 'any');
      await eventually(
        'both are told',
        () => ended.length + stays.length === 2,
        harness.patienceMs,
      );
      end();
      await fenced(store, stays, 'w/fence', harness.patienceMs);
      expect(ended.map(brief)).to.deep.equal(['w/a=1']);
    },
  },
  {
    name: 'lets a watcher throw, which costs it that change alone',
    async run(harness) {
      const store = await harness.open();
      const told: StoreChange[] = [];
      await store.watch('w/', (change) => {
        told.push(change);
        throw new Error('a watcher must not, but this one does');
      });
      expect((await store.put('w/a', 1, 'any')).ok).to.equal(true);
      await fenced(store, told, 'w/fence', harness.patienceMs);
      expect(told.map(brief)).to.deep.equal(['w/a=1', 'w/fence=1']);
    },
  },
];
