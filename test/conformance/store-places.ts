/**
 * Where a metadata store under test lies, as plain data: a process of its own can open the same.
 */

import { connect } from 'nats';

import { openJetStreamMetadataStore } from '../../nodes/stores/jetstream-metadata-store.ts';
import { openLmdbMetadataStore } from '../../nodes/stores/lmdb-metadata-store.ts';
import type { MetadataStore } from '../../nodes/stores/metadata-store.ts';
import type { Schema } from '../../nodes/stores/schema.ts';
import { silentLogger } from '../../runtime/log.ts';
import { brokenStores } from './broken-stores.ts';

export type StorePlace = {
  /** A flaw of `broken-stores.ts` that the store is to have. */
  readonly flaw?: string | undefined;
} & (
  | { readonly kind: 'lmdb'; readonly folder: string }
  | { readonly kind: 'jetstream'; readonly url: string; readonly bucket: string }
);

export const recordBytesMax = 100_000;

export async function openPlace(place: StorePlace, schema?: Schema): Promise<MetadataStore> {
  const options = {
    ...{ recordBytesMax, log: silentLogger },
    ...(schema === undefined ? {} : { schema }),
  };
  const store =
    place.kind === 'lmdb'
      ? await openLmdbMetadataStore({ ...options, folder: place.folder })
      : await overOwnConnection(place, options);
  return brokenStores.find(({ flaw }) => flaw === place.flaw)?.wrap(store) ?? store;
}

async function overOwnConnection(
  { url, bucket }: { readonly url: string; readonly bucket: string },
  options: { recordBytesMax: number; log: typeof silentLogger; schema?: Schema },
): Promise<MetadataStore> {
  const connection = await connect({ servers: url, maxReconnectAttempts: -1 });
  try {
    const store = await openJetStreamMetadataStore({
      ...{ ...options, connection, bucket, replicas: 1, requestMs: 5_000 },
    });
    return Object.assign(Object.create(store) as MetadataStore, {
      close: async () => {
        await store.close();
        await connection.close();
      },
    });
  } catch (error) {
    await connection.close();
    throw error;
  }
}
