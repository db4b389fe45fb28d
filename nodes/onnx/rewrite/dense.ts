/**
 * MatMul and Gemm with a constant matrix as one thing: `y = x · W + bias`, with W `[k, n]`. Gemm's
 * alpha goes into W, its beta into a constant bias.
 */

import type { NodeProto } from '../proto.ts';
import { makeTensor } from '../tensor-data.ts';
import { dynamicActivation } from './dynamic-activation.ts';
import { floatOf, intOf, makeCast, makeNode } from './nodes.ts';
import { quantiseWeight, weightZero } from './quantise.ts';
import { type Scope, transpose, type Weight } from './scope.ts';

export interface Dense {
  readonly x: string;
  readonly y: string;
  readonly weightName: string;
  /** `[k, n]`, or a stack of such for MatMul. */
  readonly weight: Weight;
  /** Broadcast onto the output; undefined without. */
  readonly bias: string | undefined;
}

/** Why a node is none, as text. */
export function denseOf(node: NodeProto, scope: Scope): Dense | string {
  const [x = '', weightName = '', c = ''] = node.input;
  const [y = ''] = node.output;
  const weight = scope.weight(weightName);
  if (weight === undefined) return 'its weights are no FP32 constant';
  if (weight.dims.length < 2) return 'its weights are a vector';
  if (scope.isConstant(x)) return 'both of its inputs are constants';
  if (node.opType === 'MatMul') return { x, y, weightName, weight, bias: undefined };
  if (intOf(node, 'transA', 0) !== 0) return 'its activation is transposed';
  const upright = intOf(node, 'transB', 0) === 0 ? weight : transpose(weight, [1, 0]);
  const scaled = scaledBy(upright, floatOf(node, 'alpha', 1));
  const beta = floatOf(node, 'beta', 1);
  if (c === '' || beta === 0) return { x, y, weightName, weight: scaled, bias: undefined };
  if (beta === 1) return { x, y, weightName, weight: scaled, bias: c };
  const bias = scope.weight(c);
  if (bias === undefined) return 'beta scales a bias that is no constant';
  const name = scope.names.fresh(`${c}_scaled`);
  scope.add(makeTensor(name, 'FLOAT', bias.dims, scaledBy(bias, beta).floats));
  return { x, y, weightName, weight: scaled, bias: name };
}

function scaledBy(weight: Weight, factor: number): Weight {
  if (factor === 1) return weight;
  return { dims: weight.dims, floats: weight.floats.map((value) => value * factor) };
}

/** MatMulInteger of a quantised activation, Cast, Mul by both scales, Add of the bias. */
export function makeDenseInteger(node: NodeProto, scope: Scope): readonly NodeProto[] | string {
  const dense = denseOf(node, scope);
  if (typeof dense === 'string') return dense;
  const { x, y, weight, bias } = dense;
  // A stack of matrices has one scale for all: MatMulInteger knows channels of one matrix alone.
  const matrix = weight.dims.length === 2;
  const { values, scales, dims } = quantiseWeight(weight, matrix ? 1 : undefined);
  const name = scope.names.fresh(`${dense.weightName}_uint8`);
  scope.add(makeTensor(name, 'UINT8', dims, values));
  scope.add(makeTensor(`${name}_zero`, 'UINT8', [], Uint8Array.of(weightZero)));
  scope.add(makeTensor(`${name}_scale`, 'FLOAT', matrix ? [scales.length] : [], scales));
  const { activation, nodes } = dynamicActivation(x, scope);
  const sum = scope.names.fresh(`${y}_integer`);
  const scaled = bias === undefined ? y : `${sum}_scaled`;
  const inputs = [activation.values, name, activation.zeroPoint, `${name}_zero`];
  return [
    ...nodes,
    makeNode('MatMulInteger', inputs, [sum]),
    makeCast(sum, `${sum}_float`, 'FLOAT'),
    makeNode('Mul', [activation.scale, `${name}_scale`], [`${sum}_scale`]),
    makeNode('Mul', [`${sum}_float`, `${sum}_scale`], [scaled]),
    ...(bias === undefined ? [] : [makeNode('Add', [scaled, bias], [y])]),
  ];
}
