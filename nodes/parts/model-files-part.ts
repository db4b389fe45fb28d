/**
 * Where a worker's models come from: files of this machine, or the repository that the controller
 * shares, through a cache that is opened when it is first needed.
 */

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { StoreFailed } from '../../runtime/errors.ts';
import type { Node } from '../node.ts';
import { openBlobCache } from '../stores/blob-cache.ts';
import { openJetStreamRepository } from '../stores/jetstream-repository.ts';
import { type ModelFiles, openModelFiles, type OpenedCache } from '../stores/model-files.ts';
import type { BlobSource, ModelRepository } from '../stores/model-repository.ts';

export interface ModelFilesPart {
  readonly files: ModelFiles;
  /** Removes a cache that is nobody's but this process's. */
  readonly close: () => void;
}

export function openWorkerFiles(node: Node): ModelFilesPart {
  const { config, clock, log, metrics, name } = node;
  const { bytesMax, inPlace, folder } = config.cache;
  let temporary: string | undefined;
  const open = (registered: readonly BlobSource[]): OpenedCache => {
    if (folder === undefined) temporary = mkdtempSync(join(tmpdir(), 'infaas-models-'));
    const root = temporary ?? join(folder ?? '', name);
    const sources = [...registered, sharedSource(node)];
    const at = join(root, 'blobs');
    const cache = openBlobCache({ folder: at, bytesMax, sources, clock, log, metrics });
    // What the last process put together is of no use to this one.
    rmSync(join(root, 'models'), { recursive: true, force: true });
    return { cache, folder: join(root, 'models') };
  };
  return {
    files: openModelFiles({ open, inPlace, log }),
    close: () => {
      if (temporary !== undefined) rmSync(temporary, { recursive: true, force: true });
    },
  };
}

/** Asked for when something is fetched: a worker joins before there need be any repository. */
function sharedSource(node: Node): BlobSource {
  const name = 'the shared repository';
  let opening: Promise<ModelRepository | undefined> | undefined;
  return {
    name,
    fetchTo: async (id, file, call) => {
      opening ??= openSharedRepository(node).catch((error: unknown) => {
        opening = undefined;
        throw error;
      });
      const repository = await opening;
      if (repository !== undefined) return repository.fetchTo(id, file, call);
      throw new StoreFailed(
        'there is no shared repository; run NATS with JetStream (nats-server -js), or let this ' +
          'machine read the files of the controller',
        name,
      );
    },
  };
}

/** Undefined where there is to be none, or none can be. Rejects where there must be one. */
export async function openSharedRepository(node: Node): Promise<ModelRepository | undefined> {
  const { bus, config, clock, log } = node;
  const { shared, segmentBytes, idleMs } = config.repository;
  if (bus === undefined || shared === 'none') return undefined;
  const { bucket, replicas } = config.store;
  try {
    return await openJetStreamRepository({
      ...{ connection: bus.connection, bucket: `${bucket}-models`, replicas },
      ...{ segmentBytes, idleMs, clock },
    });
  } catch (error) {
    if (shared === 'jetstream' || node.closing) throw error;
    log.info('no shared repository: workers of other machines cannot fetch models', { error });
    return undefined;
  }
}
