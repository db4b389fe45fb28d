/**
 * A graph under a rewrite, with the graphs around it: which names are constants, what their
 * elements are, and what the rewrite adds.
 *
 * Constants are initializers, `Constant` nodes, and either behind `Identity` or `Transpose`, as
 * exporters write weights.
 */

import { elementTypes } from '../element-types.ts';
import type { OnnxModel } from '../model.ts';
import type { GraphProto, NodeProto, TensorProto } from '../proto.ts';
import { countElements, dimsOf, floatsOfTensor } from '../tensor-data.ts';
import { nodesOf, graphsOf } from '../walk.ts';
import { attributeOf, intsOf, isDefaultDomain } from './nodes.ts';

/** A constant's elements as numbers; rows first. */
export interface Weight {
  readonly dims: readonly number[];
  readonly floats: Float32Array;
}

/** A constant that was found: `permutation` is the transposition on the way to it. */
export interface Constant {
  readonly tensor: TensorProto;
  readonly permutation: readonly number[] | undefined;
}

export class Names {
  readonly #taken: Set<string>;

  constructor(model: OnnxModel) {
    this.#taken = new Set<string>();
    for (const graph of graphsOf(model.proto.graph)) {
      for (const { name } of [...graph.input, ...graph.output, ...graph.initializer]) {
        this.#taken.add(name);
      }
    }
    for (const node of nodesOf(model.proto.graph)) {
      for (const name of [...node.input, ...node.output]) this.#taken.add(name);
    }
  }

  /** A name that nothing in the model has, in any of its graphs. */
  fresh(hint: string): string {
    let name = hint;
    for (let number = 2; this.#taken.has(name); number += 1) name = `${hint}_${number}`;
    this.#taken.add(name);
    return name;
  }
}

export class Scope {
  readonly model: OnnxModel;
  readonly graph: GraphProto;
  readonly names: Names;
  readonly added: TensorProto[] = [];
  readonly #outer: Scope | undefined;
  readonly #initializers: ReadonlyMap<string, TensorProto>;
  readonly #makers: ReadonlyMap<string, NodeProto>;
  readonly #inputs: ReadonlySet<string>;
  /** What was made once and is used again, by what it was made from. */
  readonly made = new Map<string, string>();

  constructor(model: OnnxModel, graph: GraphProto, names: Names, outer?: Scope) {
    this.model = model;
    this.graph = graph;
    this.names = names;
    this.#outer = outer;
    this.#initializers = new Map(graph.initializer.map((tensor) => [tensor.name, tensor]));
    this.#inputs = new Set(graph.input.map(({ name }) => name));
    this.#makers = new Map(
      graph.node.flatMap((node) => node.output.map((name): [string, NodeProto] => [name, node])),
    );
  }

  /** The tensor behind a name; undefined for what changes from run to run. */
  findConstant(name: string): Constant | undefined {
    const tensor = this.#initializers.get(name);
    // Such an input has a default, and may be given another value.
    if (this.#inputs.has(name)) return undefined;
    if (tensor !== undefined) return { tensor, permutation: undefined };
    const maker = this.#makers.get(name);
    if (maker === undefined) return this.#outer?.findConstant(name);
    return isDefaultDomain(maker) ? this.#madeConstant(maker) : undefined;
  }

  #madeConstant(maker: NodeProto): Constant | undefined {
    const [input = ''] = maker.input;
    switch (maker.opType) {
      case 'Constant': {
        const value = attributeOf(maker, 'value')?.t;
        return value === undefined ? undefined : { tensor: value, permutation: undefined };
      }
      case 'Identity':
        return this.findConstant(input);
      case 'Transpose': {
        const inner = this.findConstant(input);
        // Two transpositions in a row are for ONNX Runtime to fold.
        if (inner === undefined || inner.permutation !== undefined) return undefined;
        const rank = inner.tensor.dims.length;
        const reversed = Array.from({ length: rank }, (_, axis) => rank - 1 - axis);
        return { tensor: inner.tensor, permutation: intsOf(maker, 'perm') ?? reversed };
      }
      default:
        return undefined;
    }
  }

  isConstant(name: string): boolean {
    return this.findConstant(name) !== undefined;
  }

  /** Shape of a float constant without reading it; undefined for anything else. */
  weightDims(name: string): readonly number[] | undefined {
    const found = this.findConstant(name);
    if (found?.tensor.dataType !== elementTypes.FLOAT) return undefined;
    const dims = dimsOf(found.tensor);
    return found.permutation === undefined ? dims : permuted(dims, found.permutation);
  }

  /** Elements of a float constant: reads them from the file where they lie there. */
  weight(name: string): Weight | undefined {
    const found = this.findConstant(name);
    if (found?.tensor.dataType !== elementTypes.FLOAT) return undefined;
    const floats = floatsOfTensor(found.tensor, this.model);
    if (floats === undefined) return undefined;
    const weight: Weight = { dims: dimsOf(found.tensor), floats };
    return found.permutation === undefined ? weight : transpose(weight, found.permutation);
  }

  weightElements(name: string): number {
    const found = this.findConstant(name);
    return found === undefined ? 0 : countElements(found.tensor, this.model.file);
  }

  /** Adds an initializer to this graph; its name is what the tensor has. */
  add(tensor: TensorProto): string {
    this.added.push(tensor);
    return tensor.name;
  }

  /** The name made for `key`, made now unless it was before. */
  once(key: string, make: () => string): string {
    let name = this.made.get(key);
    if (name === undefined) {
      name = make();
      this.made.set(key, name);
    }
    return name;
  }
}

function permuted(dims: readonly number[], permutation: readonly number[]): number[] {
  return permutation.map((axis) => dims[axis] ?? 1);
}

/** `permutation[axis]` is the axis of the weight that becomes `axis`. */
export function transpose(weight: Weight, permutation: readonly number[]): Weight {
  const dims = permuted(weight.dims, permutation);
  const strides = stridesOf(weight.dims);
  const steps = permutation.map((axis) => strides[axis] ?? 1);
  const floats = new Float32Array(weight.floats.length);
  const index = new Array<number>(dims.length).fill(0);
  let from = 0;
  for (let at = 0; at < floats.length; at += 1) {
    floats[at] = weight.floats[from] ?? 0;
    for (let axis = dims.length - 1; axis >= 0; axis -= 1) {
      const step = steps[axis] ?? 0;
      const next = (index[axis] ?? 0) + 1;
      from += step;
      if (next < (dims[axis] ?? 1)) {
        index[axis] = next;
        break;
      }
      from -= step * next;
      index[axis] = 0;
    }
  }
  return { dims, floats };
}

function stridesOf(dims: readonly number[]): number[] {
  const strides = new Array<number>(dims.length).fill(1);
  for (let axis = dims.length - 2; axis >= 0; axis -= 1) {
    strides[axis] = (strides[axis + 1] ?? 1) * (dims[axis + 1] ?? 1);
  }
  return strides;
}
