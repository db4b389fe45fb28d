/** Small random networks: convolutions or matrices in a row, with weights from a seed. */

import fc from 'fast-check';

import type { OnnxModel } from '../../../../nodes/onnx/model.ts';
import type { NodeProto, TensorProto } from '../../../../nodes/onnx/proto.ts';
import { makeNode } from '../../../../nodes/onnx/rewrite/nodes.ts';
import { makeTensor } from '../../../../nodes/onnx/tensor-data.ts';
import { modelOf, value } from '../build-model.ts';

/** How a layer's weights are written. */
type Form = 'gemm' | 'gemm-transposed' | 'matmul' | 'constant' | 'transposed' | 'identity';

export interface NetworkShape {
  readonly seed: number;
  /** Input features, or channels. */
  readonly width: number;
  readonly layers: readonly {
    readonly width: number;
    readonly form: Form;
    readonly relu: boolean;
  }[];
  readonly convolutional: boolean;
  readonly opset: number;
}

const forms: readonly Form[] = [
  ...(['gemm', 'gemm-transposed', 'matmul', 'constant', 'transposed', 'identity'] as const),
];

export const networks: fc.Arbitrary<NetworkShape> = fc.record({
  seed: fc.nat(),
  width: fc.integer({ min: 4, max: 40 }),
  layers: fc.array(
    fc.record({
      width: fc.integer({ min: 4, max: 40 }),
      form: fc.constantFrom(...forms),
      relu: fc.boolean(),
    }),
    { minLength: 1, maxLength: 3 },
  ),
  convolutional: fc.boolean(),
  opset: fc.constantFrom(11, 12, 13, 17, 21),
});

/** Numbers in [-1, 1) from a seed (mulberry32). */
export function numbersFrom(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 31 - 1;
  };
}

export const spatial = 5;

export function networkOf(shape: NetworkShape): OnnxModel {
  const next = numbersFrom(shape.seed);
  const floats = (count: number, by: number): Float32Array =>
    Float32Array.from({ length: count }, () => next() * by);
  const nodes: NodeProto[] = [];
  const weights: TensorProto[] = [];
  let width = shape.width;
  let name = 'x';
  shape.layers.forEach((layer, at) => {
    const last = at === shape.layers.length - 1;
    const result = last && !layer.relu ? 'y' : `h${at}`;
    const bias = makeTensor(`b${at}`, 'FLOAT', [layer.width], floats(layer.width, 0.3));
    weights.push(bias);
    if (shape.convolutional) {
      const dims = [layer.width, width, 3, 3];
      const w = floats(layer.width * width * 9, 1 / Math.sqrt(width * 9));
      weights.push(makeTensor(`w${at}`, 'FLOAT', dims, w));
      const attributes = { kernel_shape: [3, 3], pads: [1, 1, 1, 1] };
      nodes.push(makeNode('Conv', [name, `w${at}`, `b${at}`], [result], attributes));
    } else {
      const w = floats(width * layer.width, 1 / Math.sqrt(width));
      addDense(layer.form, name, result, [width, layer.width], w, at, nodes, weights);
    }
    if (layer.relu) nodes.push(makeNode('Relu', [result], [last ? 'y' : `r${at}`]));
    name = layer.relu ? `r${at}` : result;
    width = layer.width;
  });
  const rest = shape.convolutional ? [spatial, spatial] : [];
  const proto = modelOf({
    nodes,
    inputs: [value('x', ['batch', shape.width, ...rest])],
    outputs: [value('y', ['batch', width, ...rest])],
    weights,
    opset: shape.opset,
    irVersion: 7,
  });
  return { proto, file: 'none' };
}

function addDense(
  form: Form,
  x: string,
  y: string,
  dims: readonly [number, number],
  floats: Float32Array,
  at: number,
  nodes: NodeProto[],
  weights: TensorProto[],
): void {
  const reversed = [dims[1], dims[0]];
  const turned = form === 'gemm-transposed' || form === 'transposed';
  const weight = makeTensor(`w${at}`, 'FLOAT', turned ? reversed : dims, floats);
  if (form === 'constant') {
    nodes.push(makeNode('Constant', [], [`w${at}`], { value: weight }));
  } else {
    weights.push(weight);
  }
  if (form === 'gemm' || form === 'gemm-transposed') {
    const attributes = { transB: turned ? 1 : 0 };
    nodes.push(makeNode('Gemm', [x, `w${at}`, `b${at}`], [y], attributes));
    return;
  }
  let w = `w${at}`;
  if (form === 'transposed') nodes.push(makeNode('Transpose', [w], [(w = `t${at}`)]));
  if (form === 'identity') nodes.push(makeNode('Identity', [w], [(w = `i${at}`)]));
  nodes.push(makeNode('MatMul', [x, w], [`p${at}`]));
  nodes.push(makeNode('Add', [`p${at}`, `b${at}`], [y]));
}
