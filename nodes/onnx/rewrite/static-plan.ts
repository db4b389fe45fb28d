/**
 * Which activations of a graph are to be int8 under static quantisation. The aim is chains: what
 * ONNX Runtime fuses is `DequantizeLinear -> operator -> QuantizeLinear`, so an operator gains only
 * when what feeds it and what it feeds are integers too. Source: the QDQ conventions of ONNX
 * Runtime (onnxruntime/core/optimizer/qdq_transformer).
 */

import type { OnnxModel } from '../model.ts';
import type { NodeProto } from '../proto.ts';
import { floatOf, intOf, isDefaultDomain } from './nodes.ts';
import { Tally } from './result.ts';
import { Names, Scope } from './scope.ts';
import type { RewriteSettings } from './settings.ts';

export interface StaticPlan {
  /** The operators with weights that are quantised. */
  readonly dense: ReadonlySet<NodeProto>;
  /** Activations to quantise, each with the one whose range it has (mostly itself). */
  readonly activations: ReadonlyMap<string, string>;
  /** Activations whose ranges have to be known; graph inputs among them. */
  readonly tensors: readonly string[];
  readonly tally: Tally;
}

/** Rearranges or selects: what comes out has the range of what went in. */
const rangeKeeping = new Set([
  ...['Flatten', 'MaxPool', 'Reshape', 'Squeeze', 'Transpose', 'Unsqueeze', 'Identity'],
]);
/** Integers in, integers out, with a range of their own. */
const computing = new Set(['Add', 'AveragePool', 'Concat', 'GlobalAveragePool']);
const denseOperators = new Set(['Conv', 'Gemm', 'MatMul']);
/** Done by the QuantizeLinear that follows, which cannot hold what they take away. */
const absorbed = new Set(['Relu', 'Clip']);

export function planStaticInt8(model: OnnxModel, settings: RewriteSettings): StaticPlan {
  const { graph } = model.proto;
  const scope = new Scope(model, graph, new Names(model));
  const planner = new Planner(graph.node, scope, settings);
  for (const node of graph.node) planner.place(node);
  return planner.plan();
}

class Planner {
  readonly #scope: Scope;
  readonly #settings: RewriteSettings;
  readonly #consumers = new Map<string, NodeProto[]>();
  readonly #outputs: ReadonlySet<string>;
  readonly #dense = new Set<NodeProto>();
  readonly #activations = new Map<string, string>();
  readonly #tally = new Tally();

  constructor(nodes: readonly NodeProto[], scope: Scope, settings: RewriteSettings) {
    this.#scope = scope;
    this.#settings = settings;
    this.#outputs = new Set(scope.graph.output.map(({ name }) => name));
    for (const node of nodes) {
      for (const name of node.input) {
        const known = this.#consumers.get(name);
        if (known === undefined) this.#consumers.set(name, [node]);
        else known.push(node);
      }
    }
  }

  plan(): StaticPlan {
    const activations = this.#activations;
    const tensors = [...new Set(activations.values())];
    return { dense: this.#dense, activations, tensors, tally: this.#tally };
  }

  place(node: NodeProto): void {
    if (!isDefaultDomain(node)) return;
    const { opType, input, output } = node;
    const [x = ''] = input;
    const [y = ''] = output;
    if (denseOperators.has(opType)) {
      this.#placeDense(node, x, y);
      return;
    }
    const inputs = input.filter((name) => name !== '');
    if (rangeKeeping.has(opType) && this.#activations.has(x)) {
      // Without anyone who goes on with integers, this would only be rounding.
      if (this.#feedsIntegers(y)) this.#activations.set(y, this.#activations.get(x) ?? x);
    } else if (computing.has(opType) && inputs.every((name) => this.#activations.has(name))) {
      this.#mark(this.#behindAbsorbed(y));
    }
  }

  #placeDense(node: NodeProto, x: string, y: string): void {
    const why = this.#whyNot(node, x);
    if (why !== undefined) {
      this.#tally.leave(node.opType, why);
      return;
    }
    const result = this.#behindAbsorbed(y);
    // A convolution is fused only with an integer output; products can end in numbers.
    const integers = node.opType === 'Conv' || this.#feedsIntegers(result);
    this.#dense.add(node);
    this.#tally.change(node.opType);
    this.#mark(x);
    if (integers) this.#mark(result);
  }

  #whyNot(node: NodeProto, x: string): string | undefined {
    const [, w = '', bias = ''] = node.input;
    const dims = this.#scope.weightDims(w);
    if (this.#settings.keep.includes(node.opType)) return 'to be kept';
    if (dims === undefined) return 'its weights are no FP32 constant';
    if (dims.length < 2 || (node.opType !== 'Conv' && dims.length > 2)) {
      return 'its weights are no matrix';
    }
    if (this.#scope.isConstant(x)) return 'both of its inputs are constants';
    if (bias !== '' && this.#scope.weightDims(bias) === undefined) {
      return 'its bias is no FP32 constant';
    }
    if (node.opType === 'Gemm' && !isPlainGemm(node)) return 'it has alpha, beta or transA';
    return undefined;
  }

  #mark(name: string): void {
    if (!this.#activations.has(name)) this.#activations.set(name, name);
  }

  /** The output of a Relu or Clip that is alone behind `name`, else `name`. */
  #behindAbsorbed(name: string): string {
    const [next, another] = this.#consumers.get(name) ?? [];
    const alone = next !== undefined && another === undefined && !this.#outputs.has(name);
    return alone && isDefaultDomain(next) && absorbed.has(next.opType)
      ? (next.output[0] ?? name)
      : name;
  }

  #feedsIntegers(name: string): boolean {
    return (this.#consumers.get(name) ?? []).some((node) => {
      if (!isDefaultDomain(node)) return false;
      if (denseOperators.has(node.opType)) {
        return this.#whyNot(node, node.input[0] ?? '') === undefined && node.input[0] === name;
      }
      const passes = rangeKeeping.has(node.opType) && this.#feedsIntegers(node.output[0] ?? '');
      return passes || computing.has(node.opType);
    });
  }
}

function isPlainGemm(node: NodeProto): boolean {
  const plain = floatOf(node, 'alpha', 1) === 1 && floatOf(node, 'beta', 1) === 1;
  return plain && intOf(node, 'transA', 0) === 0;
}
