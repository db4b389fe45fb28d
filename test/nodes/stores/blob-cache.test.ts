/** A worker's cache of models: its bound, what it keeps, and what survives. */

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

import { expect } from 'chai';
import fc from 'fast-check';

import { createSystemClock } from '../../../nodes/adapters/system-clock.ts';
import { type BlobCache, type BlobLease, openBlobCache } from '../../../nodes/stores/blob-cache.ts';
import { openDirectoryRepository } from '../../../nodes/stores/directory-repository.ts';
import { createFileSource, fetchFromAny } from '../../../nodes/stores/fetch-from-any.ts';
import type {
  BlobFacts,
  BlobSource,
  ModelRepository,
  TransferCall,
} from '../../../nodes/stores/model-repository.ts';
import { BlobCorrupt, BlobMissing, StoreFailed } from '../../../runtime/errors.ts';
import { silentLogger } from '../../../runtime/log.ts';
import { silentMetrics } from '../../../runtime/metrics.ts';
import { writeBlob } from '../../conformance/repository-harness.ts';

const fetcher = fileURLToPath(new URL('../../fixtures/blob-fetcher.ts', import.meta.url));

async function failureOf(promise: Promise<unknown>): Promise<unknown> {
  return promise.then(
    () => undefined,
    (error: unknown) => error,
  );
}

describe('blobs on their way to a worker', () => {
  let root: string;
  let repository: ModelRepository;
  let blobs: (BlobFacts & { readonly file: string })[];

  beforeEach(async () => {
    root = mkdtempSync(join(tmpdir(), 'infaas-cache-'));
    repository = openDirectoryRepository({
      ...{ folder: join(root, 'repository'), clock: createSystemClock() },
    });
    blobs = ['a', 'bb', 'ccc', 'dddd'].map((name) => writeBlob(root, name, 1_000));
    for (const { file } of blobs) await repository.putFile(file);
  });
  afterEach(() => {
    rmSync(root, { recursive: true, force: true });
  });

  const blob = (at: number) => blobs[at] as (typeof blobs)[number];

  function spoil(at: number): void {
    const { id } = blob(at);
    writeFileSync(join(root, 'repository', id.slice(0, 2), id), 'spoilt');
  }

  describe('fetched from any of several sources', () => {
    const files = (): BlobSource =>
      createFileSource('the files given', (id) => blobs.find((one) => one.id === id)?.file);
    const target = () => join(root, 'target');

    it('come from the first that has them whole', async () => {
      const { id, bytes } = blob(0);
      spoil(0);
      const none = createFileSource('nothing', () => undefined);
      const fetched = await fetchFromAny([none, repository, files()], id, target());
      expect(fetched).to.include({ id, bytes, source: 'the files given' });
      expect(fetched.failures.map(({ code }) => code)).to.deep.equal([
        ...['blob_missing', 'blob_corrupt'],
      ]);
      expect(readFileSync(target()).equals(readFileSync(blob(0).file))).to.equal(true);
    });

    it('are refused, each source named, when none has them whole', async () => {
      const { id } = blob(0);
      spoil(0);
      writeFileSync(blob(0).file, 'changed too');
      const corrupt = await failureOf(fetchFromAny([repository, files()], id, target()));
      expect(corrupt).to.be.instanceOf(BlobCorrupt);
      expect(String(corrupt)).to.contain('repository').and.contain(blob(0).file);
      const missing = await failureOf(fetchFromAny([], id, target()));
      expect(missing).to.be.instanceOf(BlobMissing);
      expect(readdirSync(root)).to.not.include('target');
    });
  });

  describe('kept in its cache', () => {
    let fetches: string[];
    let cache: BlobCache;

    function openCache(bytesMax: number, through: (call?: TransferCall) => void = () => undefined) {
      fetches = [];
      const counted: BlobSource = {
        name: repository.name,
        fetchTo: (id, file, call) => {
          fetches.push(id);
          through(call);
          return repository.fetchTo(id, file, call);
        },
      };
      cache = openBlobCache({
        ...{ folder: join(root, 'cache'), bytesMax, sources: [counted] },
        ...{ clock: createSystemClock(), log: silentLogger, metrics: silentMetrics },
      });
    }

    async function use(at: number): Promise<void> {
      (await cache.acquire(blob(at))).release();
    }

    const kept = (): number[] =>
      cache.list().map(({ id }) => blobs.findIndex((one) => one.id === id));

    it('are fetched once, however many ask at once, each told of the progress', async () => {
      openCache(10_000);
      const told = [0, 0, 0];
      const leases = await Promise.all(
        told.map((_, at) =>
          cache.acquire(blob(0), {
            onProgress: ({ doneBytes }) => {
              told[at] = doneBytes;
            },
          }),
        ),
      );
      expect(fetches).to.have.length(1);
      expect(told).to.deep.equal([1_000, 1_000, 1_000]);
      for (const lease of leases) {
        expect(readFileSync(lease.file).equals(readFileSync(blob(0).file))).to.equal(true);
        lease.release();
      }
      await use(0);
      expect(fetches).to.have.length(1);
    });

    it('make room for each other, the least recently used first', async () => {
      openCache(3_000);
      for (const at of [0, 1, 2, 0, 3]) await use(at);
      expect(kept()).to.deep.equal([2, 0, 3]);
      expect(cache.usedBytes).to.equal(3_000);
      expect(readdirSync(join(root, 'cache'))).to.have.length(3);
    });

    it('stay while they are in use, and what does not fit beside them is refused', async () => {
      openCache(2_000);
      const [first, second] = [await cache.acquire(blob(0)), await cache.acquire(blob(1))];
      const error = await failureOf(cache.acquire(blob(2)));
      expect(error).to.be.instanceOf(StoreFailed);
      expect(String(error)).to.contain('2000').and.contain('cache.bytesMax');
      second.release();
      second.release();
      await use(2);
      expect(kept()).to.deep.equal([0, 2]);
      expect(readFileSync(first.file)).to.have.length(1_000);
      first.release();
      await use(3);
      await use(1);
      expect(kept()).to.deep.equal([3, 1]);
    });

    it('survive a restart in the order of their use', async () => {
      openCache(3_000);
      for (const at of [0, 1, 2, 0]) {
        await use(at);
        // Modification times are what remains: no two uses may have the same.
        await new Promise((resolve) => setTimeout(resolve, 5));
      }
      openCache(3_000);
      expect(kept()).to.deep.equal([1, 2, 0]);
      await use(3);
      expect(kept()).to.deep.equal([2, 0, 3]);
      expect(fetches).to.deep.equal([blob(3).id]);
      openCache(1_500);
      expect(kept()).to.have.length(1);
    });

    it('are fetched again when they turned bad on disk', async () => {
      openCache(3_000);
      await use(0);
      writeFileSync(join(root, 'cache', blob(0).id), 'x'.repeat(1_000));
      const lease = await cache.acquire(blob(0));
      expect(readFileSync(lease.file).equals(readFileSync(blob(0).file))).to.equal(true);
      expect(fetches).to.have.length(2);
      lease.release();
    });

    it('leave nothing behind when they cannot be had, and can be had later', async () => {
      openCache(3_000);
      spoil(0);
      expect(await failureOf(cache.acquire(blob(0)))).to.be.instanceOf(BlobCorrupt);
      expect(readdirSync(join(root, 'cache'))).to.deep.equal([]);
      expect(cache.usedBytes).to.equal(0);
      await repository.putFile(blob(0).file);
      await use(0);
    });

    it('arrive for the others when one who waits gives up, and stop when all do', async () => {
      openCache(3_000);
      const [one, other] = [new AbortController(), new AbortController()];
      const asked = [one, other].map(({ signal }) => cache.acquire(blob(0), { signal }));
      one.abort();
      expect(await failureOf(asked[0] ?? Promise.resolve())).to.be.instanceOf(Error);
      (await asked[1])?.release();
      const alone = new AbortController();
      const given = cache.acquire(blob(1), { signal: alone.signal });
      alone.abort();
      expect(await failureOf(given)).to.be.instanceOf(Error);
      await use(1);
      expect(kept()).to.deep.equal([0, 1]);
    });

    it('never take more room than they may, whatever is asked and released', async () => {
      const step = fc.record({ at: fc.nat(3), holds: fc.boolean(), spoils: fc.boolean() });
      const property = fc.asyncProperty(fc.array(step, { maxLength: 12 }), async (steps) => {
        rmSync(join(root, 'cache'), { recursive: true, force: true });
        openCache(2_500);
        const held: BlobLease[] = [];
        for (const { at, holds, spoils } of steps) {
          const lease = await cache.acquire(blob(at)).catch(() => undefined);
          expect(cache.usedBytes).to.be.at.most(2_500);
          if (lease === undefined) {
            // Only two others in use can leave no room.
            expect(new Set(held.map(({ id }) => id)).size).to.equal(2);
            held.shift()?.release();
            continue;
          }
          expect(readFileSync(lease.file).equals(readFileSync(blob(at).file))).to.equal(true);
          if (holds) held.push(lease);
          else {
            lease.release();
            const inUse = held.some(({ id }) => id === lease.id);
            if (spoils && !inUse) rmSync(lease.file, { force: true });
          }
        }
        for (const lease of held) lease.release();
      });
      await fc.assert(property, { numRuns: 40 });
    });

    it('are whole or not there when the worker is killed while they arrive', async function () {
      this.timeout(20_000);
      const large = writeBlob(root, 'large', 20_000_000);
      await repository.putFile(large.file);
      const folder = join(root, 'cache');
      const asked = {
        repository: join(root, 'repository'),
        folder,
        id: large.id,
        bytes: large.bytes,
      };
      const child = spawn(process.execPath, ['--import', 'tsx', fetcher, JSON.stringify(asked)], {
        stdio: ['ignore', 'pipe', 'inherit'],
      });
      await once(child.stdout, 'data');
      child.kill('SIGKILL');
      await once(child, 'close');
      const left = readdirSync(folder);
      expect(left.some((name) => name.endsWith('.part'))).to.equal(true);
      expect(left).to.not.include(large.id);
      openCache(30_000_000);
      const begins: number[] = [];
      const lease = await cache.acquire(large, {
        onProgress: ({ doneBytes }) => begins.push(doneBytes),
      });
      expect(begins[0]).to.be.greaterThan(0);
      expect(readFileSync(lease.file).equals(readFileSync(large.file))).to.equal(true);
      expect(readdirSync(folder)).to.deep.equal([large.id]);
    });
  });
});
