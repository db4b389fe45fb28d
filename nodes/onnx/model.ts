/** A model as it was read: see read-model.ts. */

import type { GraphProto, ModelProto } from './proto.ts';

export interface OnnxModel {
  readonly proto: ModelProto & { readonly graph: GraphProto };
  /** The file that in-file tensors lie in, and beside which external ones are. */
  readonly file: string;
}
