/**
 * The metadata store in lmdb: one folder on one machine. Each write is a transaction of lmdb's
 * writer thread, so that compare-and-set needs no lock of ours and many writes share one sync to
 * the disk; it is acknowledged when that sync is done.
 *
 * The root database holds the kind (`meta/kind`, `lmdb/VERSION`) and the last revision; records are
 * in one of their own, as msgpack under lmdb's own versions. In version 1 they stood in the root.
 * A folder belongs to one process (`data-folder.ts`), so this process's writes are all there are to
 * watch.
 */

import { type Database, open, type RootDatabase } from 'lmdb';

import { InfaasError, messageOf, StoreFailed } from '../../runtime/errors.ts';
import type { Logger } from '../../runtime/log.ts';
import { makeFolder } from './data-folder.ts';
import { checkDatabaseFile } from './lmdb-file.ts';
import type {
  Expected,
  MetadataStore,
  StoreChange,
  StoredRecord,
  WriteOutcome,
} from './metadata-store.ts';
import { checkKey, decodeValue, encodeValue, meets, tell } from './records.ts';
import { currentSchema, migrated, type Schema, stepsFrom } from './schema.ts';

export interface LmdbStoreOptions {
  readonly folder: string;
  readonly recordBytesMax: number;
  readonly log: Logger;
  readonly schema?: Schema;
}

const kindKey = 'meta/kind';
const revisionKey = 'meta/revision';
const recordsName = 'records';
/** What version 1 kept, beside `meta/`. */
const firstPrefixes = ['epoch/', 'variant/'];

type Records = Database<Uint8Array, string>;

interface Watcher {
  readonly prefix: string;
  readonly listener: (change: StoreChange) => void;
}

export async function openLmdbMetadataStore(options: LmdbStoreOptions): Promise<MetadataStore> {
  const { folder, schema = currentSchema } = options;
  let root: RootDatabase<unknown, string> | undefined;
  try {
    makeFolder(folder);
    checkDatabaseFile(folder);
    root = open<unknown, string>({ path: folder, noSubdir: false, overlappingSync: false });
    const records: Records = root.openDB({
      ...{ name: recordsName, encoding: 'binary', useVersions: true },
    });
    bringUpToDate(root, records, folder, schema);
    return new LmdbMetadataStore(root, records, options);
  } catch (error) {
    await root?.close();
    throw failureOf(error, `cannot open the store in ${folder}`, folder);
  }
}

/** In one transaction: a process that dies in the middle leaves the folder as it was. */
function bringUpToDate(
  root: RootDatabase<unknown, string>,
  records: Records,
  folder: string,
  schema: Schema,
): void {
  root.transactionSync(() => {
    const found = versionOf(root.get(kindKey), folder) ?? schema.version;
    const steps = stepsFrom(found, schema, folder);
    let revision = Number(root.get(revisionKey) ?? 0);
    const old = steps.length === 0 ? [] : takeAll(root, records, folder, found);
    for (const record of old) {
      const now = migrated(record, steps);
      if (now === undefined) continue;
      revision += 1;
      void records.put(now.key, encodeValue(now.key, now.value, Infinity, folder), revision);
    }
    if (old.length > 0) void root.put(revisionKey, revision);
    void root.put(kindKey, `lmdb/${String(schema.version)}`);
  });
}

/** Undefined in a new folder. */
function versionOf(kind: unknown, folder: string): number | undefined {
  if (kind === undefined) return undefined;
  const version = typeof kind === 'string' ? /^lmdb\/(\d+)$/.exec(kind)?.[1] : undefined;
  if (version !== undefined) return Number(version);
  throw new StoreFailed(
    `${folder} holds a store of kind ${JSON.stringify(kind)}, not of lmdb; use another --data`,
    folder,
  );
}

/** Every record out of the database, to be put back in the new version. */
function takeAll(
  root: RootDatabase<unknown, string>,
  records: Records,
  folder: string,
  version: number,
): { key: string; value: unknown }[] {
  const taken: { key: string; value: unknown }[] = [];
  if (version > 1) {
    for (const { key, value } of records.getRange()) {
      taken.push({ key, value: decodeValue(key, value, folder) });
    }
    for (const { key } of taken) void records.remove(key);
    return taken;
  }
  for (const prefix of firstPrefixes) {
    for (const { key, value } of root.getRange({ start: prefix })) {
      if (!key.startsWith(prefix)) break;
      taken.push({ key, value });
    }
  }
  for (const { key } of taken) void root.remove(key);
  return taken;
}

class LmdbMetadataStore implements MetadataStore {
  private readonly root: RootDatabase<unknown, string>;
  private readonly records: Records;
  private readonly folder: string;
  private readonly recordBytesMax: number;
  private readonly log: Logger;
  private readonly watchers = new Set<Watcher>();
  /** Made by transactions that are not yet known to be durable, in the order of revisions. */
  private readonly changes: StoreChange[] = [];
  private closed = false;

  constructor(
    root: RootDatabase<unknown, string>,
    records: Records,
    { folder, recordBytesMax, log }: LmdbStoreOptions,
  ) {
    this.root = root;
    this.records = records;
    this.folder = folder;
    this.recordBytesMax = recordBytesMax;
    this.log = log;
  }

  get(key: string): Promise<StoredRecord | undefined> {
    return this.guarded(`cannot read "${key}"`, () => {
      checkKey(key, this.folder);
      return Promise.resolve(this.read(key));
    });
  }

  list(prefix: string): Promise<readonly StoredRecord[]> {
    return this.guarded(`cannot list "${prefix}"`, () => {
      const found: StoredRecord[] = [];
      for (const { key, value, version } of this.records.getRange({
        ...(prefix === '' ? {} : { start: prefix }),
        versions: true,
      })) {
        if (!key.startsWith(prefix)) break;
        found.push(this.recordOf(key, value, version));
      }
      // In the order of the keys' bytes, which is lmdb's own.
      return Promise.resolve(found);
    });
  }

  put(key: string, value: unknown, expected: Expected): Promise<WriteOutcome> {
    return this.guarded(`cannot write "${key}"`, () => {
      checkKey(key, this.folder);
      const bytes = encodeValue(key, value, this.recordBytesMax, this.folder);
      return this.write((revision) => {
        const current = this.read(key);
        if (!meets(expected, current?.revision)) return { ok: false, current };
        void this.records.put(key, bytes, revision);
        // Decoded when it is told: a watcher gets what a reader would, not the writer's own object.
        return {
          ok: true,
          change: () => ({ kind: 'put', record: this.recordOf(key, bytes, revision) }),
        };
      });
    });
  }

  remove(key: string, expected: Expected): Promise<WriteOutcome> {
    return this.guarded(`cannot remove "${key}"`, () => {
      checkKey(key, this.folder);
      return this.write((revision) => {
        const current = this.read(key);
        if (!meets(expected, current?.revision)) return { ok: false, current };
        if (current === undefined) return { ok: true };
        void this.records.remove(key);
        return { ok: true, change: () => ({ kind: 'removed', key, revision }) };
      });
    });
  }

  watch(prefix: string, listener: (change: StoreChange) => void): Promise<() => void> {
    const watcher = { prefix, listener };
    this.watchers.add(watcher);
    return Promise.resolve(() => {
      this.watchers.delete(watcher);
    });
  }

  async close(): Promise<void> {
    if (this.closed) return;
    this.closed = true;
    this.watchers.clear();
    await this.root.close();
  }

  private read(key: string): StoredRecord | undefined {
    const entry = this.records.getEntry(key);
    return entry === undefined ? undefined : this.recordOf(key, entry.value, entry.version);
  }

  private recordOf(key: string, bytes: Uint8Array, revision: number | undefined): StoredRecord {
    return { key, value: decodeValue(key, bytes, this.folder), revision: revision ?? 0 };
  }

  /** Runs in lmdb's transaction; what it says of a change is told when that is on disk. */
  private async write(
    attempt: (
      revision: number,
    ) =>
      | { readonly ok: false; readonly current: StoredRecord | undefined }
      | { readonly ok: true; readonly change?: () => StoreChange },
  ): Promise<WriteOutcome> {
    let made: StoreChange | undefined;
    try {
      const outcome = await this.root.transaction((): WriteOutcome => {
        const revision = Number(this.root.get(revisionKey) ?? 0) + 1;
        const attempted = attempt(revision);
        if (!attempted.ok) return attempted;
        if (attempted.change === undefined) return { ok: true, revision: 0 };
        void this.root.put(revisionKey, revision);
        made = attempted.change();
        this.changes.push(made);
        return { ok: true, revision };
      });
      if (made !== undefined) this.tellUpTo(made);
      return outcome;
    } catch (error) {
      const at = made === undefined ? -1 : this.changes.indexOf(made);
      if (at >= 0) this.changes.splice(at, 1);
      throw error;
    }
  }

  private tellUpTo(last: StoreChange): void {
    const durable = this.changes.splice(0, this.changes.indexOf(last) + 1);
    for (const change of durable) {
      const key = change.kind === 'put' ? change.record.key : change.key;
      for (const { prefix, listener } of this.watchers)
        if (key.startsWith(prefix)) tell(listener, change, this.log);
    }
  }

  private async guarded<T>(what: string, run: () => Promise<T>): Promise<T> {
    if (this.closed) throw new StoreFailed(`${what}: the store is closed`, this.folder);
    try {
      return await run();
    } catch (error) {
      throw failureOf(error, what, this.folder);
    }
  }
}

function failureOf(error: unknown, what: string, folder: string): Error {
  if (error instanceof InfaasError) return error;
  return new StoreFailed(
    `${what}: ${messageOf(error)}; check that ${folder} is there, writable and not full`,
    folder,
    error,
  );
}
