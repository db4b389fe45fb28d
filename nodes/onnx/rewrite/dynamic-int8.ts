/**
 * Dynamic quantisation: 8-bit weights, activations quantised while running, from the range that
 * they then have. No calibration. Source: ONNX Runtime's quantize_dynamic; the forms are those that
 * its optimiser fuses (DynamicQuantizeMatMul, MatMulIntegerToFloat).
 *
 * The range is taken over the whole tensor, so what a query gets depends, within the quantisation's
 * error, on the others in its batch.
 */

import { opsetOf } from '../check-model.ts';
import type { OnnxModel } from '../model.ts';
import type { NodeProto } from '../proto.ts';
import { makeTensor } from '../tensor-data.ts';
import { nodesOf } from '../walk.ts';
import { makeDenseInteger } from './dense.ts';
import { dynamicActivation } from './dynamic-activation.ts';
import { intOf, isDefaultDomain, makeCast, makeNode, microsoft, withOperatorSet } from './nodes.ts';
import { quantiseWeight, weightZero } from './quantise.ts';
import { type Rewritten, Tally } from './result.ts';
import { rewriteGraphs } from './rewrite-graphs.ts';
import { type Scope, transpose, type Weight } from './scope.ts';
import { rewriteDefaults, type RewriteSettings } from './settings.ts';

const opsetMin = 11;

export function toDynamicInt8(
  model: OnnxModel,
  settings: RewriteSettings = rewriteDefaults,
): Rewritten {
  const opset = opsetOf(model);
  if (opset === undefined || opset < opsetMin) {
    const have = opset ?? 'none';
    return { ok: false, reason: `DynamicQuantizeLinear needs opset ${opsetMin}, it has ${have}` };
  }
  const tally = new Tally();
  const rewritten = rewriteGraphs(model, (node, scope) => {
    if (!isDefaultDomain(node)) return undefined;
    return quantiseNode(node, scope, settings, tally);
  });
  const contrib = [...nodesOf(rewritten.proto.graph)].some(({ domain }) => domain === microsoft);
  const complete = contrib ? withOperatorSet(rewritten, microsoft, 1) : rewritten;
  return tally.conclude(complete, 'no operator with large constant weights');
}

function quantiseNode(
  node: NodeProto,
  scope: Scope,
  settings: RewriteSettings,
  tally: Tally,
): readonly NodeProto[] | undefined {
  const rewrite = rules[node.opType];
  if (rewrite === undefined) return undefined;
  if (settings.keep.includes(node.opType)) {
    tally.leave(node.opType, 'to be kept');
    return undefined;
  }
  const name = node.input[node.opType === 'Gather' ? 0 : 1] ?? '';
  if (scope.weightDims(name) === undefined) {
    if (node.opType !== 'Gather') tally.leave(node.opType, 'its weights are no FP32 constant');
    return undefined;
  }
  if (scope.weightElements(name) < settings.elementsMin) {
    tally.leave(node.opType, `under ${settings.elementsMin} weights`);
    return undefined;
  }
  const nodes = rewrite(node, scope);
  if (typeof nodes === 'string') {
    tally.leave(node.opType, nodes);
    return undefined;
  }
  tally.change(node.opType);
  return nodes;
}

/** The nodes in its place, or why it is left. */
type Rule = (node: NodeProto, scope: Scope) => readonly NodeProto[] | string;

const rules: Readonly<Record<string, Rule>> = {
  MatMul: makeDenseInteger,
  Gemm: makeDenseInteger,
  Conv: toConvInteger,
  LSTM: toQuantisedLstm,
  Gather: toQuantisedGather,
};

/**
 * Conv -> ConvInteger, Cast, Mul by both scales, Add of the bias. One scale a
 * channel; ONNX Runtime's CPU kernel takes uint8 weights alone.
 */
function toConvInteger(node: NodeProto, scope: Scope): readonly NodeProto[] | string {
  const [x = '', w = '', bias = ''] = node.input;
  const [y = ''] = node.output;
  const weight = scope.weight(w);
  if (weight === undefined || weight.dims.length < 3) return 'its weights have no spatial axes';
  const { dims } = weight;
  const channels = dims[0] ?? 1;
  const { values, scales } = quantiseWeight(weight, 0);
  const name = scope.names.fresh(`${w}_uint8`);
  const spread = [1, channels, ...dims.slice(2).map(() => 1)];
  scope.add(makeTensor(name, 'UINT8', dims, values));
  scope.add(makeTensor(`${name}_zero`, 'UINT8', [], Uint8Array.of(weightZero)));
  scope.add(makeTensor(`${name}_scale`, 'FLOAT', spread, scales));
  const { activation, nodes } = dynamicActivation(x, scope);
  const sum = scope.names.fresh(`${y}_integer`);
  const scaled = bias === '' ? y : `${sum}_scaled`;
  const integer: NodeProto = {
    ...makeNode(
      'ConvInteger',
      [activation.values, name, activation.zeroPoint, `${name}_zero`],
      [sum],
    ),
    attribute: node.attribute,
  };
  const made = [
    ...nodes,
    integer,
    makeCast(sum, `${sum}_float`, 'FLOAT'),
    makeNode('Mul', [activation.scale, `${name}_scale`], [`${sum}_scale`]),
    makeNode('Mul', [`${sum}_float`, `${sum}_scale`], [scaled]),
  ];
  if (bias === '') return made;
  const reshaped = addBias(bias, spread, scope, `${sum}_bias`);
  return [...made, ...reshaped.nodes, makeNode('Add', [scaled, reshaped.name], [y])];
}

/** A bias of `[channels]` in a shape that is added to an output. */
function addBias(
  bias: string,
  shape: readonly number[],
  scope: Scope,
  hint: string,
): { readonly name: string; readonly nodes: readonly NodeProto[] } {
  const constant = scope.weight(bias);
  if (constant !== undefined) {
    return { name: scope.add(makeTensor(hint, 'FLOAT', shape, constant.floats)), nodes: [] };
  }
  const sizes = BigInt64Array.from(shape, BigInt);
  const target = scope.add(makeTensor(`${hint}_shape`, 'INT64', [shape.length], sizes));
  return { name: hint, nodes: [makeNode('Reshape', [bias, target], [hint])] };
}

/** LSTM -> com.microsoft.DynamicQuantizeLSTM, whose weights are transposed: `[d, in, 4 × h]`. */
function toQuantisedLstm(node: NodeProto, scope: Scope): readonly NodeProto[] | string {
  const [x = '', w = '', r = '', ...rest] = node.input;
  if (intOf(node, 'layout', 0) !== 0) return 'batch-first layout';
  const weight = scope.weight(w);
  const recurrent = scope.weight(r);
  if (weight === undefined || recurrent === undefined) return 'its weights are no FP32 constant';
  const [directions = 1] = weight.dims;
  const addTransposed = (name: string, from: Weight): string[] => {
    const fresh = scope.names.fresh(`${name}_uint8`);
    const turned = transpose(from, [0, 2, 1]);
    const { values, scales } = quantiseWeight(turned, 0);
    const zeros = new Uint8Array(directions).fill(weightZero);
    return [
      scope.add(makeTensor(fresh, 'UINT8', turned.dims, values)),
      scope.add(makeTensor(`${fresh}_scale`, 'FLOAT', [directions], scales)),
      scope.add(makeTensor(`${fresh}_zero`, 'UINT8', [directions], zeros)),
    ];
  };
  const [wq = '', ws = '', wz = ''] = addTransposed(w, weight);
  const [rq = '', rs = '', rz = ''] = addTransposed(r, recurrent);
  const optional = [0, 1, 2, 3, 4].map((index) => rest[index] ?? '');
  const inputs = [x, wq, rq, ...optional, ws, wz, rs, rz];
  const made = makeNode('DynamicQuantizeLSTM', inputs, node.output, {}, microsoft);
  const attribute = node.attribute.filter(({ name }) => name !== 'layout');
  return [{ ...made, attribute }];
}

/** An embedding: the rows are gathered as uint8, and only those become numbers again. */
function toQuantisedGather(node: NodeProto, scope: Scope): readonly NodeProto[] | string {
  const [table = '', indices = ''] = node.input;
  const [y = ''] = node.output;
  const weight = scope.weight(table);
  if (weight === undefined || weight.dims.length < 2) return 'its table is no matrix';
  const name = scope.once(`gather:${table}`, () => {
    const { dims, values, scales } = quantiseWeight(weight, undefined);
    const fresh = scope.names.fresh(`${table}_uint8`);
    scope.add(makeTensor(`${fresh}_scale`, 'FLOAT', [], scales));
    scope.add(makeTensor(`${fresh}_zero`, 'UINT8', [], Uint8Array.of(weightZero)));
    return scope.add(makeTensor(fresh, 'UINT8', dims, values));
  });
  const rows = scope.names.fresh(`${y}_uint8`);
  const gather: NodeProto = {
    ...makeNode('Gather', [name, indices], [rows]),
    attribute: node.attribute,
  };
  return [gather, makeNode('DequantizeLinear', [rows, `${name}_scale`, `${name}_zero`], [y])];
}
