/**
 * Opens the metadata store that the configuration names, and keeps `--data` true to it: the folder
 * is held for this process, the kind of store is recorded in it, and another kind is refused, so
 * that a changed setting makes no model vanish.
 */

import { existsSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

import type { NatsConnection } from 'nats';

import { messageOf, StoreFailed } from '../../runtime/errors.ts';
import type { Logger } from '../../runtime/log.ts';
import { type StoreConfig, type StoreKind, storeKinds } from './config.ts';
import { holdFolder } from './data-folder.ts';
import { openJetStreamMetadataStore } from './jetstream-metadata-store.ts';
import { openLmdbMetadataStore } from './lmdb-metadata-store.ts';
import type { MetadataStore } from './metadata-store.ts';

export interface StoreOptions {
  readonly dataDir: string;
  readonly config: StoreConfig;
  /** Undefined in a system of one process, which has no server to keep a store in. */
  readonly connection: NatsConnection | undefined;
  readonly log: Logger;
}

const kindFile = 'store-kind';
/** What lmdb names its file: a folder from before the kind was recorded beside it. */
const lmdbFile = 'data.mdb';

export async function openMetadataStore(options: StoreOptions): Promise<MetadataStore> {
  const { dataDir, config } = options;
  const held = await holdFolder(dataDir);
  try {
    const found = recordedKind(dataDir);
    if (found !== undefined && found !== config.kind) throw otherKind(dataDir, found, config.kind);
    const store = await open(options);
    if (found === undefined) recordKind(dataDir, config.kind);
    return Object.assign(Object.create(store) as MetadataStore, {
      close: async () => {
        await store.close();
        held.release();
      },
    });
  } catch (error) {
    held.release();
    throw error;
  }
}

function open({ dataDir, config, connection, log }: StoreOptions): Promise<MetadataStore> {
  const { recordBytesMax, bucket, replicas, requestMs } = config;
  if (config.kind === 'lmdb')
    return openLmdbMetadataStore({ folder: dataDir, recordBytesMax, log });
  if (connection === undefined) {
    throw new StoreFailed(
      'store.kind is jetstream, but this system runs without NATS; give --nats URL, or set ' +
        'store.kind to lmdb',
      dataDir,
    );
  }
  const limits = { replicas, recordBytesMax, requestMs };
  return openJetStreamMetadataStore({ connection, bucket, ...limits, log });
}

function recordedKind(dataDir: string): StoreKind | undefined {
  const file = join(dataDir, kindFile);
  if (!existsSync(file)) return existsSync(join(dataDir, lmdbFile)) ? 'lmdb' : undefined;
  const written = readKind(file);
  const kind = storeKinds.find((known) => known === written);
  if (kind !== undefined) return kind;
  throw new StoreFailed(
    `${file} names a kind of store that this infaas does not know ("${written.slice(0, 40)}"); ` +
      'use another --data',
    dataDir,
  );
}

function readKind(file: string): string {
  try {
    return readFileSync(file, 'utf8').trim();
  } catch (error) {
    throw new StoreFailed(`cannot read ${file}: ${messageOf(error)}`, file, error);
  }
}

/** Into a neighbour first: a crash leaves no half of a name. */
function recordKind(dataDir: string, kind: StoreKind): void {
  const file = join(dataDir, kindFile);
  writeFileSync(`${file}.new`, `${kind}\n`);
  renameSync(`${file}.new`, file);
}

function otherKind(dataDir: string, found: StoreKind, asked: StoreKind): StoreFailed {
  return new StoreFailed(
    `${dataDir} belongs to a store of kind ${found}, and store.kind is ${asked}; set store.kind ` +
      `to ${found}, or use another --data`,
    dataDir,
  );
}
