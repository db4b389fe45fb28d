/**
 * One blob from the first of several sources that has it whole: what is corrupt, missing or out of
 * reach in one is fetched from the next. And files on this machine as such a source.
 */

import { createReadStream } from 'node:fs';
import { stat } from 'node:fs/promises';

import {
  BlobCorrupt,
  BlobMissing,
  InfaasError,
  messageOf,
  StoreFailed,
} from '../../runtime/errors.ts';
import type { BlobFacts, BlobId, BlobSource, TransferCall } from './model-repository.ts';
import { receiveBlob } from './receive-blob.ts';

export interface FetchedBlob extends BlobFacts {
  /** Where it came from. */
  readonly source: string;
  /** What the sources before it said. */
  readonly failures: readonly InfaasError[];
}

/**
 * Rejects with BlobCorrupt when one source had wrong bytes and none the right ones, with
 * StoreFailed when one could not be asked, else with BlobMissing; each names every source.
 */
export async function fetchFromAny(
  sources: readonly BlobSource[],
  id: BlobId,
  file: string,
  call?: TransferCall,
): Promise<FetchedBlob> {
  const failures: InfaasError[] = [];
  for (const source of sources) {
    try {
      return { ...(await source.fetchTo(id, file, call)), source: source.name, failures };
    } catch (error) {
      if (call?.signal?.aborted === true) throw error;
      failures.push(
        error instanceof InfaasError
          ? error
          : new StoreFailed(messageOf(error), source.name, error),
      );
    }
  }
  const said = failures.map(({ message }) => message).join('; ') || 'there is no source at all';
  const message = `${id} could not be had: ${said}`;
  const cause = failures.length === 1 ? failures[0] : new AggregateError(failures);
  if (failures.some((failure) => failure instanceof BlobCorrupt)) {
    throw new BlobCorrupt(`${message}; register the model again`, id, cause);
  }
  if (failures.every((failure) => failure instanceof BlobMissing)) {
    throw new BlobMissing(`${message}; register the model again`, id, cause);
  }
  throw new StoreFailed(message, id, cause);
}

/** Files that may hold a blob: where it was registered from, say. Undefined: none is known. */
export function createFileSource(
  name: string,
  pathOf: (id: BlobId) => string | undefined,
): BlobSource {
  return {
    name,
    fetchTo: async (id, file, call) => {
      const path = pathOf(id);
      const found = path === undefined ? undefined : await stat(path).catch(() => undefined);
      if (path === undefined || found?.isFile() !== true) {
        throw new BlobMissing(`${name} has no file for ${id}`, path ?? name);
      }
      return receiveBlob({
        ...{ id, file, source: path, call },
        open: (from) =>
          Promise.resolve({
            totalBytes: found.size,
            chunks: createReadStream(path, { start: from }) as AsyncIterable<Uint8Array>,
          }),
      });
    },
  };
}
