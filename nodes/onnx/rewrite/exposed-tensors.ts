/** A model that gives its inner tensors as outputs too, for measuring their ranges. */

import type { OnnxModel } from '../model.ts';
import { makeMessage } from '../proto.ts';
import { withGraph } from './rewrite-graphs.ts';

/** Types are left out: ONNX Runtime infers them. Graph inputs cannot be exposed and need not be. */
export function withExposedTensors(model: OnnxModel, names: readonly string[]): OnnxModel {
  const { graph } = model.proto;
  const known = new Set([...graph.output, ...graph.input].map(({ name }) => name));
  const added = names
    .filter((name) => !known.has(name))
    .map((name) => makeMessage('ValueInfoProto', { name }));
  return withGraph(model, { ...graph, output: [...graph.output, ...added] });
}
