/**
 * The frame of every rewrite: visits each node of each graph, innermost graphs first, replaces what
 * the visitor replaces, and takes out the constants that nobody uses any more.
 */

import { freeNames } from '../check-model.ts';
import type { OnnxModel } from '../model.ts';
import type { AttributeProto, GraphProto, NodeProto } from '../proto.ts';
import { subgraphsOf } from '../walk.ts';
import { isDefaultDomain } from './nodes.ts';
import { Names, Scope } from './scope.ts';

/** What a node becomes; undefined leaves it as it is. */
export type Visitor = (node: NodeProto, scope: Scope) => readonly NodeProto[] | undefined;

export function rewriteGraphs(model: OnnxModel, visit: Visitor): OnnxModel {
  const modern = withoutDefaultInputs(model);
  const names = new Names(modern);
  const graph = rewriteGraph(modern, modern.proto.graph, names, undefined, visit);
  return withGraph(modern, withoutUnused(graph));
}

export function withGraph(model: OnnxModel, graph: GraphProto): OnnxModel {
  return { ...model, proto: { ...model.proto, graph } };
}

function rewriteGraph(
  model: OnnxModel,
  graph: GraphProto,
  names: Names,
  outer: Scope | undefined,
  visit: Visitor,
): GraphProto {
  const scope = new Scope(model, graph, names, outer);
  const nodes = graph.node.flatMap((node) => {
    const inner = mapSubgraphs(node, (subgraph) =>
      rewriteGraph(model, subgraph, names, scope, visit),
    );
    return visit(inner, scope) ?? [inner];
  });
  return { ...graph, node: nodes, initializer: [...graph.initializer, ...scope.added] };
}

/** The node with each graph in its attributes replaced. */
export function mapSubgraphs(node: NodeProto, map: (graph: GraphProto) => GraphProto): NodeProto {
  const [first] = subgraphsOf(node);
  if (first === undefined) return node;
  const attribute = node.attribute.map((each): AttributeProto => ({
    ...each,
    ...(each.g === undefined ? {} : { g: map(each.g) }),
    graphs: each.graphs.map(map),
  }));
  return { ...node, attribute };
}

/**
 * Before IR version 4 every initializer had to be an input too. What a rewrite adds is not, so the
 * model becomes version 4, and its weights constants, as ONNX Runtime takes them anyway.
 */
function withoutDefaultInputs(model: OnnxModel): OnnxModel {
  const { proto } = model;
  if (proto.irVersion >= 4n) return model;
  const initialized = new Set(proto.graph.initializer.map(({ name }) => name));
  const input = proto.graph.input.filter(({ name }) => !initialized.has(name));
  return { ...model, proto: { ...proto, irVersion: 4n, graph: { ...proto.graph, input } } };
}

/** Operators that only carry constants to those who use them. */
const carriers = new Set(['Constant', 'Identity', 'Transpose', 'Cast', 'DequantizeLinear']);

/** Without initializers and carriers of constants that nothing uses. */
export function withoutUnused(graph: GraphProto): GraphProto {
  const inner: GraphProto = {
    ...graph,
    node: graph.node.map((node) => mapSubgraphs(node, withoutUnused)),
  };
  const uses = countUses(inner);
  const nodes: NodeProto[] = [];
  // Backwards: who uses stands behind what it uses.
  for (const node of [...inner.node].reverse()) {
    const carries = isDefaultDomain(node) && carriers.has(node.opType);
    if (carries && node.output.every((name) => (uses.get(name) ?? 0) === 0)) {
      for (const name of node.input) uses.set(name, (uses.get(name) ?? 1) - 1);
    } else {
      nodes.push(node);
    }
  }
  const inputs = new Set(inner.input.map(({ name }) => name));
  const isUsed = ({ name }: { readonly name: string }): boolean =>
    (uses.get(name) ?? 0) > 0 || inputs.has(name);
  return {
    ...inner,
    node: nodes.reverse(),
    initializer: inner.initializer.filter(isUsed),
  };
}

function countUses(graph: GraphProto): Map<string, number> {
  const uses = new Map<string, number>();
  const use = (name: string): unknown => uses.set(name, (uses.get(name) ?? 0) + 1);
  for (const node of graph.node) {
    node.input.forEach(use);
    for (const subgraph of subgraphsOf(node)) freeNames(subgraph).forEach(use);
  }
  graph.output.forEach(({ name }) => use(name));
  return uses;
}
