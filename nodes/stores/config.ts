/** The configuration of what the controller's node keeps: which engine, and every limit of it. */

import { z } from 'zod';

const count = z.int().min(1);
const milliseconds = z.number().positive();
/** What NATS takes as the name of a bucket. */
const bucketName = z.string().regex(/^[\w-]{1,64}$/, 'letters, digits, "-" and "_"');

export const storeKinds = ['lmdb', 'jetstream'] as const;
export type StoreKind = (typeof storeKinds)[number];

export const storeConfigSchema = z.strictObject({
  /** `lmdb`: in the data folder; `jetstream`: in the NATS server that the system runs on. */
  kind: z.enum(storeKinds).default('lmdb'),
  /** JetStream: the name of the bucket of records; systems on one server need one each. */
  bucket: bucketName.default('infaas'),
  /** JetStream: servers that keep a copy of each record and blob. */
  replicas: count.max(5).default(1),
  /** One record as msgpack. It must pass through NATS in one message, 1 MiB by default. */
  recordBytesMax: count.default(512 * 1024),
  /** What a call to the server may take before it counts as failed. */
  requestMs: milliseconds.default(10_000),
  /** A write that was not taken is tried again after this, doubled each time up to the maximum. */
  retryMs: milliseconds.default(200),
  retryMaxMs: milliseconds.default(10_000),
});

export type StoreConfig = z.infer<typeof storeConfigSchema>;

export const repositoryConfigSchema = z.strictObject({
  /**
   * What workers of other machines fetch models from. `jetstream`: an object store of the NATS
   * server, called as `store.bucket` with `-models`; `auto`: the same where the server has
   * JetStream; `none`: workers read the controller's files, and need to reach them.
   */
  shared: z.enum(['auto', 'jetstream', 'none']).default('auto'),
  /** JetStream: a blob is kept in objects of this size, which is what a broken transfer resumes. */
  segmentBytes: count.default(4 * 1024 * 1024),
  /** A transfer in which nothing arrives for so long counts as broken. */
  idleMs: milliseconds.default(10_000),
});

export type RepositoryConfig = z.infer<typeof repositoryConfigSchema>;

export const blobCacheConfigSchema = z.strictObject({
  /** Bytes of models that a worker keeps on disk. */
  bytesMax: count.default(20 * 1024 ** 3),
  /**
   * Where: a folder a worker. Left out, it is one of the system's temporary folder, removed when
   * the worker ends.
   */
  folder: z.string().min(1).optional(),
  /** Read a model where its registrar keeps it, without a copy, if that is within reach. */
  inPlace: z.boolean().default(true),
});

export type BlobCacheConfig = z.infer<typeof blobCacheConfigSchema>;
