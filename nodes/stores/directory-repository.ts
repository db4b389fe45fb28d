/**
 * The model repository in a folder: `ab/abcd…` holds the bytes whose SHA-256 is `abcd…`. A blob
 * comes into being by a rename, so that whoever sees it sees it whole. Its modification time is
 * when it was last stored, which is what keeps it from being collected too early.
 */

import { randomUUID } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { mkdir, readdir, rename, rm, stat, utimes } from 'node:fs/promises';
import { join } from 'node:path';

import type { Clock } from '../../runtime/clock.ts';
import { BlobMissing, InfaasError, messageOf, StoreFailed } from '../../runtime/errors.ts';
import { makeFolder } from './data-folder.ts';
import type { BlobFacts, BlobId, ModelRepository, TransferCall } from './model-repository.ts';
import {
  checkBlobId,
  hashFile,
  type OpenedBlob,
  partOf,
  receiveBlob,
  syncFolder,
} from './receive-blob.ts';

export interface DirectoryRepositoryOptions {
  readonly folder: string;
  readonly clock: Clock;
}

const incomingName = 'incoming';

/** A repository whose blobs are files that can be read where they lie. */
export interface DirectoryRepository extends ModelRepository {
  /** Where a blob lies, if it is there. */
  pathOf(id: BlobId): string;
}

export function openDirectoryRepository(options: DirectoryRepositoryOptions): DirectoryRepository {
  makeFolder(join(options.folder, incomingName));
  return new BlobDirectory(options);
}

class BlobDirectory implements DirectoryRepository {
  readonly name: string;
  private readonly folder: string;
  private readonly clock: Clock;

  constructor({ folder, clock }: DirectoryRepositoryOptions) {
    this.name = `repository ${folder}`;
    this.folder = folder;
    this.clock = clock;
  }

  pathOf(id: BlobId): string {
    return join(this.folder, id.slice(0, 2), id);
  }

  putFile(file: string, call?: TransferCall): Promise<BlobFacts> {
    return this.guarded(`cannot store ${file}`, async () => {
      const facts = await hashFile(file, call);
      if (facts === undefined) throw new StoreFailed(`there is no file ${file} to store`, file);
      const { id, bytes } = facts;
      if (await this.keepsWell(id)) {
        call?.onProgress?.({ doneBytes: bytes, totalBytes: bytes });
        return facts;
      }
      const incoming = join(this.folder, incomingName, randomUUID());
      // Hashed again, as from anywhere: the file may change while it is read.
      try {
        await receiveBlob({
          id,
          file: incoming,
          source: file,
          open: (from) => opened(file, from),
          call,
        });
        await this.touch(incoming);
        await mkdir(join(this.folder, id.slice(0, 2)), { recursive: true });
        await rename(incoming, this.pathOf(id));
        await syncFolder(join(this.folder, id.slice(0, 2)));
      } finally {
        for (const path of [incoming, partOf(incoming, id)]) await rm(path, { force: true });
      }
      return facts;
    });
  }

  has(id: BlobId): Promise<boolean> {
    return this.guarded(`cannot look for ${id}`, async () => {
      checkBlobId(id, this.name);
      return (await modifiedMs(this.pathOf(id))) !== undefined;
    });
  }

  fetchTo(id: BlobId, file: string, call?: TransferCall): Promise<BlobFacts> {
    return this.guarded(`cannot fetch ${id}`, () => {
      checkBlobId(id, this.name);
      const path = this.pathOf(id);
      return receiveBlob({
        ...{ id, file, source: this.name, call },
        open: async (from) => {
          if ((await modifiedMs(path)) === undefined) {
            throw new BlobMissing(`${this.name} does not have ${id}`, this.name);
          }
          return opened(path, from);
        },
      });
    });
  }

  list(): Promise<readonly BlobFacts[]> {
    return this.guarded('cannot list', async () => {
      const blobs: BlobFacts[] = [];
      for (const shelf of await readdir(this.folder)) {
        if (!/^[0-9a-f]{2}$/.test(shelf)) continue;
        for (const id of await readdir(join(this.folder, shelf))) {
          const { size } = await stat(join(this.folder, shelf, id));
          blobs.push({ id, bytes: size });
        }
      }
      return blobs.sort((a, b) => (a.id < b.id ? -1 : 1));
    });
  }

  collect(referenced: ReadonlySet<BlobId>, graceMs: number): Promise<readonly BlobFacts[]> {
    return this.guarded('cannot collect', async () => {
      const before = this.clock.wallMs() - graceMs;
      const removed: BlobFacts[] = [];
      for (const blob of await this.list()) {
        if (!referenced.has(blob.id) && (await this.removeOlder(blob.id, before))) {
          removed.push(blob);
        }
      }
      // What processes that died left of blobs that never came into being.
      for (const name of await readdir(join(this.folder, incomingName))) {
        const path = join(this.folder, incomingName, name);
        if (((await modifiedMs(path)) ?? before) < before) await rm(path, { force: true });
      }
      return removed;
    });
  }

  close(): Promise<void> {
    return Promise.resolve();
  }

  /** Whether it is there, whole, and will stay: stored again, it is as new for `collect`. */
  private async keepsWell(id: BlobId): Promise<boolean> {
    const path = this.pathOf(id);
    if ((await hashFile(path))?.id !== id) return false;
    return this.touch(path).then(
      async () => (await modifiedMs(path)) !== undefined,
      () => false,
    );
  }

  private touch(path: string): Promise<void> {
    const nowSeconds = this.clock.wallMs() / 1_000;
    return utimes(path, nowSeconds, nowSeconds);
  }

  /** Out of the way first, then looked at again: someone may have stored it in between. */
  private async removeOlder(id: BlobId, beforeMs: number): Promise<boolean> {
    const path = this.pathOf(id);
    if (((await modifiedMs(path)) ?? beforeMs) >= beforeMs) return false;
    const aside = join(this.folder, incomingName, randomUUID());
    await rename(path, aside);
    if (((await modifiedMs(aside)) ?? 0) >= beforeMs) {
      await rename(aside, path);
      return false;
    }
    await rm(aside, { force: true });
    return true;
  }

  private async guarded<T>(what: string, run: () => Promise<T>): Promise<T> {
    try {
      return await run();
    } catch (error) {
      if (error instanceof InfaasError) throw error;
      if (error instanceof Error && error.name === 'AbortError') throw error;
      throw new StoreFailed(
        `${this.name}: ${what}: ${messageOf(error)}; check that the folder is there, writable ` +
          'and not full',
        this.folder,
        error,
      );
    }
  }
}

async function opened(path: string, fromByte: number): Promise<OpenedBlob> {
  const { size } = await stat(path);
  const chunks = createReadStream(path, { start: fromByte, highWaterMark: 1 << 20 });
  return { totalBytes: size, chunks: chunks as AsyncIterable<Uint8Array> };
}

/** Undefined when it is not there. */
async function modifiedMs(path: string): Promise<number | undefined> {
  try {
    return (await stat(path)).mtimeMs;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}
