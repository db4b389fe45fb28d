/**
 * The model repository's port: the bytes of models, addressed by their SHA-256 and verified on
 * every read. Two adapters prove one conformance suite: a directory and the JetStream object store.
 */

/** Lower-case hexadecimal SHA-256. */
export type BlobId = string;

export interface BlobFacts {
  readonly id: BlobId;
  readonly bytes: number;
}

export interface TransferProgress {
  readonly doneBytes: number;
  readonly totalBytes: number | undefined;
}

export interface TransferCall {
  readonly onProgress?: ((progress: TransferProgress) => void) | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** Where a blob can be had: a repository, a worker's cache, another worker. */
export interface BlobSource {
  /** For people: which one it was. */
  readonly name: string;
  /**
   * Writes the blob to `file`: into a neighbour first, renamed when its hash is right, so that a
   * partial file is never seen. A transfer that broke goes on where it stopped. One transfer to a
   * file at a time.
   */
  fetchTo(id: BlobId, file: string, call?: TransferCall): Promise<BlobFacts>;
}

/**
 * Nothing is ever read whole into memory. Rejects with BlobCorrupt (bytes that do not hash to
 * their address), BlobMissing, or StoreFailed.
 */
export interface ModelRepository extends BlobSource {
  /** Stores a file; the same bytes again are a no-op. */
  putFile(file: string, call?: TransferCall): Promise<BlobFacts>;
  has(id: BlobId): Promise<boolean>;
  list(): Promise<readonly BlobFacts[]>;
  /** Removes what nobody refers to and what is older than `graceMs`; gives what was removed. */
  collect(referenced: ReadonlySet<BlobId>, graceMs: number): Promise<readonly BlobFacts[]>;
  close(): Promise<void>;
}
