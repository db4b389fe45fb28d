/** Walks over everything a model holds, subgraphs included. Depth is bounded by the reader. */

import type { AttributeProto, GraphProto, ModelProto, NodeProto, TensorProto } from './proto.ts';

export function* graphsOfAttribute(attribute: AttributeProto): Generator<GraphProto> {
  if (attribute.g !== undefined) yield attribute.g;
  yield* attribute.graphs;
}

export function* subgraphsOf(node: NodeProto): Generator<GraphProto> {
  for (const attribute of node.attribute) yield* graphsOfAttribute(attribute);
}

/** A graph and all graphs within it. */
export function* graphsOf(graph: GraphProto): Generator<GraphProto> {
  yield graph;
  for (const node of graph.node) {
    for (const subgraph of subgraphsOf(node)) yield* graphsOf(subgraph);
  }
}

export function* nodesOf(graph: GraphProto): Generator<NodeProto> {
  for (const each of graphsOf(graph)) yield* each.node;
}

/** Initializers and constants, those of subgraphs and functions too. */
export function* tensorsOf(model: ModelProto): Generator<TensorProto> {
  if (model.graph !== undefined) {
    for (const graph of graphsOf(model.graph)) {
      yield* graph.initializer;
      for (const sparse of graph.sparseInitializer) yield* tensorsOfSparse(sparse);
      for (const node of graph.node) yield* tensorsOfNode(node);
    }
  }
  for (const { node } of model.functions) {
    for (const each of node) yield* tensorsOfNode(each);
  }
}

function* tensorsOfNode(node: NodeProto): Generator<TensorProto> {
  for (const attribute of node.attribute) {
    if (attribute.t !== undefined) yield attribute.t;
    yield* attribute.tensors;
    if (attribute.sparseTensor !== undefined) yield* tensorsOfSparse(attribute.sparseTensor);
  }
}

function* tensorsOfSparse(sparse: {
  readonly values?: TensorProto;
  readonly indices?: TensorProto;
}): Generator<TensorProto> {
  if (sparse.values !== undefined) yield sparse.values;
  if (sparse.indices !== undefined) yield sparse.indices;
}
