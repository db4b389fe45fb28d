/**
 * A hash of what a model computes, whatever its values are called: two files with the same digest
 * have the same nodes on the same weights, inputs and outputs. Names of graph inputs and outputs
 * count, since queries use them; documentation, metadata and nodes that lead to no output do not.
 */

import { createHash, type Hash } from 'node:crypto';
import { closeSync, openSync } from 'node:fs';

import { domainOf } from './check-model.ts';
import { bytesOfElements, elementTypes } from './element-types.ts';
import { type FileRange, isExternal, locateExternal } from './external-data.ts';
import type { OnnxModel } from './model.ts';
import {
  type AttributeProto,
  encodeMessage,
  type GraphProto,
  type NodeProto,
  type TensorProto,
  type ValueInfoProto,
} from './proto.ts';
import { readExactly } from './skim.ts';
import { bytesOfTensor, countElements } from './tensor-data.ts';
import { nodesOf } from './walk.ts';

/** Hex SHA-256. Reads every weight once. */
export function graphDigest(model: OnnxModel): string {
  const { graph } = model.proto;
  const used = new Set([...nodesOf(graph)].map(domainOf));
  const opsets = model.proto.opsetImport
    .filter((opset) => used.has(domainOf(opset)))
    .map((opset) => `${domainOf(opset)}:${opset.version}`)
    .sort();
  const initialized = new Set(graph.initializer.map(({ name }) => name));
  const inputs = graph.input.filter(({ name }) => !initialized.has(name));
  return digestOf((hash) => {
    add(hash, ...opsets, ...inputs.map(describeValue), ...graph.output.map(describeValue));
    add(hash, ...new Digester(model).graph(graph, new Map(), (value) => value.name));
    for (const each of model.proto.functions) add(hash, encodeMessage('FunctionProto', each));
  });
}

/** Hashes of values by name, of this graph and those around it. */
type Known = ReadonlyMap<string, string>;

class Digester {
  readonly #model: OnnxModel;

  constructor(model: OnnxModel) {
    this.#model = model;
  }

  /** The hash of each output. */
  graph(
    graph: GraphProto,
    outer: Known,
    labelOf: (input: ValueInfoProto, position: number) => string,
  ): string[] {
    const known = new Map(outer);
    graph.input.forEach((input, position) => {
      known.set(
        input.name,
        digestOf((hash) => add(hash, 'input', labelOf(input, position))),
      );
    });
    for (const tensor of graph.initializer) known.set(tensor.name, this.#tensor(tensor));
    for (const sparse of graph.sparseInitializer) {
      const { values, indices } = sparse;
      const parts = [values, indices].map((each) => (each === undefined ? '' : this.#tensor(each)));
      known.set(
        values?.name ?? '',
        digestOf((hash) => add(hash, 'sparse', ...parts)),
      );
    }
    for (const node of inOrder(graph.node, known)) {
      const own = this.#node(node, known);
      node.output.forEach((name, position) => {
        if (name !== '') known.set(name, `${own}:${position}`);
      });
    }
    return graph.output.map(({ name }) => known.get(name) ?? '');
  }

  #node(node: NodeProto, known: Known): string {
    const attributes = node.attribute
      .map((attribute): [string, string] => [attribute.name, this.#attribute(attribute, known)])
      .sort(([a], [b]) => (a < b ? -1 : 1));
    return digestOf((hash) => {
      add(hash, domainOf(node), node.opType, ...attributes.flat());
      // A constant is what it holds, wherever exporters put it.
      add(hash, ...node.input.map((name) => (name === '' ? '' : (known.get(name) ?? '?'))));
    });
  }

  #attribute(attribute: AttributeProto, known: Known): string {
    const { t, g, tensors, graphs, ...rest } = attribute;
    const inner = [...(g === undefined ? [] : [g]), ...graphs].flatMap((graph) =>
      this.graph(graph, known, (_value, position) => `${position}`),
    );
    const held = [...(t === undefined ? [] : [t]), ...tensors].map((each) => this.#tensor(each));
    const bare = { ...rest, docString: '', tensors: [], graphs: [] };
    return digestOf((hash) => {
      add(hash, encodeMessage('AttributeProto', bare), ...inner, ...held);
    });
  }

  #tensor(tensor: TensorProto): string {
    const { file } = this.#model;
    return digestOf((hash) => {
      add(hash, 'tensor', `${tensor.dataType}`, tensor.dims.join());
      if (tensor.dataType === elementTypes.STRING) add(hash, ...tensor.stringData);
      else if (isExternal(tensor)) {
        const bytes = bytesOfElements(tensor.dataType, countElements(tensor, file));
        addRange(hash, locateExternal(tensor, file, bytes));
      } else add(hash, bytesOfTensor(tensor, this.#model));
    });
  }
}

/** Nodes in an order in which each comes after what it uses; files may have another. */
function* inOrder(nodes: readonly NodeProto[], known: Known): Generator<NodeProto> {
  let waiting = nodes;
  while (waiting.length > 0) {
    const makes = new Set(waiting.flatMap(({ output }) => output));
    const later: NodeProto[] = [];
    for (const node of waiting) {
      const ready = node.input.every((name) => known.has(name) || !makes.has(name));
      if (ready) yield node;
      else later.push(node);
    }
    // What still waits now needs each other: a checked model has no such nodes.
    if (later.length === waiting.length) return yield* later;
    waiting = later;
  }
}

function describeValue({ name, type }: ValueInfoProto): string {
  if (type?.value.case !== 'tensorType') return `${name} ${type?.value.case ?? ''}`;
  return `${name} ${type.value.value.elemType}`;
}

function digestOf(fill: (hash: Hash) => void): string {
  const hash = createHash('sha256');
  fill(hash);
  return hash.digest('hex');
}

/** With lengths, so that no two lists of parts look alike. */
function add(hash: Hash, ...parts: readonly (string | Uint8Array)[]): void {
  for (const part of parts) hash.update(`${part.length}:`).update(part);
  hash.update(';');
}

const pieceBytes = 1024 * 1024;

function addRange(hash: Hash, range: FileRange): void {
  hash.update(`${range.bytes}:`);
  const buffer = Buffer.allocUnsafeSlow(Math.min(pieceBytes, Math.max(1, range.bytes)));
  const fd = openSync(range.path, 'r');
  try {
    for (let done = 0; done < range.bytes; done += buffer.length) {
      const piece = buffer.subarray(0, Math.min(buffer.length, range.bytes - done));
      readExactly(fd, range.path, piece, range.offset + done);
      hash.update(piece);
    }
  } finally {
    closeSync(fd);
  }
  hash.update(';');
}
