/**
 * A worker's cache of models on its disk: at most so many bytes, the least recently used removed
 * first, never what is in use. A blob is fetched when it is first asked for, once however many ask,
 * and verified whenever it is handed out anew; one that turned bad on disk is fetched again.
 *
 * All there is to know stands in the folder: a file named by its hash is whole (it came by a
 * rename), its modification time is its last use, a part is what a broken transfer left. So the
 * cache survives a restart, and a crash at any point leaves nothing to put right.
 */

import { readdirSync, rmSync, statSync } from 'node:fs';
import { rm, utimes } from 'node:fs/promises';
import { join } from 'node:path';

import type { Clock } from '../../runtime/clock.ts';
import { StoreFailed } from '../../runtime/errors.ts';
import type { Logger } from '../../runtime/log.ts';
import type { Metrics } from '../../runtime/metrics.ts';
import { makeFolder } from './data-folder.ts';
import { fetchFromAny } from './fetch-from-any.ts';
import type {
  BlobFacts,
  BlobId,
  BlobSource,
  TransferCall,
  TransferProgress,
} from './model-repository.ts';
import { checkBlobId, hashFile, partOf } from './receive-blob.ts';

export interface BlobCacheOptions {
  readonly folder: string;
  readonly bytesMax: number;
  /** Asked in this order. */
  readonly sources: readonly BlobSource[];
  readonly clock: Clock;
  readonly log: Logger;
  readonly metrics: Metrics;
}

/** A blob in use: its file stays until it is released. */
export interface BlobLease extends BlobFacts {
  readonly file: string;
  release(): void;
}

export interface BlobCache {
  /**
   * `bytes` is what room is made for. Rejects as `fetchFromAny` does, and with StoreFailed when
   * there is no room beside what is in use.
   */
  acquire(blob: BlobFacts, call?: TransferCall): Promise<BlobLease>;
  /** What is there whole, the least recently used first. */
  list(): readonly BlobFacts[];
  /** Bytes on disk and on their way. */
  readonly usedBytes: number;
}

interface Entry {
  bytes: number;
  pins: number;
  /** Whole and in place; else a part, or on its way. */
  whole: boolean;
}

/** A verification or a transfer that several may wait for. */
interface Preparation {
  readonly done: Promise<void>;
  readonly listeners: Set<(progress: TransferProgress) => void>;
  readonly abort: AbortController;
  waiting: number;
}

export function openBlobCache(options: BlobCacheOptions): BlobCache {
  return new DiskBlobCache(options);
}

class DiskBlobCache implements BlobCache {
  private readonly options: BlobCacheOptions;
  /** The least recently used first. */
  private readonly entries: Map<BlobId, Entry>;
  private readonly preparing = new Map<BlobId, Preparation>();

  constructor(options: BlobCacheOptions) {
    this.options = options;
    makeFolder(options.folder);
    this.entries = readFolder(options.folder);
    // The bound may be smaller than it was.
    this.makeRoom(0, '');
  }

  get usedBytes(): number {
    let bytes = 0;
    for (const entry of this.entries.values()) bytes += entry.bytes;
    return bytes;
  }

  list(): readonly BlobFacts[] {
    const whole = [...this.entries].filter(([, entry]) => entry.whole);
    return whole.map(([id, { bytes }]) => ({ id, bytes }));
  }

  async acquire(blob: BlobFacts, call?: TransferCall): Promise<BlobLease> {
    const { id } = blob;
    checkBlobId(id, this.options.folder);
    call?.signal?.throwIfAborted();
    const entry = this.pinned(id);
    try {
      // In use by someone else it was verified when they got it.
      if (!entry.whole || entry.pins === 1 || this.preparing.has(id)) {
        await this.prepared(blob, entry, call);
      }
    } catch (error) {
      this.unpin(id, entry);
      throw error;
    }
    const file = this.fileOf(id);
    let released = false;
    return {
      ...{ id, bytes: entry.bytes, file },
      release: () => {
        if (released) return;
        released = true;
        this.unpin(id, entry);
      },
    };
  }

  private fileOf(id: BlobId): string {
    return join(this.options.folder, id);
  }

  /** The newest of all from now on, and not to be removed. */
  private pinned(id: BlobId): Entry {
    const entry = this.entries.get(id) ?? { bytes: 0, pins: 0, whole: false };
    this.entries.delete(id);
    this.entries.set(id, entry);
    entry.pins += 1;
    return entry;
  }

  private unpin(id: BlobId, entry: Entry): void {
    entry.pins -= 1;
    if (entry.pins === 0 && entry.bytes === 0 && !entry.whole) this.entries.delete(id);
  }

  /** Joins the preparation under way, or begins one; aborted when nobody waits for it any more. */
  private async prepared(blob: BlobFacts, entry: Entry, call?: TransferCall): Promise<void> {
    const { id } = blob;
    // One that everybody gave up is let end first: it may still be writing.
    for (let ending = this.preparing.get(id); ending?.abort.signal.aborted === true;) {
      await ending.done.catch(() => undefined);
      ending = this.preparing.get(id);
    }
    const preparation = this.preparing.get(id) ?? this.begin(blob, entry);
    const { onProgress, signal } = call ?? {};
    if (onProgress !== undefined) preparation.listeners.add(onProgress);
    preparation.waiting += 1;
    try {
      await (signal === undefined ? preparation.done : untilAborted(preparation.done, signal));
    } finally {
      preparation.waiting -= 1;
      if (onProgress !== undefined) preparation.listeners.delete(onProgress);
      if (preparation.waiting === 0) preparation.abort.abort();
    }
  }

  private begin(blob: BlobFacts, entry: Entry): Preparation {
    const listeners = new Set<(progress: TransferProgress) => void>();
    const abort = new AbortController();
    const done = this.prepare(blob, entry, {
      signal: abort.signal,
      onProgress: (progress) => {
        for (const listener of listeners) listener(progress);
      },
    }).finally(() => {
      this.preparing.delete(blob.id);
    });
    // Those who waited may all have gone.
    done.catch(() => undefined);
    const preparation = { done, listeners, abort, waiting: 0 };
    this.preparing.set(blob.id, preparation);
    return preparation;
  }

  private async prepare(blob: BlobFacts, entry: Entry, call: TransferCall): Promise<void> {
    const { id } = blob;
    const { folder, sources, clock, log, metrics } = this.options;
    const file = this.fileOf(id);
    if (entry.whole) {
      if ((await hashFile(file))?.id === id) {
        const nowSeconds = clock.wallMs() / 1_000;
        await utimes(file, nowSeconds, nowSeconds).catch(() => undefined);
        metrics.count('blob_cache_hits_total');
        return;
      }
      log.error('a cached model does not hash to its address any more; it is fetched again', {
        ...{ id, folder },
      });
      metrics.count('blob_cache_corrupt_total');
      await rm(file, { force: true });
      entry.whole = false;
    }
    metrics.count('blob_cache_misses_total');
    entry.bytes = 0;
    this.makeRoom(blob.bytes, id);
    entry.bytes = blob.bytes;
    try {
      const fetched = await fetchFromAny(sources, id, file, call);
      for (const failure of fetched.failures) {
        log.warn('a source of models failed, another had it', {
          ...{ id, source: fetched.source, error: failure.message },
        });
      }
      entry.whole = true;
      entry.bytes = fetched.bytes;
      metrics.gauge('blob_cache_bytes', this.usedBytes);
    } catch (error) {
      // What came of it stays, to be gone on with, until its room is needed.
      entry.bytes = sizeOf(partOf(file, id));
      throw error;
    }
  }

  /** Removes parts first, then what was not used for longest, until `bytes` more fit. */
  private makeRoom(bytes: number, forId: BlobId): void {
    const { bytesMax, folder } = this.options;
    const idle = [...this.entries].filter(([, { pins }]) => pins === 0);
    idle.sort(([, a], [, b]) => Number(a.whole) - Number(b.whole));
    for (const [id, { bytes: freed }] of idle) {
      if (this.usedBytes + bytes <= bytesMax) return;
      rmSync(this.fileOf(id), { force: true });
      rmSync(partOf(this.fileOf(id), id), { force: true });
      this.entries.delete(id);
      this.options.log.info('a cached model was removed for room', { id, freed });
      this.options.metrics.count('blob_cache_evictions_total');
    }
    if (bytes === 0 || this.usedBytes + bytes <= bytesMax) return;
    throw new StoreFailed(
      `the model cache in ${folder} has no room for ${String(bytes)} bytes (${forId}): of ` +
        `${String(bytesMax)} bytes ${String(this.usedBytes)} are in use; raise cache.bytesMax`,
      folder,
    );
  }
}

/** Whole blobs by their last use, parts before them. */
function readFolder(folder: string): Map<BlobId, Entry> {
  const found: { id: BlobId; bytes: number; usedMs: number; whole: boolean }[] = [];
  for (const name of readdirSync(folder)) {
    const id = name.slice(0, 64);
    const path = join(folder, name);
    const whole = name === id;
    if (!/^[0-9a-f]{64}$/.test(id) || (!whole && path !== partOf(join(folder, id), id))) continue;
    const { size, mtimeMs } = statSync(path);
    found.push({ id, bytes: size, usedMs: mtimeMs, whole });
  }
  found.sort((a, b) => Number(a.whole) - Number(b.whole) || a.usedMs - b.usedMs);
  const entries = new Map<BlobId, Entry>();
  for (const { id, bytes, whole } of found) entries.set(id, { bytes, pins: 0, whole });
  return entries;
}

function sizeOf(path: string): number {
  return statSync(path, { throwIfNoEntry: false })?.size ?? 0;
}

function untilAborted<T>(promise: Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    const aborted = (): void => {
      reject(signal.reason as Error);
    };
    signal.addEventListener('abort', aborted, { once: true });
    promise.then(resolve, reject).finally(() => {
      signal.removeEventListener('abort', aborted);
    });
  });
}
