/**
 * The metadata store's port: what is known of architectures, variants and nodes, as records under
 * keys. Two adapters prove one conformance suite: lmdb (one machine) and JetStream KV.
 *
 * A key is segments joined by `/`, none of them empty, of any text without control characters, at
 * most 512 bytes in all. A value is what msgpack carries (undefined comes back as null). A revision
 * is positive and grows with every change of the store.
 */

export interface StoredRecord {
  readonly key: string;
  readonly value: unknown;
  readonly revision: number;
}

export type StoreChange =
  | { readonly kind: 'put'; readonly record: StoredRecord }
  | { readonly kind: 'removed'; readonly key: string; readonly revision: number };

export type WriteOutcome =
  /** The change's revision; 0 when there was nothing to remove, and so no change. */
  | { readonly ok: true; readonly revision: number }
  /** Someone else was first: what is there now, undefined when there is nothing. */
  | { readonly ok: false; readonly current: StoredRecord | undefined };

/**
 * What a write expects to find: `absent`, that revision exactly, or `any`. Compare-and-set is how
 * concurrent writers never undo each other.
 */
export type Expected = 'absent' | 'any' | number;

/** Every method rejects with StoreFailed (where, why, what to do) when the store cannot be used. */
export interface MetadataStore {
  get(key: string): Promise<StoredRecord | undefined>;
  /** Every record whose key starts with `prefix`, by key. */
  list(prefix: string): Promise<readonly StoredRecord[]>;
  /** Resolves when the write would survive `kill -9`. */
  put(key: string, value: unknown, expected: Expected): Promise<WriteOutcome>;
  remove(key: string, expected: Expected): Promise<WriteOutcome>;
  /**
   * Every change under `prefix` from now on, in order, by whoever made it; ends with the call.
   * A watcher far behind may miss values of a record that were replaced since, never its last.
   */
  watch(prefix: string, listener: (change: StoreChange) => void): Promise<() => void>;
  /** Resolves when everything acknowledged is durable and nothing is held open any more. */
  close(): Promise<void>;
}
