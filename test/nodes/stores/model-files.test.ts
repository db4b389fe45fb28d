/** A variant's files on a worker: in place where they are right, else fetched, else refused. */

import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';

import { expect } from 'chai';

import type { ModelFile } from '../../../actors/domain/variant.ts';
import { createSystemClock } from '../../../nodes/adapters/system-clock.ts';
import { KeptModels } from '../../../nodes/registrar/kept-models.ts';
import { openBlobCache } from '../../../nodes/stores/blob-cache.ts';
import {
  type DirectoryRepository,
  openDirectoryRepository,
} from '../../../nodes/stores/directory-repository.ts';
import { type ModelFiles, openModelFiles } from '../../../nodes/stores/model-files.ts';
import { BlobCorrupt, BlobMissing } from '../../../runtime/errors.ts';
import { silentLogger } from '../../../runtime/log.ts';
import { silentMetrics } from '../../../runtime/metrics.ts';

describe("a variant's files on a worker", () => {
  let root: string;
  let local: DirectoryRepository;
  let shared: DirectoryRepository;
  let kept: KeptModels;
  let cachesOpened: number;
  const clock = createSystemClock();

  beforeEach(() => {
    root = mkdtempSync(join(tmpdir(), 'infaas-model-files-'));
    local = openDirectoryRepository({ folder: join(root, 'models'), clock });
    shared = openDirectoryRepository({ folder: join(root, 'shared'), clock });
    kept = new KeptModels({ repository: local, folder: join(root, 'models'), shared });
    cachesOpened = 0;
    writeFileSync(join(root, 'model.onnx'), 'the graph');
    writeFileSync(join(root, 'weights.data'), 'the weights');
  });
  afterEach(() => {
    rmSync(root, { recursive: true, force: true });
  });

  function worker(inPlace = true, name = 'worker'): ModelFiles {
    const folder = join(root, name);
    return openModelFiles({
      inPlace,
      log: silentLogger,
      open: (sources) => {
        cachesOpened += 1;
        const cache = openBlobCache({
          ...{ folder: join(folder, 'blobs'), bytesMax: 1_000, clock },
          ...{ sources: [...sources, shared], log: silentLogger, metrics: silentMetrics },
        });
        return { cache, folder: join(folder, 'models') };
      },
    });
  }

  const keepOne = (): Promise<ModelFile> => kept.keep(join(root, 'model.onnx'), []);
  const keepTwo = (): Promise<ModelFile> => kept.keep(join(root, 'model.onnx'), ['weights.data']);
  const text = (path: string): string => readFileSync(path, 'utf8');
  const beside = (path: string): string => text(join(dirname(path), 'weights.data'));

  it('are read where they were registered, and nothing is copied', async () => {
    for (const file of [await keepOne(), await keepTwo()]) {
      const lease = await worker().acquire(file);
      expect(lease.file).to.deep.equal(file);
      expect(text(lease.file.path)).to.equal('the graph');
      lease.release();
    }
    expect(cachesOpened).to.equal(0);
  });

  it('are fetched where this machine does not have them', async () => {
    const file = await keepTwo();
    rmSync(join(root, 'models'), { recursive: true });
    const lease = await worker().acquire(file);
    expect(lease.file.path).to.include(join('worker', 'models'));
    expect(text(lease.file.path)).to.equal('the graph');
    expect(beside(lease.file.path)).to.equal('the weights');
  });

  it('are fetched where files of another machine are not to be read', async () => {
    const lease = await worker(false).acquire(await keepOne());
    expect(lease.file.path).to.include(join('worker', 'blobs'));
  });

  for (const which of ['model.onnx', 'weights.data']) {
    it(`are fetched from elsewhere when a byte of ${which} has changed`, async () => {
      const file = await keepTwo();
      // The bytes of the repository too: they are links to one another.
      const spoilt = join(dirname(file.path), which);
      writeFileSync(spoilt, text(spoilt).replace('the', 'a'));
      const lease = await worker().acquire(file);
      expect([text(lease.file.path), beside(lease.file.path)]).to.deep.equal([
        'the graph',
        'the weights',
      ]);
    });
  }

  it('are fetched anew when a byte has changed in the cache', async () => {
    const file = await keepTwo();
    const files = worker(false);
    const first = await files.acquire(file);
    first.release();
    writeFileSync(join(root, 'worker', 'blobs', file.sha256), 'spoilt');
    const second = await files.acquire(file);
    expect(text(second.file.path)).to.equal('the graph');
    expect(beside(second.file.path)).to.equal('the weights');
  });

  it('stay while they are in use, and make room afterwards', async () => {
    const file = await keepTwo();
    const files = worker(false);
    const lease = await files.acquire(file);
    writeFileSync(join(root, 'large.onnx'), 'x'.repeat(990));
    const large = await kept.keep(join(root, 'large.onnx'), []);
    const refused = await files.acquire(large).catch((error: unknown) => error);
    expect(String(refused)).to.match(/no room for 990 bytes/);
    expect(text(lease.file.path)).to.equal('the graph');
    lease.release();
    expect(() => text(lease.file.path)).to.throw(/ENOENT/);
    (await files.acquire(large)).release();
  });

  it('are refused, each source named, when nobody has them', async () => {
    const file = await keepOne();
    await shared.collect(new Set(), -1);
    writeFileSync(file.path, 'spoilt');
    const corrupt = await worker()
      .acquire(file)
      .catch((error: unknown) => error);
    expect(corrupt).to.be.instanceOf(BlobCorrupt);
    expect(String(corrupt)).to.include('models').and.include('shared');
    rmSync(file.path);
    const missing = await worker(true, 'other')
      .acquire(file)
      .catch((error: unknown) => error);
    expect(missing).to.be.instanceOf(BlobMissing);
    expect(String(missing)).to.match(/the place of its registration has no file.*register/);
  });

  it('are published once, also those that came with a manifest', async () => {
    const file = await keepTwo();
    const given: ModelFile = {
      ...{ path: join(root, 'weights.data'), sha256: file.beside?.[0]?.sha256 ?? '', bytes: 11 },
    };
    await shared.collect(new Set(), -1);
    expect(await kept.publish([file, given])).to.equal(2);
    expect(await kept.publish([file, given])).to.equal(0);
  });

  it('are collected everywhere when no variant has them', async () => {
    const [one, two] = [await keepOne(), await keepTwo()];
    const later = clock.wallMs() + 10;
    while (clock.wallMs() < later);
    expect(await kept.collect([one, two], 1, later)).to.equal(0);
    // The weights here, and the folder of both; the graph is still somebody's.
    expect(await kept.collect([one], 1, later)).to.equal(2);
    expect((await shared.list()).map(({ id }) => id)).to.deep.equal([one.sha256]);
    expect(text(one.path)).to.equal('the graph');
  });
});
