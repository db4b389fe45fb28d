/** Limits on what is read of a model file, and on what is rewritten, with defaults. */

import { z } from 'zod';

const bytes = z.int().min(1);
const mebibyte = 1024 * 1024;

export const onnxConfigSchema = z.strictObject({
  /** Tensors of this size or more stay in the file until somebody needs their elements. */
  inlineBytesMax: bytes.default(16 * 1024),
  /** A model without its large tensors: nodes, names, shapes, small constants. */
  structureBytesMax: bytes.default(256 * mebibyte),
  /** Graphs within graphs (If, Loop, Scan). */
  nestingMax: z.int().min(1).max(1_000).default(64),
  /** Nodes in all graphs of a model. */
  nodesMax: z.int().min(1).default(1_000_000),
  /** Parameters of a model that is rewritten: what a rewrite makes is held until it is written. */
  rewriteBytesMax: bytes.default(2048 * mebibyte),
  /** A file larger than this has its tensors in a second one; protobuf ends at 2 GiB. */
  singleFileBytesMax: bytes.max(2047 * mebibyte).default(1900 * mebibyte),
});

export type OnnxConfig = z.infer<typeof onnxConfigSchema>;

export const onnxDefaults: OnnxConfig = onnxConfigSchema.parse({});
