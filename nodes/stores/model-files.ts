/**
 * The files of a variant on a worker: read where they were registered, if this machine has them
 * there and they are what was registered; else fetched into the worker's cache by their hashes. So
 * machines need not share files, and those that do need not copy them.
 *
 * Every file is hashed before it is handed out. A changed byte costs a fetch, and where no source
 * has the right bytes, the load, with an error that names every source.
 */

import { randomUUID } from 'node:crypto';
import { rmSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';

import type { ModelFile } from '../../actors/domain/variant.ts';
import type { Logger } from '../../runtime/log.ts';
import type { BlobCache, BlobLease } from './blob-cache.ts';
import { createFileSource } from './fetch-from-any.ts';
import { placeModelFolder } from './model-folder.ts';
import type { BlobFacts, BlobSource, TransferCall } from './model-repository.ts';
import { hashFile } from './receive-blob.ts';

/** A model in use: its files stay until it is released. */
export interface ModelLease {
  /** As it was registered, with the path that it has here. */
  readonly file: ModelFile;
  release(): void;
}

export interface ModelFiles {
  /** Rejects with BlobCorrupt, BlobMissing or StoreFailed. */
  acquire(file: ModelFile, call?: TransferCall): Promise<ModelLease>;
}

export interface ModelFilesOptions {
  /**
   * Opened when it is first needed, which it never is beside the controller: a cache, and where
   * models of several files are put together. `sources` are to be asked first.
   */
  readonly open: (sources: readonly BlobSource[]) => OpenedCache;
  /** Read files where the registrar keeps them, if they are within reach. */
  readonly inPlace: boolean;
  readonly log: Logger;
}

export interface OpenedCache {
  readonly cache: BlobCache;
  readonly folder: string;
}

/** The blobs of a model, and where its registrar has each. */
export function blobsOf({ path, sha256, bytes, beside = [] }: ModelFile): readonly ModelBlob[] {
  const besideBytes = beside.reduce((sum, file) => sum + file.bytes, 0);
  return [
    { id: sha256, bytes: bytes - besideBytes, path, name: basename(path) },
    ...beside.map((file) => ({
      ...{ id: file.sha256, bytes: file.bytes, name: file.name },
      path: join(dirname(path), file.name),
    })),
  ];
}

export interface ModelBlob extends BlobFacts {
  readonly path: string;
  readonly name: string;
}

export function openModelFiles({ open, inPlace, log }: ModelFilesOptions): ModelFiles {
  // Files that are no longer what was registered are asked all the same: they are named then.
  const places = new Map<string, string>();
  const registered = createFileSource('the place of its registration', (id) => places.get(id));
  let opened: OpenedCache | undefined;
  return {
    acquire: async (file, call) => {
      if (inPlace) {
        if (await isIntact(file, call)) return { file, release: () => undefined };
        for (const { id, path } of blobsOf(file)) places.set(id, path);
      }
      opened ??= open(inPlace ? [registered] : []);
      log.info('a model is fetched', { file: basename(file.path), bytes: file.bytes });
      return fetched(file, opened, call);
    },
  };
}

async function isIntact(file: ModelFile, call?: TransferCall): Promise<boolean> {
  for (const { id, path } of blobsOf(file)) {
    // Whatever keeps us from reading it, the cache may have it.
    const found = await hashFile(path, { signal: call?.signal }).catch(() => undefined);
    call?.signal?.throwIfAborted();
    if (found?.id !== id) return false;
  }
  return true;
}

async function fetched(
  file: ModelFile,
  { cache, folder }: OpenedCache,
  call?: TransferCall,
): Promise<ModelLease> {
  const leases: (BlobLease & ModelBlob)[] = [];
  const place = join(folder, randomUUID());
  const release = (): void => {
    for (const lease of leases) lease.release();
    rmSync(place, { recursive: true, force: true });
  };
  try {
    for (const blob of blobsOf(file)) {
      leases.push({ ...blob, ...(await cache.acquire(blob, call)) });
    }
    const [model] = leases;
    if (model === undefined) throw new Error('a model has one file at least');
    if (leases.length === 1) return { file: { ...file, path: model.file }, release };
    // Of its own: what the cache fetches anew is another file.
    await placeModelFolder(
      place,
      leases.map((lease) => ({ name: lease.name, from: lease.file })),
    );
    return { file: { ...file, path: join(place, model.name) }, release };
  } catch (error) {
    release();
    throw error;
  }
}
