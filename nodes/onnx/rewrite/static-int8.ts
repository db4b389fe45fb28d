/**
 * Static quantisation: 8-bit weights, uint8 activations in ranges measured beforehand, bias int32.
 * Written as QuantizeLinear/DequantizeLinear pairs (QDQ), which ONNX Runtime's optimiser fuses with
 * what is between them into integer operators, and which any runtime computes as they stand.
 *
 * Only the main graph is quantised: activations within If, Loop and Scan are not seen from outside.
 */

import { opsetOf } from '../check-model.ts';
import type { OnnxModel } from '../model.ts';
import type { GraphProto, NodeProto } from '../proto.ts';
import { makeTensor } from '../tensor-data.ts';
import { intOf, makeNode } from './nodes.ts';
import { type Affine, affineOf, type Range, toInteger } from './quantise.ts';
import type { Rewritten } from './result.ts';
import { rewriteGraphs, withGraph, withoutUnused } from './rewrite-graphs.ts';
import { Names, Scope } from './scope.ts';
import { rewriteDefaults, type RewriteSettings } from './settings.ts';
import { planStaticInt8, type StaticPlan } from './static-plan.ts';
import { dequantized, perAxisOpset } from './weight-only.ts';

const opsetMin = 10;

/** Activations whose ranges `toStaticInt8` needs: graph inputs, and tensors to expose. */
export function tensorsToCalibrate(
  model: OnnxModel,
  settings: RewriteSettings = rewriteDefaults,
): readonly string[] {
  return planStaticInt8(modern(model), settings).tensors;
}

export function toStaticInt8(
  model: OnnxModel,
  ranges: ReadonlyMap<string, Range>,
  settings: RewriteSettings = rewriteDefaults,
): Rewritten {
  const opset = opsetOf(model);
  if (opset === undefined || opset < opsetMin) {
    const have = opset ?? 'none';
    return { ok: false, reason: `QuantizeLinear needs opset ${opsetMin}, it has ${have}` };
  }
  const source = modern(model);
  const plan = planStaticInt8(source, settings);
  const unknown = plan.tensors.filter((name) => !ranges.has(name));
  if (unknown.length > 0) {
    return { ok: false, reason: `no range was measured for ${unknown.join(', ')}` };
  }
  const quantiser = new Quantiser(source, plan, ranges, opset);
  const graph = withoutUnused(quantiser.graph());
  return plan.tally.conclude(withGraph(source, graph), 'no Conv, MatMul or Gemm in its main graph');
}

const modern = (model: OnnxModel): OnnxModel => rewriteGraphs(model, () => undefined);

class Quantiser {
  readonly #plan: StaticPlan;
  readonly #ranges: ReadonlyMap<string, Range>;
  readonly #perAxis: boolean;
  readonly #graph: GraphProto;
  readonly #scope: Scope;
  /** Graph inputs cannot be renamed; who takes their quantised values takes this name. */
  readonly #inputs = new Map<string, string>();

  constructor(
    model: OnnxModel,
    plan: StaticPlan,
    ranges: ReadonlyMap<string, Range>,
    opset: number,
  ) {
    this.#plan = plan;
    this.#ranges = ranges;
    this.#perAxis = opset >= perAxisOpset;
    this.#graph = model.proto.graph;
    this.#scope = new Scope(model, this.#graph, new Names(model));
  }

  graph(): GraphProto {
    const before = this.#graph.input
      .filter(({ name }) => this.#plan.activations.has(name))
      .flatMap(({ name }) => {
        const values = this.#scope.names.fresh(`${name}_quantised`);
        this.#inputs.set(name, values);
        return this.#pair(name, name, values);
      });
    const node = this.#graph.node.flatMap((each) => this.#node(each));
    const initializer = [...this.#graph.initializer, ...this.#scope.added];
    return { ...this.#graph, node: [...before, ...node], initializer };
  }

  #node(node: NodeProto): readonly NodeProto[] {
    const made: NodeProto[] = [];
    const input = node.input.map((name) => this.#inputs.get(name) ?? name);
    if (this.#plan.dense.has(node)) this.#quantiseWeights(node, input, made);
    const after: NodeProto[] = [];
    // What makes an activation now makes its unrounded form; the name is that of the rounded one,
    // so that every consumer, subgraphs and outputs included, gets the same.
    const output = node.output.map((name) => {
      if (!this.#plan.activations.has(name)) return name;
      const raw = this.#scope.names.fresh(`${name}_unrounded`);
      after.push(...this.#pair(name, raw, name));
      return raw;
    });
    return [...made, { ...node, input, output }, ...after];
  }

  /** `from` -> QuantizeLinear -> DequantizeLinear -> `to`, in the range of `activation`. */
  #pair(activation: string, from: string, to: string): NodeProto[] {
    const root = this.#plan.activations.get(activation) ?? activation;
    const { names } = this.#scope;
    const parameters = this.#scope.once(`range:${root}`, () => {
      const { scale, zeroPoint } = this.#affine(root);
      const name = names.fresh(`${root}_range`);
      this.#scope.add(makeTensor(`${name}_scale`, 'FLOAT', [], Float32Array.of(scale)));
      this.#scope.add(makeTensor(`${name}_zero`, 'UINT8', [], Uint8Array.of(zeroPoint)));
      return name;
    });
    const integers = names.fresh(`${activation}_uint8`);
    const shared = [`${parameters}_scale`, `${parameters}_zero`];
    return [
      makeNode('QuantizeLinear', [from, ...shared], [integers]),
      makeNode('DequantizeLinear', [integers, ...shared], [to]),
    ];
  }

  #affine(root: string): Affine {
    return affineOf(this.#ranges.get(root) ?? { min: 0, max: 0 });
  }

  #quantiseWeights(node: NodeProto, input: string[], made: NodeProto[]): void {
    const [x = ''] = node.input;
    const [, w = '', bias = ''] = input;
    const upright = node.opType === 'Conv' || intOf(node, 'transB', 0) !== 0;
    const axis = this.#perAxis ? (upright ? 0 : 1) : undefined;
    const weight = dequantized(w, axis, this.#scope, made);
    input[1] = weight;
    if (bias === '') return;
    const root = this.#plan.activations.get(x) ?? x;
    input[2] = this.#scope.once(`bias:${bias}:${weight}:${root}`, () =>
      this.#quantiseBias(bias, weight, root, made),
    );
  }

  /** int32 in steps of the activation's scale times the weight's: the steps of their products. */
  #quantiseBias(bias: string, weight: string, root: string, made: NodeProto[]): string {
    const constant = this.#scope.weight(bias);
    const integers = weight.slice(0, -'_float'.length);
    const scaleTensor = this.#scope.added.find(({ name }) => name === `${integers}_scale`);
    if (constant === undefined || scaleTensor === undefined) return bias;
    const weightScales = new Float32Array(scaleTensor.rawData.slice().buffer);
    const { scale } = this.#affine(root);
    const scales = weightScales.map((each) => each * scale);
    const most = 2 ** 31 - 1;
    const values = Int32Array.from(constant.floats, (value, at) =>
      toInteger(value / (scales[scales.length === 1 ? 0 : at] ?? 1), -most, most),
    );
    const name = this.#scope.names.fresh(`${bias}_int32`);
    const dims = scales.length === 1 ? [] : [scales.length];
    this.#scope.add(makeTensor(name, 'INT32', constant.dims, values));
    this.#scope.add(makeTensor(`${name}_scale`, 'FLOAT', dims, scales));
    this.#scope.add(makeTensor(`${name}_zero`, 'INT32', dims, new Int32Array(scales.length)));
    const inputs = [name, `${name}_scale`, `${name}_zero`];
    const attributes = scales.length === 1 ? {} : { axis: constant.dims.length - 1 };
    made.push(makeNode('DequantizeLinear', inputs, [`${name}_float`], attributes));
    return `${name}_float`;
  }
}
