/** Cases of the metadata store's suite: closing, opening again, and writers that are killed. */

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';

import { expect } from 'chai';

import { StoreFailed } from '../../../runtime/errors.ts';
import type { StoreCase } from '../store-harness.ts';
import type { StorePlace } from '../store-places.ts';

const writer = fileURLToPath(new URL('../../fixtures/store-writer.ts', import.meta.url));
/** Of 1,000: well in the middle. */
const killedAfter = 300;

/** The keys whose writes were acknowledged before the writer was killed. */
async function acknowledgedByKilled(place: StorePlace): Promise<string[]> {
  const child = spawn(process.execPath, ['--import', 'tsx', writer, JSON.stringify(place)], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  let said = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    said += text;
    if (said.split('\n').length > killedAfter) child.kill('SIGKILL');
  });
  await once(child, 'close');
  // A last line without its end was being said when it died.
  return said.split('\n').slice(0, -1);
}

export const survivalCases: readonly StoreCase[] = [
  {
    name: 'keeps everything over closing and opening, revisions included',
    async run(harness) {
      const store = await harness.open();
      for (let at = 0; at < 20; at += 1) await store.put(`k/${String(at)}`, { at }, 'absent');
      await store.remove('k/7', 'any');
      const before = await store.list('');
      await harness.closeAll();
      const again = await harness.open();
      expect(await again.list('')).to.deep.equal(before);
      const [newest] = [...before].sort((a, b) => b.revision - a.revision);
      const outcome = await again.put('k/0', 1, before[0]?.revision ?? 0);
      expect(outcome.ok && outcome.revision).to.be.greaterThan(newest?.revision ?? Infinity);
    },
  },
  {
    name: 'refuses everything once it is closed',
    async run(harness) {
      const store = await harness.open();
      await store.put('a', 1, 'any');
      await store.close();
      const calls = [
        () => store.get('a'),
        () => store.list(''),
        () => store.put('a', 2, 'any'),
        () => store.remove('a', 'any'),
      ];
      for (const call of calls) {
        const error = await call().then(
          () => undefined,
          (failure: unknown) => failure,
        );
        expect(error).to.be.instanceOf(StoreFailed);
      }
      await store.close();
    },
  },
  {
    name: 'has everything acknowledged to a writer that was killed in the middle of 1,000 writes',
    async run(harness) {
      const acknowledged = await acknowledgedByKilled(harness.place);
      expect(acknowledged.length).to.be.within(killedAfter, 999);
      const store = await harness.open();
      const kept = new Map((await store.list('killed/')).map(({ key, value }) => [key, value]));
      for (const key of acknowledged) {
        const at = Number(key.slice('killed/'.length));
        expect(kept.get(key), key).to.deep.equal({ at, text: 'x'.repeat(at) });
      }
      // And the store is as good as before.
      expect((await store.put('killed/after', 1, 'absent')).ok).to.equal(true);
    },
  },
];
