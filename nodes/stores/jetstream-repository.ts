/**
 * The model repository in a JetStream object store (ADR-20 of NATS): for systems of several
 * machines. The object `ID` says how a blob is cut; its segments are the objects `ID/SIZE/N`, and
 * what a broken transfer, in either direction, goes on with.
 *
 * The client's own reader waits for ever for a message that the server lost: nothing for `idleMs`
 * is a broken transfer here.
 */

import { createHash } from 'node:crypto';
import { open } from 'node:fs/promises';

import type { NatsConnection, ObjectInfo, ObjectStore } from 'nats';

import type { Clock } from '../../runtime/clock.ts';
import {
  BlobCorrupt,
  BlobMissing,
  InfaasError,
  messageOf,
  StoreFailed,
} from '../../runtime/errors.ts';
import type { BlobFacts, BlobId, ModelRepository, TransferCall } from './model-repository.ts';
import { checkBlobId, hashFile, receiveBlob } from './receive-blob.ts';

export interface JetStreamRepositoryOptions {
  readonly connection: NatsConnection;
  readonly bucket: string;
  readonly replicas: number;
  readonly segmentBytes: number;
  readonly idleMs: number;
  readonly clock: Clock;
}

/** Does not close the connection, which is its caller's. */
export async function openJetStreamRepository(
  options: JetStreamRepositoryOptions,
): Promise<ModelRepository> {
  const { connection, bucket, replicas, idleMs } = options;
  const address = `object store ${bucket} of ${connection.getServer()}`;
  try {
    const jetstream = connection.jetstream({ timeout: idleMs });
    return new JetStreamRepository(
      await jetstream.views.os(bucket, { replicas }),
      address,
      options,
    );
  } catch (error) {
    throw failureOf(error, 'cannot open it', address);
  }
}

/** How a blob is cut. */
interface Cut extends BlobFacts {
  readonly segmentBytes: number;
  readonly storedAtMs: number;
}

class JetStreamRepository implements ModelRepository {
  readonly name: string;
  private readonly objects: ObjectStore;
  private readonly options: JetStreamRepositoryOptions;

  constructor(objects: ObjectStore, name: string, options: JetStreamRepositoryOptions) {
    this.name = name;
    this.objects = objects;
    this.options = options;
  }

  putFile(file: string, call?: TransferCall): Promise<BlobFacts> {
    return this.guarded(`cannot store ${file}`, async () => {
      const facts = await hashFile(file, call);
      if (facts === undefined) throw new StoreFailed(`there is no file ${file} to store`, file);
      const { segmentBytes, clock } = this.options;
      const cut = { ...facts, segmentBytes, storedAtMs: clock.wallMs() };
      await this.putSegments(file, cut, call);
      // Last: until then the blob is not there. Again, it is as new for `collect`.
      await this.objects.putBlob(
        {
          name: facts.id,
          metadata: {
            bytes: String(facts.bytes),
            segmentBytes: String(segmentBytes),
            storedAtMs: String(cut.storedAtMs),
          },
        },
        new Uint8Array(),
      );
      return facts;
    });
  }

  has(id: BlobId): Promise<boolean> {
    return this.guarded(`cannot look for ${id}`, async () => {
      checkBlobId(id, this.name);
      return cutOf(await this.objects.info(id)) !== undefined;
    });
  }

  fetchTo(id: BlobId, file: string, call?: TransferCall): Promise<BlobFacts> {
    return this.guarded(`cannot fetch ${id}`, () => {
      checkBlobId(id, this.name);
      return receiveBlob({
        ...{ id, file, source: this.name, call },
        open: async (from) => {
          const cut = cutOf(await this.objects.info(id));
          if (cut === undefined)
            throw new BlobMissing(`${this.name} does not have ${id}`, this.name);
          return { totalBytes: cut.bytes, chunks: this.chunks(cut, from) };
        },
      });
    });
  }

  list(): Promise<readonly BlobFacts[]> {
    return this.guarded('cannot list', async () => {
      const { cuts } = await this.survey();
      return [...cuts.values()]
        .map(({ id, bytes }) => ({ id, bytes }))
        .sort((a, b) => (a.id < b.id ? -1 : 1));
    });
  }

  collect(referenced: ReadonlySet<BlobId>, graceMs: number): Promise<readonly BlobFacts[]> {
    return this.guarded('cannot collect', async () => {
      const before = this.options.clock.wallMs() - graceMs;
      const { cuts, segments } = await this.survey();
      const removed: BlobFacts[] = [];
      for (const { id, bytes } of [...cuts.values()]) {
        // Asked anew: someone may have stored it since.
        const cut = referenced.has(id) ? undefined : cutOf(await this.objects.info(id));
        if (cut === undefined || cut.storedAtMs >= before) continue;
        await this.objects.delete(id);
        cuts.delete(id);
        removed.push({ id, bytes });
      }
      const gone = new Set(removed.map(({ id }) => id));
      for (const { name, mtime } of segments) {
        const [id = '', segmentBytes] = name.split('/');
        const owner = cuts.get(id);
        if (owner !== undefined && String(owner.segmentBytes) === segmentBytes) continue;
        // Of a blob just removed, or of one whose transfer never ended.
        if (gone.has(id) || Date.parse(mtime) < before) await this.objects.delete(name);
      }
      return removed;
    });
  }

  close(): Promise<void> {
    return Promise.resolve();
  }

  /** Segments that are there already are left as they are: what is missing, or other, is put. */
  private async putSegments(file: string, cut: Cut, call?: TransferCall): Promise<void> {
    const source = await open(file, 'r');
    try {
      const buffer = new Uint8Array(Math.min(cut.segmentBytes, Math.max(1, cut.bytes)));
      const whole = createHash('sha256');
      let doneBytes = 0;
      for (let at = 0; at < segmentsOf(cut); at += 1) {
        call?.signal?.throwIfAborted();
        const length = Math.min(cut.segmentBytes, cut.bytes - doneBytes);
        const { bytesRead } = await source.read(buffer, 0, length, doneBytes);
        const bytes = buffer.subarray(0, bytesRead);
        whole.update(bytes);
        const name = segmentName(cut, at);
        if (!isThere(await this.objects.info(name), bytes)) {
          await this.objects.putBlob({ name }, bytes);
        }
        doneBytes += bytesRead;
        call?.onProgress?.({ doneBytes, totalBytes: cut.bytes });
      }
      if (whole.digest('hex') === cut.id) return;
      throw new StoreFailed(`${file} changed while it was stored; store it again`, file);
    } finally {
      await source.close();
    }
  }

  private async *chunks(cut: Cut, fromByte: number): AsyncGenerator<Uint8Array> {
    let skip = fromByte % cut.segmentBytes;
    for (let at = Math.floor(fromByte / cut.segmentBytes); at < segmentsOf(cut); at += 1) {
      for await (const chunk of this.segment(segmentName(cut, at))) {
        if (skip < chunk.length) yield skip === 0 ? chunk : chunk.subarray(skip);
        skip = Math.max(0, skip - chunk.length);
      }
    }
  }

  private async *segment(name: string): AsyncGenerator<Uint8Array> {
    const found = await this.objects.get(name);
    if (found === null) throw new BlobCorrupt(`${this.name} lacks the segment ${name}`, this.name);
    // The same fault comes by both ways, and is told by the data alone.
    found.error.catch(() => undefined);
    const reader = found.data.getReader();
    try {
      for (;;) {
        const { done, value } = await this.inTime(reader.read());
        if (done) return;
        yield value;
      }
    } catch (error) {
      if (!messageOf(error).includes('corrupt object')) throw error;
      throw new BlobCorrupt(`${this.name} gave a corrupt segment ${name}`, this.name, error);
    } finally {
      await reader.cancel().catch(() => undefined);
    }
  }

  private async inTime<T>(promise: Promise<T>): Promise<T> {
    const { idleMs } = this.options;
    let timer: NodeJS.Timeout | undefined;
    const idle = new Promise<never>((_resolve, reject) => {
      timer = setTimeout(() => {
        reject(new Error(`nothing came for ${String(idleMs)} ms`));
      }, idleMs);
    });
    try {
      return await Promise.race([promise, idle]);
    } finally {
      clearTimeout(timer);
    }
  }

  private async survey(): Promise<{ cuts: Map<BlobId, Cut>; segments: ObjectInfo[] }> {
    const cuts = new Map<BlobId, Cut>();
    const segments: ObjectInfo[] = [];
    for (const info of await this.objects.list()) {
      const cut = cutOf(info);
      if (cut !== undefined) cuts.set(cut.id, cut);
      else if (info.name.includes('/')) segments.push(info);
    }
    return { cuts, segments };
  }

  private async guarded<T>(what: string, run: () => Promise<T>): Promise<T> {
    try {
      return await run();
    } catch (error) {
      throw failureOf(error, what, this.name);
    }
  }
}

function segmentsOf({ bytes, segmentBytes }: Cut): number {
  return Math.ceil(bytes / segmentBytes);
}

/** The size is part of it: cut otherwise, a blob has other segments. */
function segmentName({ id, segmentBytes }: Cut, at: number): string {
  return `${id}/${String(segmentBytes)}/${String(at)}`;
}

/** Undefined where the object is none, or no blob. */
function cutOf(info: ObjectInfo | null): Cut | undefined {
  if (info === null || info.deleted || !/^[0-9a-f]{64}$/.test(info.name)) return undefined;
  const { bytes, segmentBytes, storedAtMs } = info.metadata ?? {};
  const cut = {
    ...{ id: info.name, bytes: Number(bytes) },
    ...{ segmentBytes: Number(segmentBytes), storedAtMs: Number(storedAtMs) },
  };
  return cut.segmentBytes > 0 && cut.bytes >= 0 ? cut : undefined;
}

function isThere(info: ObjectInfo | null, bytes: Uint8Array): boolean {
  if (info === null || info.deleted || info.size !== bytes.length) return false;
  const digest = createHash('sha256').update(bytes).digest('base64');
  return info.digest === `SHA-256=${digest.replaceAll('+', '-').replaceAll('/', '_')}`;
}

function failureOf(error: unknown, what: string, address: string): Error {
  if (error instanceof InfaasError) return error;
  if (error instanceof Error && error.name === 'AbortError') return error;
  return new StoreFailed(
    `${address}: ${what}: ${messageOf(error)}; check that the NATS server runs and has JetStream ` +
      'and room',
    address,
    error,
  );
}
