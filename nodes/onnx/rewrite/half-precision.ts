/**
 * Arithmetic in half precision: every FP32 value of the model becomes FP16, in subgraphs too, casts
 * stand at the graph's inputs and outputs, which keep their type, and around operators that have no
 * half precision. For hardware that computes in it; ONNX Runtime's CPU provider casts back and
 * forth instead, which the profile then shows.
 *
 * Since everything that was FP32 is FP16, no types need to be inferred; a model with an operator
 * whose types are not known here is refused, not guessed at.
 */

import { domainOf } from '../check-model.ts';
import { elementTypes } from '../element-types.ts';
import type { OnnxModel } from '../model.ts';
import type {
  AttributeProto,
  GraphProto,
  NodeProto,
  TensorProto,
  ValueInfoProto,
} from '../proto.ts';
import { dimsOf, floatsOfTensor, makeTensor } from '../tensor-data.ts';
import { graphsOf, nodesOf } from '../walk.ts';
import { halvesOf } from './half.ts';
import {
  type FloatingPositions,
  floatOperators,
  halfOperators,
  integerOperators,
  keepableOperators,
  typedOperators,
} from './half-rules.ts';
import { attributeOf, isDefaultDomain, makeCast, makeNode } from './nodes.ts';
import { type Rewritten, Tally } from './result.ts';
import { mapSubgraphs, rewriteGraphs, withGraph } from './rewrite-graphs.ts';
import { Names } from './scope.ts';
import { rewriteDefaults, type RewriteSettings } from './settings.ts';

export function toHalfPrecision(
  model: OnnxModel,
  settings: RewriteSettings = rewriteDefaults,
): Rewritten {
  const modern = rewriteGraphs(model, () => undefined);
  const unknown = unknownOperators(modern, settings);
  if (unknown.length > 0) {
    return { ok: false, reason: `no rule for half precision in ${unknown.join(', ')}` };
  }
  const tally = new Tally();
  const halving = new Halving(modern, new Names(modern), settings, tally);
  const graph = halving.topGraph(modern.proto.graph);
  return tally.conclude(withGraph(modern, graph), 'nothing in it is FP32');
}

function unknownOperators(model: OnnxModel, settings: RewriteSettings): string[] {
  const unknown = new Set<string>();
  if (model.proto.functions.length > 0) unknown.add('model-local functions');
  for (const graph of graphsOf(model.proto.graph)) {
    if (graph.sparseInitializer.length > 0) unknown.add('sparse initializers');
  }
  for (const node of nodesOf(model.proto.graph)) {
    const { opType } = node;
    const known =
      isDefaultDomain(node) &&
      (halfOperators.has(opType) ||
        typedOperators.has(opType) ||
        opType in floatOperators ||
        integerOperators.has(opType));
    if (!known) unknown.add(isDefaultDomain(node) ? opType : `${domainOf(node)}::${opType}`);
  }
  for (const opType of settings.keep) {
    if (!(opType in floatOperators) && !keepableOperators.has(opType)) unknown.add(opType);
  }
  return [...unknown].sort();
}

class Halving {
  readonly #model: OnnxModel;
  readonly #names: Names;
  readonly #keep: ReadonlySet<string>;
  readonly #tally: Tally;

  constructor(model: OnnxModel, names: Names, settings: RewriteSettings, tally: Tally) {
    this.#model = model;
    this.#names = names;
    this.#keep = new Set(settings.keep);
    this.#tally = tally;
  }

  /** Inputs and outputs keep names and types: what is within goes by other names. */
  topGraph(graph: GraphProto): GraphProto {
    const renamed = new Map<string, string>();
    const before: NodeProto[] = [];
    const after: NodeProto[] = [];
    for (const value of graph.input.filter(isFloat)) {
      const inner = this.#names.fresh(`${value.name}_half`);
      renamed.set(value.name, inner);
      before.push(makeCast(value.name, inner, 'FLOAT16'));
    }
    for (const value of graph.output.filter(isFloat)) {
      const passed = renamed.get(value.name);
      if (passed !== undefined) continue;
      const inner = this.#names.fresh(`${value.name}_half`);
      renamed.set(value.name, inner);
      after.push(makeCast(inner, value.name, 'FLOAT'));
    }
    const within = this.#graph(renamedGraph(graph, renamed));
    return {
      ...within,
      input: graph.input,
      output: graph.output,
      node: [...before, ...within.node, ...after],
    };
  }

  #graph(graph: GraphProto): GraphProto {
    return {
      ...graph,
      node: graph.node.flatMap((node) => this.#node(node)),
      initializer: graph.initializer.map((tensor) => this.#tensor(tensor)),
      input: graph.input.map(halfValue),
      output: graph.output.map(halfValue),
      // Stale types are refused by runtimes; none are inferred.
      valueInfo: [],
    };
  }

  #node(node: NodeProto): readonly NodeProto[] {
    const inner = mapSubgraphs(node, (graph) => this.#graph(graph));
    switch (inner.opType) {
      case 'Cast':
        return [mapAttributes(inner, castTarget)];
      case 'Constant':
      case 'ConstantOfShape':
        return [this.#constant(inner)];
    }
    const floating = this.#keep.has(inner.opType) ? all(inner) : floatOperators[inner.opType];
    if (floating !== undefined) return this.#inFloat(inner, floating);
    this.#tally.change(inner.opType);
    return [inner];
  }

  #constant(node: NodeProto): NodeProto {
    const value = attributeOf(node, 'value_float');
    const values = attributeOf(node, 'value_floats');
    if (value !== undefined || values !== undefined) {
      const { halves } = halvesOf(Float32Array.from(values?.floats ?? [value?.f ?? 0]));
      const dims = values === undefined ? [] : [halves.length];
      return makeNode('Constant', [], node.output, {
        value: makeTensor('', 'FLOAT16', dims, halves),
      });
    }
    if (node.opType === 'ConstantOfShape' && attributeOf(node, 'value') === undefined) {
      const zero = makeTensor('', 'FLOAT16', [1], new Uint16Array(1));
      return makeNode('ConstantOfShape', node.input, node.output, { value: zero });
    }
    return mapAttributes(node, (attribute) =>
      attribute.t === undefined ? attribute : { ...attribute, t: this.#tensor(attribute.t) },
    );
  }

  #inFloat(node: NodeProto, floating: FloatingPositions): readonly NodeProto[] {
    const before: NodeProto[] = [];
    const after: NodeProto[] = [];
    const input = node.input.map((name, index) => {
      if (name === '' || !floating.inputs.includes(index)) return name;
      const fresh = this.#names.fresh(`${name}_float`);
      before.push(makeCast(name, fresh, 'FLOAT'));
      return fresh;
    });
    const output = node.output.map((name, index) => {
      if (name === '' || !floating.outputs.includes(index)) return name;
      const fresh = this.#names.fresh(`${name}_float`);
      after.push(makeCast(fresh, name, 'FLOAT16'));
      return fresh;
    });
    this.#tally.leave(node.opType, 'computes in FP32');
    return [...before, { ...node, input, output }, ...after];
  }

  #tensor(tensor: TensorProto): TensorProto {
    if (tensor.dataType !== elementTypes.FLOAT) return tensor;
    const { halves, clamped } = halvesOf(
      floatsOfTensor(tensor, this.#model) ?? new Float32Array(0),
    );
    if (clamped > 0) {
      this.#tally.leave('constant', 'values beyond half precision are clamped to it');
    }
    return makeTensor(tensor.name, 'FLOAT16', dimsOf(tensor), halves);
  }
}

function all(node: NodeProto): FloatingPositions {
  return { inputs: [...node.input.keys()], outputs: [...node.output.keys()] };
}

function mapAttributes(
  node: NodeProto,
  map: (attribute: AttributeProto) => AttributeProto,
): NodeProto {
  return { ...node, attribute: node.attribute.map(map) };
}

function castTarget(attribute: AttributeProto): AttributeProto {
  const toFloat = attribute.name === 'to' && Number(attribute.i) === elementTypes.FLOAT;
  return toFloat ? { ...attribute, i: BigInt(elementTypes.FLOAT16) } : attribute;
}

function isFloat({ type }: ValueInfoProto): boolean {
  return type?.value.case === 'tensorType' && type.value.value.elemType === elementTypes.FLOAT;
}

function halfValue(value: ValueInfoProto): ValueInfoProto {
  const { type } = value;
  if (type?.value.case !== 'tensorType' || !isFloat(value)) return value;
  const tensor = { ...type.value.value, elemType: elementTypes.FLOAT16 };
  return { ...value, type: { ...type, value: { case: 'tensorType', value: tensor } } };
}

/** Names within a graph replaced, in subgraphs where they are not defined anew. */
export function renamedGraph(graph: GraphProto, names: ReadonlyMap<string, string>): GraphProto {
  if (names.size === 0) return graph;
  const rename = (name: string): string => names.get(name) ?? name;
  return {
    ...graph,
    node: graph.node.map((node) => {
      const inner = mapSubgraphs(node, (subgraph) =>
        renamedGraph(subgraph, without(names, subgraph)),
      );
      return { ...inner, input: node.input.map(rename), output: node.output.map(rename) };
    }),
    initializer: graph.initializer.map((tensor) => ({ ...tensor, name: rename(tensor.name) })),
    output: graph.output.map((value) => ({ ...value, name: rename(value.name) })),
  };
}

function without(names: ReadonlyMap<string, string>, graph: GraphProto): Map<string, string> {
  const own = new Set([
    ...graph.input.map(({ name }) => name),
    ...graph.initializer.map(({ name }) => name),
    ...graph.node.flatMap(({ output }) => output),
  ]);
  return new Map([...names].filter(([name]) => !own.has(name)));
}
