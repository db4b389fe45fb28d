/** How a model's files get to the system: in chunks, each acknowledged before the next is sent. */

import type { RegistrationProgress } from '../actors/domain/registration.ts';
import type { Operation, WireAnswer } from './transport.ts';

/** The fields of a manifest (docs/manifests.md); the system checks them. */
export type ManifestInput = Readonly<Record<string, unknown>>;

/** Bytes, or a stream of them with their number. */
export type FileContent =
  Uint8Array | { readonly bytes: number; readonly chunks: AsyncIterable<Uint8Array> };

export type ProgressListener = (progress: RegistrationProgress) => void;

export interface RegisterCallOptions {
  /** `uploading` in bytes, then the stages that the system reports. */
  readonly onProgress?: ProgressListener;
  /** False: the model as it is, and nothing made of it. Default true. */
  readonly generate?: boolean;
  /** False: a quick measurement will do. Default true. */
  readonly profile?: boolean;
  /** Aborting stops the upload; a registration that has begun goes on. */
  readonly signal?: AbortSignal;
}

/** Throws ClientError where the system refuses. */
export type SendOperation = (
  operation: Exclude<Operation, 'query'>,
  body: Readonly<Record<string, unknown>>,
  timeoutMs: number,
) => Promise<WireAnswer>;

/** Fits into a NATS message of the default size, and costs no turn of a gateway any time. */
const chunkBytes = 512 * 1024;
const chunkTimeoutMs = 60_000;

/** Resolves with the name under which the registration finds them. */
export async function uploadFiles(
  send: SendOperation,
  files: Readonly<Record<string, FileContent>>,
  onProgress: ProgressListener | undefined,
): Promise<string> {
  const upload = randomName();
  const contents = Object.entries(files);
  const total = contents.reduce((sum, [, content]) => sum + sizeOf(content), 0);
  let done = 0;
  for (const [file, content] of contents) {
    let offset = 0;
    for await (const data of chunksOf(content)) {
      await send('upload', { upload, file, offset, data }, chunkTimeoutMs);
      offset += data.length;
      done += data.length;
      onProgress?.({ stage: 'uploading', variant: file, done, total });
    }
  }
  return upload;
}

/** Unguessable; `randomUUID` is kept from pages without TLS. */
function randomName(): string {
  const bytes = globalThis.crypto.getRandomValues(new Uint8Array(16));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('');
}

function sizeOf(content: FileContent): number {
  return content instanceof Uint8Array ? content.length : content.bytes;
}

/** Pieces of at most `chunkBytes`; an empty file is one empty piece, so that it comes at all. */
async function* chunksOf(content: FileContent): AsyncGenerator<Uint8Array> {
  let came = false;
  for await (const piece of content instanceof Uint8Array ? [content] : content.chunks) {
    for (let at = 0; at < piece.length; at += chunkBytes) {
      came = true;
      yield piece.subarray(at, at + chunkBytes);
    }
  }
  if (!came) yield new Uint8Array(0);
}
