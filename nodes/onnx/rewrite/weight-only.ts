/**
 * Smaller weights, arithmetic as it was: 8 bits with DequantizeLinear before their use, 4 bits in
 * blocks with com.microsoft.MatMulNBits, or half precision with a Cast. Where a runtime folds
 * constants (it does for the Cast), only the file is smaller.
 */

import { elementTypes } from '../element-types.ts';
import { opsetOf } from '../check-model.ts';
import type { OnnxModel } from '../model.ts';
import type { GraphProto, NodeProto, TensorProto } from '../proto.ts';
import { countElements, dimsOf, floatsOfTensor, makeTensor } from '../tensor-data.ts';
import { denseOf } from './dense.ts';
import { halvesOf } from './half.ts';
import {
  attributeOf,
  isDefaultDomain,
  makeCast,
  makeNode,
  microsoft,
  withOperatorSet,
} from './nodes.ts';
import { quantiseBlocks, quantiseWeight, weightZero } from './quantise.ts';
import { type Rewritten, Tally } from './result.ts';
import { mapSubgraphs, rewriteGraphs, withGraph, withoutUnused } from './rewrite-graphs.ts';
import { Names, type Scope } from './scope.ts';
import { rewriteDefaults, type RewriteSettings, weightInputs } from './settings.ts';

const dequantizeOpset = 10;
/** DequantizeLinear with an axis. */
export const perAxisOpset = 13;

/** 8-bit weights of Conv, MatMul, Gemm and recurrent operators. */
export function toInt8Weights(
  model: OnnxModel,
  settings: RewriteSettings = rewriteDefaults,
): Rewritten {
  const opset = opsetOf(model);
  if (opset === undefined || opset < dequantizeOpset) {
    const have = opset ?? 'none';
    return { ok: false, reason: `DequantizeLinear needs opset ${dequantizeOpset}, it has ${have}` };
  }
  const tally = new Tally();
  const rewritten = rewriteGraphs(model, (node, scope) => {
    const made: NodeProto[] = [];
    const input = [...node.input];
    for (const { index, axis } of weightInputs(node)) {
      const name = input[index] ?? '';
      if (!isWorthwhile(node, name, scope, settings, tally)) continue;
      const channels = opset >= perAxisOpset ? axis : undefined;
      input[index] = dequantized(name, channels, scope, made);
      tally.change(node.opType);
    }
    return made.length === 0 && input.every((name, at) => name === node.input[at])
      ? undefined
      : [...made, { ...node, input }];
  });
  return tally.conclude(rewritten, 'no operator with large constant weights');
}

function isWorthwhile(
  node: NodeProto,
  name: string,
  scope: Scope,
  settings: RewriteSettings,
  tally: Tally,
): boolean {
  const { opType } = node;
  if (scope.weightDims(name) === undefined) {
    tally.leave(opType, 'its weights are no FP32 constant');
  } else if (settings.keep.includes(opType)) {
    tally.leave(opType, 'to be kept');
  } else if (scope.weightElements(name) < settings.elementsMin) {
    tally.leave(opType, `under ${settings.elementsMin} weights`);
  } else {
    return true;
  }
  return false;
}

/** The name of the 8-bit weight as FP32; its DequantizeLinear is appended where it is the first. */
export function dequantized(
  name: string,
  axis: number | undefined,
  scope: Scope,
  made: NodeProto[],
): string {
  return scope.once(`weight:${name}:${axis}`, () => {
    const weight = scope.weight(name);
    if (weight === undefined) return name;
    const { values, scales, dims } = quantiseWeight(weight, axis);
    const fresh = scope.names.fresh(`${name}_uint8`);
    scope.add(makeTensor(fresh, 'UINT8', dims, values));
    const scaleDims = axis === undefined ? [] : [scales.length];
    scope.add(makeTensor(`${fresh}_scale`, 'FLOAT', scaleDims, scales));
    const zeros = new Uint8Array(scales.length).fill(weightZero);
    scope.add(makeTensor(`${fresh}_zero`, 'UINT8', scaleDims, zeros));
    const inputs = [fresh, `${fresh}_scale`, `${fresh}_zero`];
    const attributes = axis === undefined ? {} : { axis };
    made.push(makeNode('DequantizeLinear', inputs, [`${fresh}_float`], attributes));
    return `${fresh}_float`;
  });
}

const blockSize = 32;

/** 4-bit weights of MatMul and Gemm: ONNX Runtime only. */
export function toInt4Weights(
  model: OnnxModel,
  settings: RewriteSettings = rewriteDefaults,
): Rewritten {
  const tally = new Tally();
  const rewritten = rewriteGraphs(model, (node, scope) => {
    const dense = node.opType === 'MatMul' || node.opType === 'Gemm';
    if (!dense || !isDefaultDomain(node)) return undefined;
    if (!isWorthwhile(node, node.input[1] ?? '', scope, settings, tally)) return undefined;
    const made = toBlocks(node, scope);
    if (typeof made === 'string') {
      tally.leave(node.opType, made);
      return undefined;
    }
    tally.change(node.opType);
    return made;
  });
  const complete = withOperatorSet(rewritten, microsoft, 1);
  return tally.conclude(complete, 'no MatMul or Gemm with large constant weights');
}

function toBlocks(node: NodeProto, scope: Scope): readonly NodeProto[] | string {
  const dense = denseOf(node, scope);
  if (typeof dense === 'string') return dense;
  const { x, y, weight, weightName, bias } = dense;
  const [k = 0, n = 0, more] = weight.dims;
  if (more !== undefined) return 'its weights are a stack of matrices';
  const { packed, scales } = quantiseBlocks(weight, blockSize);
  const blocks = Math.ceil(k / blockSize);
  const name = scope.names.fresh(`${weightName}_int4`);
  scope.add(makeTensor(name, 'UINT8', [n, blocks, blockSize / 2], packed));
  scope.add(makeTensor(`${name}_scale`, 'FLOAT', [n * blocks], scales));
  const attributes = { K: k, N: n, bits: 4, block_size: blockSize, accuracy_level: 4 };
  const product = bias === undefined ? y : scope.names.fresh(`${y}_product`);
  const inputs = [x, name, `${name}_scale`];
  return [
    makeNode('MatMulNBits', inputs, [product], attributes, microsoft),
    ...(bias === undefined ? [] : [makeNode('Add', [product, bias], [y])]),
  ];
}

/** Every large FP32 constant stored as FP16, and cast back before it is used. */
export function toHalfWeights(
  model: OnnxModel,
  settings: RewriteSettings = rewriteDefaults,
): Rewritten {
  const tally = new Tally();
  const modern = rewriteGraphs(model, () => undefined);
  const names = new Names(modern);
  const graph = halveConstants(modern, modern.proto.graph, names, settings, tally);
  return tally.conclude(withGraph(modern, withoutUnused(graph)), 'no large FP32 constant');
}

function halveConstants(
  model: OnnxModel,
  graph: GraphProto,
  names: Names,
  settings: RewriteSettings,
  tally: Tally,
): GraphProto {
  const casts: NodeProto[] = [];
  const inputs = new Set(graph.input.map(({ name }) => name));
  const isLarge = (tensor: TensorProto): boolean =>
    tensor.dataType === elementTypes.FLOAT &&
    countElements(tensor, model.file) >= settings.elementsMin;
  const initializer = graph.initializer.map((tensor) => {
    if (!isLarge(tensor) || inputs.has(tensor.name)) return tensor;
    const name = names.fresh(`${tensor.name}_half`);
    casts.push(makeCast(name, tensor.name, 'FLOAT'));
    return halved(tensor, name, model, tally);
  });
  const node = graph.node.flatMap((each) => {
    const value = each.opType === 'Constant' ? attributeOf(each, 'value')?.t : undefined;
    const [output = ''] = each.output;
    if (value !== undefined && isLarge(value)) {
      const name = names.fresh(`${output}_half`);
      const stored = halved(value, value.name, model, tally);
      return [makeNode('Constant', [], [name], { value: stored }), makeCast(name, output, 'FLOAT')];
    }
    return [mapSubgraphs(each, (inner) => halveConstants(model, inner, names, settings, tally))];
  });
  return { ...graph, initializer, node: [...casts, ...node] };
}

function halved(tensor: TensorProto, name: string, model: OnnxModel, tally: Tally): TensorProto {
  const { halves, clamped } = halvesOf(floatsOfTensor(tensor, model) ?? new Float32Array(0));
  tally.change('constant');
  if (clamped > 0) tally.leave('constant', 'values beyond half precision are clamped to it');
  return makeTensor(name, 'FLOAT16', dimsOf(tensor), halves);
}
