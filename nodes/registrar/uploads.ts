/**
 * Files on their way to a registration. An upload is a folder that a client fills chunk by chunk,
 * whichever gateway each comes through; a registration takes it over. What nobody takes is removed.
 */

import { mkdirSync, rmSync } from 'node:fs';
import { mkdir, open, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';

import { type QueryError, queryError } from '../../actors/domain/outcome.ts';
import type { Principal } from '../../actors/domain/principal.ts';
import type { UploadEvent, WriteChunk } from '../../actors/registrar/uploads-port.ts';
import type { ActorHost, Ref } from '../../runtime/actor.ts';
import type { Cancel, Clock } from '../../runtime/clock.ts';
import { messageOf } from '../../runtime/errors.ts';
import type { Logger } from '../../runtime/log.ts';
import type { RegistrarSettings } from './config.ts';
import { pathWithin } from './model-paths.ts';

interface Upload {
  readonly folder: string;
  readonly tenant: string;
  readonly files: Map<string, number>;
  /** Chunks of one upload are written one after the other. */
  writing: Promise<void>;
  touchedMs: number;
}

export interface UploadsOptions {
  readonly host: ActorHost;
  readonly clock: Clock;
  readonly log: Logger;
  readonly folder: string;
  readonly settings: RegistrarSettings;
}

export interface TakenUpload {
  readonly folder: string;
  /** Names, as they were given. */
  readonly files: readonly string[];
}

const idShape = /^[A-Za-z0-9_-]{8,64}$/;

export class Uploads {
  readonly port: Ref<WriteChunk>;
  private readonly options: UploadsOptions;
  private readonly uploads = new Map<string, Upload>();
  private made = 0;
  private forgetting: Cancel | undefined;

  /** Clears the folder: what was on its way when the last process ended comes again. */
  constructor(options: UploadsOptions) {
    this.options = options;
    rmSync(options.folder, { recursive: true, force: true });
    mkdirSync(options.folder, { recursive: true });
    this.port = options.host.port<WriteChunk>('uploads', (chunk) => {
      void this.receive(chunk);
    });
  }

  /** Nothing more is written to it; undefined where there is none. The taker removes the folder. */
  async take(uploadId: string, { tenant }: Principal): Promise<TakenUpload | undefined> {
    const upload = this.uploads.get(uploadId);
    if (upload?.tenant !== tenant) return undefined;
    this.uploads.delete(uploadId);
    await upload.writing;
    return { folder: upload.folder, files: [...upload.files.keys()] };
  }

  /** What nobody will take is removed; nothing happens where there is none. */
  discard(uploadId: string, principal: Principal): void {
    void this.take(uploadId, principal).then((upload) => {
      if (upload !== undefined) rmSync(upload.folder, { recursive: true, force: true });
    });
  }

  close(): void {
    this.forgetting?.();
    this.options.host.closePort(this.port);
    rmSync(this.options.folder, { recursive: true, force: true });
  }

  private async receive(chunk: WriteChunk): Promise<void> {
    const { requestId, replyTo } = chunk;
    let event: UploadEvent;
    try {
      const written = await this.write(chunk);
      event =
        typeof written === 'number'
          ? { type: 'gateway.chunk-written', requestId, bytes: written }
          : { type: 'gateway.registration-refused', requestId, error: written };
    } catch (error) {
      this.options.log.error('a chunk could not be written', { error: messageOf(error) });
      const why = queryError('internal', `the chunk could not be written: ${messageOf(error)}`);
      event = { type: 'gateway.registration-refused', requestId, error: why };
    }
    this.options.host.tell(replyTo, event);
  }

  private async write(chunk: WriteChunk): Promise<number | QueryError> {
    const upload = this.uploadFor(chunk);
    if ('code' in upload) return upload;
    const path = pathWithin(upload.folder, chunk.file);
    if (path === undefined) return bad('file', `"${chunk.file.slice(0, 100)}" is no file name`);
    const refusal = this.refusal(upload, chunk);
    if (refusal !== undefined) return refusal;
    // Counted at once, so that chunks that wait cannot pass the limit together.
    const end = chunk.offset + chunk.data.length;
    upload.files.set(chunk.file, Math.max(end, upload.files.get(chunk.file) ?? 0));
    upload.touchedMs = this.options.clock.nowMs();
    const written = upload.writing.then(() => writeAt(path, chunk));
    upload.writing = written.then(
      () => undefined,
      () => undefined,
    );
    return written;
  }

  private uploadFor({ uploadId, principal }: WriteChunk): Upload | QueryError {
    if (principal.mayRegister === false) {
      return queryError('unauthorized', `${principal.name} may not register models`);
    }
    if (!idShape.test(uploadId)) {
      return bad('upload', 'give 8 to 64 letters, digits, "-" or "_" of your own making');
    }
    const known = this.uploads.get(uploadId);
    if (known !== undefined) {
      if (known.tenant === principal.tenant) return known;
      return bad('upload', `"${uploadId}" is somebody else's; choose another id`);
    }
    const { settings, clock, folder } = this.options;
    if (this.uploads.size >= settings.uploadsMax) {
      const message = `${settings.uploadsMax} uploads wait already (registrar.uploadsMax)`;
      return queryError('overloaded', message);
    }
    this.made += 1;
    const upload: Upload = {
      folder: join(folder, String(this.made)),
      tenant: principal.tenant,
      files: new Map(),
      writing: Promise.resolve(),
      touchedMs: clock.nowMs(),
    };
    this.uploads.set(uploadId, upload);
    this.forgetLater();
    return upload;
  }

  private refusal({ files }: Upload, { file, offset, data }: WriteChunk): QueryError | undefined {
    const { uploadFilesMax, uploadBytesMax, chunkBytesMax } = this.options.settings;
    const before = files.get(file) ?? 0;
    if (offset > before) {
      return bad('offset', `${offset} leaves a gap: ${before} bytes of "${file}" have come`);
    }
    if (data.length > chunkBytesMax) {
      return tooLarge(`a chunk of ${data.length} bytes`, 'chunkBytesMax', chunkBytesMax);
    }
    if (!files.has(file) && files.size >= uploadFilesMax) {
      return tooLarge('one more file', 'uploadFilesMax', uploadFilesMax);
    }
    let bytes = Math.max(0, offset + data.length - before);
    for (const size of files.values()) bytes += size;
    return bytes > uploadBytesMax
      ? tooLarge(`an upload of ${bytes} bytes`, 'uploadBytesMax', uploadBytesMax)
      : undefined;
  }

  /** While there are any: what nobody has touched for long is removed. */
  private forgetLater(): void {
    const { clock, settings } = this.options;
    this.forgetting ??= clock.schedule(settings.uploadIdleMs, () => {
      this.forgetting = undefined;
      this.forgetIdle();
      if (this.uploads.size > 0) this.forgetLater();
    });
  }

  private forgetIdle(): void {
    const before = this.options.clock.nowMs() - this.options.settings.uploadIdleMs;
    for (const [uploadId, upload] of this.uploads) {
      if (upload.touchedMs > before) continue;
      this.uploads.delete(uploadId);
      // A chunk that is being written would make the folder again.
      void upload.writing.then(() => {
        rmSync(upload.folder, { recursive: true, force: true });
      });
    }
  }
}

async function writeAt(path: string, { offset, data }: WriteChunk): Promise<number> {
  await mkdir(dirname(path), { recursive: true });
  const handle = await open(path, offset === 0 ? 'w' : 'r+');
  try {
    await handle.write(data, 0, data.length, offset);
  } finally {
    await handle.close();
  }
  return (await stat(path)).size;
}

function bad(field: string, what: string): QueryError {
  return queryError('bad_input', `${field}: ${what}`, { field });
}

function tooLarge(what: string, setting: string, most: number): QueryError {
  return queryError('too_large', `${what} is over the limit of ${most} (registrar.${setting})`);
}
