/**
 * Receiving a blob: into a part beside its file, hashed as it comes, renamed when the hash is
 * right. What a broken transfer left is gone on with; what turns out wrong is thrown away.
 */

import { createHash, type Hash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { mkdir, open, rename, rm } from 'node:fs/promises';
import { dirname } from 'node:path';

import {
  BlobCorrupt,
  BlobMissing,
  InfaasError,
  messageOf,
  StoreFailed,
} from '../../runtime/errors.ts';
import type { BlobFacts, BlobId, TransferCall } from './model-repository.ts';

export interface OpenedBlob {
  readonly totalBytes: number;
  /** From the byte asked for to the end; throws when the transfer breaks. */
  readonly chunks: AsyncIterable<Uint8Array>;
}

export interface Reception {
  readonly id: BlobId;
  readonly file: string;
  /** Where it comes from, for people. */
  readonly source: string;
  readonly open: (fromByte: number) => Promise<OpenedBlob>;
  readonly call: TransferCall | undefined;
}

interface Received {
  readonly hash: Hash;
  readonly bytes: number;
}

export async function receiveBlob(reception: Reception): Promise<BlobFacts> {
  const { id, file, source, call } = reception;
  checkBlobId(id, source);
  const there = await hashFile(file);
  if (there?.id === id) return there;
  const part = partOf(file, id);
  await mkdir(dirname(file), { recursive: true });
  for (;;) {
    call?.signal?.throwIfAborted();
    const before = await hashPart(part);
    const { hash, bytes } = await append(reception, part, before);
    if (hash.digest('hex') === id) {
      await rename(part, file);
      await syncFolder(dirname(file));
      return { id, bytes };
    }
    await rm(part, { force: true });
    // What was there from an earlier transfer may be what is wrong: once more from the beginning.
    if (before.bytes === 0) {
      throw new BlobCorrupt(
        `${source} gave ${String(bytes)} bytes for ${id} that do not hash to it; they are not used`,
        source,
      );
    }
  }
}

/** Where a blob for `file` is gathered. */
export function partOf(file: string, id: BlobId): string {
  return `${file}.${id.slice(0, 16)}.part`;
}

/** Makes a rename in the folder outlive a loss of power, where the system can do that. */
export async function syncFolder(folder: string): Promise<void> {
  const handle = await open(folder, 'r');
  try {
    await handle.sync().catch(() => undefined);
  } finally {
    await handle.close();
  }
}

export function checkBlobId(id: BlobId, address: string): void {
  if (/^[0-9a-f]{64}$/.test(id)) return;
  throw new BlobMissing(
    `${JSON.stringify(id.slice(0, 80))} is no SHA-256 in lower-case hexadecimal`,
    address,
  );
}

/** Undefined when there is no such file. */
export async function hashFile(file: string, call?: TransferCall): Promise<BlobFacts | undefined> {
  const { hash, bytes } = await hashStream(file, call);
  return bytes < 0 ? undefined : { id: hash.digest('hex'), bytes };
}

async function hashPart(part: string): Promise<Received> {
  const found = await hashStream(part);
  return found.bytes < 0 ? { hash: createHash('sha256'), bytes: 0 } : found;
}

/** −1 bytes when there is no such file. */
async function hashStream(file: string, call?: TransferCall): Promise<Received> {
  const hash = createHash('sha256');
  let bytes = 0;
  try {
    const { signal } = call ?? {};
    for await (const chunk of createReadStream(file, { highWaterMark: 1 << 20, signal })) {
      hash.update(chunk as Buffer);
      bytes += (chunk as Buffer).length;
    }
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
    return { hash, bytes: -1 };
  }
  return { hash, bytes };
}

async function append(
  { id, source, open: openBlob, call }: Reception,
  part: string,
  before: Received,
): Promise<Received> {
  const { hash } = before;
  let { bytes } = before;
  const file = await open(part, 'a');
  try {
    const { totalBytes, chunks } = await openBlob(bytes);
    call?.onProgress?.({ doneBytes: bytes, totalBytes });
    // Too long already: it cannot be right, and the caller begins anew.
    if (bytes <= totalBytes) {
      for await (const chunk of chunks) {
        call?.signal?.throwIfAborted();
        await file.writeFile(chunk);
        hash.update(chunk);
        bytes += chunk.length;
        call?.onProgress?.({ doneBytes: bytes, totalBytes });
      }
    }
    await file.sync();
    return { hash, bytes };
  } catch (error) {
    if (error instanceof InfaasError || call?.signal?.aborted === true) throw error;
    throw new StoreFailed(
      `the transfer of ${id} from ${source} broke after ${String(bytes)} bytes: ` +
        `${messageOf(error)}; asked again it goes on there`,
      source,
      error,
    );
  } finally {
    await file.close();
  }
}
