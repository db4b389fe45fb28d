/**
 * The metadata store in a JetStream KV bucket (ADR-8 of NATS): for systems of several machines. A
 * revision is the sequence number in the bucket's stream, compare-and-set is the server's own.
 *
 * The bucket keeps the last 64 values of a key, so that a watcher sees changes that follow each
 * other quickly; readers see the last. Kind and version stand in the bucket under a key of their
 * own. A record must pass through NATS in one message: a larger one is refused.
 */

import {
  Empty,
  ErrorCode,
  headers,
  type KV,
  type KvEntry,
  type NatsConnection,
  NatsError,
} from 'nats';

import { InfaasError, messageOf, StoreFailed } from '../../runtime/errors.ts';
import type { Logger } from '../../runtime/log.ts';
import { fromKvKey, kvFilter, storeFactsKey, toKvKey } from './kv-keys.ts';
import { followEntries, lastEntries } from './kv-watch.ts';
import type {
  Expected,
  MetadataStore,
  StoreChange,
  StoredRecord,
  WriteOutcome,
} from './metadata-store.ts';
import { checkKey, decodeValue, encodeValue, meets, sortedByKey, tell } from './records.ts';
import { currentSchema, migrated, type Schema, stepsFrom } from './schema.ts';

export interface JetStreamStoreOptions {
  readonly connection: NatsConnection;
  readonly bucket: string;
  readonly replicas: number;
  readonly recordBytesMax: number;
  /** What a call may take before it counts as failed. */
  readonly requestMs: number;
  readonly log: Logger;
  readonly schema?: Schema;
}

const kind = 'jetstream-kv';
const historyMax = 64;
/** Subject, headers and protocol around a record in a message. */
const overheadBytes = 2_048;
/** JetStream's code for "wrong last sequence". */
const wrongSequence = 10_071;
/** A compare-and-set that lost against someone else's is judged anew; this many times at most. */
const triesMax = 100;

/** Does not close the connection, which is its caller's. */
export async function openJetStreamMetadataStore(
  options: JetStreamStoreOptions,
): Promise<MetadataStore> {
  const { connection, bucket, replicas, requestMs, schema = currentSchema } = options;
  const address = `bucket ${bucket} of ${connection.getServer()}`;
  try {
    const jetstream = connection.jetstream({ timeout: requestMs });
    const kv = await jetstream.views.kv(bucket, {
      ...{ history: historyMax, replicas, timeout: requestMs },
      // Reads by the stream's leader alone: another server may not know the last write yet.
      allow_direct: false,
    });
    const store = new JetStreamMetadataStore(kv, address, options);
    await store.bringUpToDate(schema);
    return store;
  } catch (error) {
    throw failureOf(error, `cannot open the store in ${address}`, address);
  }
}

class JetStreamMetadataStore implements MetadataStore {
  private readonly kv: KV;
  private readonly address: string;
  private readonly options: JetStreamStoreOptions;
  private readonly watches = new Set<() => void>();
  private closed = false;

  constructor(kv: KV, address: string, options: JetStreamStoreOptions) {
    this.kv = kv;
    this.address = address;
    this.options = options;
  }

  get(key: string): Promise<StoredRecord | undefined> {
    return this.guarded(`cannot read "${key}"`, async () => {
      checkKey(key, this.address);
      return (await this.read(key)).record;
    });
  }

  list(prefix: string): Promise<readonly StoredRecord[]> {
    return this.guarded(`cannot list "${prefix}"`, async () => {
      const { requestMs } = this.options;
      const records: StoredRecord[] = [];
      for (const entry of await lastEntries(this.kv, kvFilter(prefix), requestMs)) {
        const record = this.recordOf(entry);
        if (record?.key.startsWith(prefix) === true) records.push(record);
      }
      return sortedByKey(records);
    });
  }

  put(key: string, value: unknown, expected: Expected): Promise<WriteOutcome> {
    return this.guarded(`cannot write "${key}"`, () => {
      checkKey(key, this.address);
      const bytes = encodeValue(key, value, this.bytesMax(), this.address);
      const mapped = toKvKey(key);
      if (expected === 'any') return this.kv.put(mapped, bytes).then(written);
      return this.compareAndSet(key, expected, (last) =>
        this.kv.put(mapped, bytes, { previousSeq: last }),
      );
    });
  }

  remove(key: string, expected: Expected): Promise<WriteOutcome> {
    return this.guarded(`cannot remove "${key}"`, () => {
      checkKey(key, this.address);
      return this.compareAndSet(key, expected, (last, current) =>
        current === undefined ? Promise.resolve(0) : this.publishRemoval(key, last),
      );
    });
  }

  watch(prefix: string, listener: (change: StoreChange) => void): Promise<() => void> {
    return this.guarded(`cannot watch "${prefix}"`, async () => {
      const { state } = await this.stream();
      const { log } = this.options;
      const end = await followEntries({
        ...{ kv: this.kv, filter: kvFilter(prefix), after: state.last_seq },
        onEntry: (entry) => {
          const change = this.changeOf(entry);
          if (change?.key.startsWith(prefix) === true) tell(listener, change.change, log);
        },
        onBroken: (error) => {
          log.warn('a watch broke and begins again', {
            ...{ store: this.address, prefix, error: messageOf(error) },
          });
        },
      });
      const stop = (): void => {
        this.watches.delete(stop);
        end();
      };
      this.watches.add(stop);
      return stop;
    });
  }

  async close(): Promise<void> {
    if (this.closed) return;
    this.closed = true;
    for (const stop of [...this.watches]) stop();
    // Every acknowledgement was the server's: nothing is under way that was promised.
    await Promise.resolve();
  }

  /**
   * Record by record, the version last: a start that dies in the middle is done again by the next.
   */
  async bringUpToDate(schema: Schema): Promise<void> {
    const facts = await this.kv.get(storeFactsKey);
    const found = facts === null ? schema.version : versionOf(facts.json(), this.address);
    const steps = stepsFrom(found, schema, this.address);
    if (steps.length > 0) {
      for (const old of await this.list('')) {
        const now = migrated(old, steps);
        if (now !== undefined) await this.put(now.key, now.value, 'any');
        if (now?.key !== old.key) await this.remove(old.key, 'any');
      }
    }
    if (facts !== null && steps.length === 0) return;
    const content = JSON.stringify({ kind, version: schema.version });
    await this.kv.put(storeFactsKey, content);
  }

  /** What stands under a key, and the last sequence of its subject, 0 when it never had one. */
  private async read(
    key: string,
  ): Promise<{ readonly record: StoredRecord | undefined; readonly last: number }> {
    const entry = await this.kv.get(toKvKey(key));
    if (entry === null) return { record: undefined, last: 0 };
    return { record: this.recordOf(entry), last: entry.revision };
  }

  /**
   * Writes over exactly what was judged: when someone else was faster, judges again. `absent` and
   * `any` may well hold then; a revision never holds twice.
   */
  private async compareAndSet(
    key: string,
    expected: Expected,
    write: (last: number, current: StoredRecord | undefined) => Promise<number>,
  ): Promise<WriteOutcome> {
    for (let tries = 0; tries < triesMax; tries += 1) {
      const { record, last } = await this.read(key);
      if (!meets(expected, record?.revision)) return { ok: false, current: record };
      try {
        return written(await write(last, record));
      } catch (error) {
        if (!isWrongSequence(error)) throw error;
      }
    }
    throw new StoreFailed(`"${key}" changes too often to be written`, this.address);
  }

  /** The client's own deletion does not tell the revision. */
  private async publishRemoval(key: string, last: number): Promise<number> {
    const operation = headers();
    operation.set('KV-Operation', 'DEL');
    operation.set('Nats-Expected-Last-Subject-Sequence', String(last));
    const subject = `$KV.${this.options.bucket}.${toKvKey(key)}`;
    const { connection, requestMs } = this.options;
    const jetstream = connection.jetstream({ timeout: requestMs });
    return (await jetstream.publish(subject, Empty, { headers: operation })).seq;
  }

  private recordOf(entry: KvEntry): StoredRecord | undefined {
    const key = fromKvKey(entry.key);
    if (key === undefined || entry.operation !== 'PUT') return undefined;
    return { key, value: decodeValue(key, entry.value, this.address), revision: entry.revision };
  }

  private changeOf(entry: KvEntry): { key: string; change: StoreChange } | undefined {
    const key = fromKvKey(entry.key);
    if (key === undefined) return undefined;
    const record = this.recordOf(entry);
    return {
      key,
      change:
        record === undefined
          ? { kind: 'removed', key, revision: entry.revision }
          : { kind: 'put', record },
    };
  }

  private bytesMax(): number {
    const payloadMax = this.options.connection.info?.max_payload ?? Infinity;
    return Math.min(this.options.recordBytesMax, payloadMax - overheadBytes);
  }

  private async stream() {
    const { connection, bucket, requestMs } = this.options;
    const manager = await connection.jetstreamManager({ timeout: requestMs, checkAPI: false });
    return manager.streams.info(`KV_${bucket}`);
  }

  private async guarded<T>(what: string, run: () => Promise<T>): Promise<T> {
    if (this.closed) throw new StoreFailed(`${what}: the store is closed`, this.address);
    try {
      return await run();
    } catch (error) {
      throw failureOf(error, what, this.address);
    }
  }
}

function written(revision: number): WriteOutcome {
  return { ok: true, revision };
}

function versionOf(facts: unknown, address: string): number {
  const { kind: found, version } = facts as { kind?: unknown; version?: unknown };
  if (found === kind && typeof version === 'number') return version;
  throw new StoreFailed(
    `${address} holds a store of kind ${JSON.stringify(found)}, not "${kind}"; use another ` +
      'store.bucket',
    address,
  );
}

function isWrongSequence(error: unknown): boolean {
  return error instanceof NatsError && error.api_error?.err_code === wrongSequence;
}

function failureOf(error: unknown, what: string, address: string): Error {
  if (error instanceof InfaasError) return error;
  return new StoreFailed(`${what}: ${messageOf(error)}; ${adviceOn(error)}`, address, error);
}

function adviceOn(error: unknown): string {
  const code = error instanceof NatsError ? error.code : '';
  if (code === '503' || code === (ErrorCode.JetStreamNotEnabled as string)) {
    return 'start nats-server with JetStream (-js), or set store.kind to lmdb';
  }
  return 'check that the NATS server runs and has JetStream and room';
}
