// What rewrites do with particular graphs: what they change, what they leave, what they refuse.

import { Tensor } from 'onnxruntime-node';
import { expect } from 'chai';

import { checkModel } from '../../../../nodes/onnx/check-model.ts';
import { elementTypes } from '../../../../nodes/onnx/element-types.ts';
import { factsOf } from '../../../../nodes/onnx/facts.ts';
import type { OnnxModel } from '../../../../nodes/onnx/model.ts';
import { makeMessage } from '../../../../nodes/onnx/proto.ts';
import { toDynamicInt8 } from '../../../../nodes/onnx/rewrite/dynamic-int8.ts';
import { toHalfPrecision } from '../../../../nodes/onnx/rewrite/half-precision.ts';
import { makeNode } from '../../../../nodes/onnx/rewrite/nodes.ts';
import type { Rewritten } from '../../../../nodes/onnx/rewrite/result.ts';
import { toStaticInt8 } from '../../../../nodes/onnx/rewrite/static-int8.ts';
import { planStaticInt8 } from '../../../../nodes/onnx/rewrite/static-plan.ts';
import { rewriteDefaults } from '../../../../nodes/onnx/rewrite/settings.ts';
import {
  toHalfWeights,
  toInt4Weights,
  toInt8Weights,
} from '../../../../nodes/onnx/rewrite/weight-only.ts';
import { makeTensor } from '../../../../nodes/onnx/tensor-data.ts';
import { graphOf, modelOf, type ModelFields, value, withGraphs } from '../build-model.ts';
import { numbersFrom } from './random-graphs.ts';
import { floatsOf, floatTensor, relativeError, runBytes } from './run-bytes.ts';

const settings = { ...rewriteDefaults, elementsMin: 4 };
const next = numbersFrom(7);
const random = (count: number): Float32Array => Float32Array.from({ length: count }, next);
const weight = (name: string, dims: readonly number[]) =>
  makeTensor(name, 'FLOAT', dims, random(dims.reduce((a, b) => a * b, 1)));
const modelWith = (fields: ModelFields): OnnxModel => ({ proto: modelOf(fields), file: 'none' });

const matmul: ModelFields = {
  nodes: [makeNode('MatMul', ['x', 'w'], ['y'])],
  inputs: [value('x', ['n', 8])],
  outputs: [value('y', ['n', 4])],
  weights: [weight('w', [8, 4])],
};

function made(rewritten: Rewritten): OnnxModel {
  if (!rewritten.ok) throw new Error(rewritten.reason);
  checkModel(rewritten.model);
  return rewritten.model;
}

function reasonOf(rewritten: Rewritten): string {
  return rewritten.ok ? '' : rewritten.reason;
}

const operatorsOf = (rewritten: Rewritten): string[] =>
  Object.keys(factsOf(made(rewritten)).operators);

describe('rewrites', () => {
  it('refuse opsets without the operators that they need, saying so', () => {
    const old = modelWith({ ...matmul, opset: 9 });
    expect(reasonOf(toDynamicInt8(old, settings))).to.match(/needs opset 11, it has 9/);
    expect(reasonOf(toInt8Weights(old, settings))).to.match(/needs opset 10, it has 9/);
    expect(reasonOf(toStaticInt8(old, new Map(), settings))).to.match(/needs opset 10, it has 9/);
  });

  it('take one scale for all where the opset has none a channel', async () => {
    const old = modelWith({ ...matmul, opset: 10, irVersion: 5 });
    const rewritten = made(toInt8Weights(old, settings));
    const x = floatTensor([2, 8], random(16));
    const want = floatsOf((await runBytes(old, { x }))['y']);
    expect(relativeError(want, floatsOf((await runBytes(rewritten, { x }))['y']))).to.be.below(0.1);
  });

  it('keep 8-bit weights as uint8: int8 ones saturate on processors without VNNI', () => {
    const ranges = new Map(['x', 'y'].map((name) => [name, { min: -1, max: 1 }]));
    const rewritten = [
      toDynamicInt8(modelWith(matmul), settings),
      toInt8Weights(modelWith(matmul), settings),
      toStaticInt8(modelWith(matmul), ranges, settings),
    ];
    for (const each of rewritten) {
      const { initializer } = made(each).proto.graph;
      const types = initializer.map(({ dataType }) => dataType);
      expect(types).to.include(elementTypes.UINT8).and.not.to.include(elementTypes.INT8);
    }
  });

  it('refuse a model in which nothing would change', () => {
    const plain = modelWith({ ...matmul, nodes: [makeNode('Neg', ['x'], ['y'])], weights: [] });
    for (const rewrite of [toDynamicInt8, toInt8Weights, toInt4Weights, toHalfWeights]) {
      expect(reasonOf(rewrite(plain, settings))).to.match(/^no /);
    }
    const small = toDynamicInt8(modelWith(matmul), { elementsMin: 33, keep: [] });
    expect(reasonOf(small)).to.match(/MatMul: under 33 weights/);
    const kept = toDynamicInt8(modelWith(matmul), { elementsMin: 1, keep: ['MatMul'] });
    expect(reasonOf(kept)).to.match(/MatMul: to be kept/);
  });

  it('take out the weights that nobody uses any more', () => {
    for (const rewrite of [toDynamicInt8, toInt8Weights, toInt4Weights, toHalfWeights]) {
      const model = made(rewrite(modelWith(matmul), settings));
      expect(factsOf(model).floatParameters.FP32).to.be.below(32);
    }
  });

  it('keep a weight that something else uses, or that is an input with a default', () => {
    const shared = modelWith({
      ...matmul,
      nodes: [...(matmul.nodes ?? []), makeNode('Neg', ['w'], ['z'])],
      outputs: [value('y', ['n', 4]), value('z', [8, 4])],
    });
    const rewritten = made(toInt8Weights(shared, settings));
    expect(rewritten.proto.graph.initializer.map(({ name }) => name)).to.include('w');
    const replaceable = modelWith({
      ...matmul,
      inputs: [value('x', ['n', 8]), value('w', [8, 4])],
    });
    expect(reasonOf(toDynamicInt8(replaceable, settings))).to.match(/no FP32 constant/);
  });

  it('take weights for constants that IR version 3 lists as inputs', async () => {
    const inputs = [value('x', ['n', 8]), value('w', [8, 4])];
    const old = modelWith({ ...matmul, inputs, irVersion: 3, opset: 11 });
    const rewritten = made(toDynamicInt8(old, settings));
    expect(factsOf(rewritten).inputs).to.deep.equal(factsOf(old).inputs);
    const x = floatTensor([2, 8], random(16));
    const want = floatsOf((await runBytes(old, { x }))['y']);
    expect(relativeError(want, floatsOf((await runBytes(rewritten, { x }))['y']))).to.be.below(0.1);
  });

  it('fold alpha and beta of Gemm, and leave a transposed activation', async () => {
    const scale = (name: string, f: number) => makeMessage('AttributeProto', { name, type: 1, f });
    const gemm = makeNode('Gemm', ['x', 'w', 'b'], ['y']);
    const node = { ...gemm, attribute: [scale('alpha', 0.5), scale('beta', 2)] };
    const weights = [weight('w', [8, 4]), weight('b', [4])];
    const source = modelWith({ ...matmul, nodes: [node], weights });
    const x = floatTensor([2, 8], random(16));
    const want = floatsOf((await runBytes(source, { x }))['y']);
    const have = await runBytes(made(toDynamicInt8(source, settings)), { x });
    expect(relativeError(want, floatsOf(have['y']))).to.be.below(0.05);
    const turned = makeNode('Gemm', ['x', 'w', 'b'], ['y'], { transA: 1 });
    const left = toDynamicInt8(modelWith({ ...matmul, nodes: [turned], weights }), settings);
    expect(reasonOf(left)).to.match(/transposed/);
  });

  it('reach into the branches of an If, and weights outside of them', async () => {
    const branch = (op: string, name: string) =>
      graphOf({
        nodes: [makeNode('MatMul', ['x', 'w'], [`${name}_p`]), makeNode(op, [`${name}_p`], [name])],
        outputs: [value(name, ['n', 4])],
      });
    const branches = { then_branch: branch('Neg', 't'), else_branch: branch('Relu', 'e') };
    const source = modelWith({
      ...matmul,
      nodes: [withGraphs(makeNode('If', ['c'], ['y']), branches)],
      inputs: [value('c', [], 'BOOL'), value('x', ['n', 8])],
    });
    const rewrites = [toDynamicInt8, toInt8Weights, toInt4Weights, toHalfWeights, toHalfPrecision];
    for (const rewrite of rewrites) {
      const model = made(rewrite(source, settings));
      for (const flag of [true, false]) {
        const x = floatTensor([2, 8], random(16));
        const feeds = { x, c: new Tensor('bool', [flag], []) };
        const want = floatsOf((await runBytes(source, feeds))['y']);
        const have = floatsOf((await runBytes(model, feeds))['y']);
        expect(relativeError(want, have), rewrite.name).to.be.below(0.3);
      }
    }
    const outside = toStaticInt8(source, new Map(), settings);
    expect(reasonOf(outside)).to.match(/in its main graph/);
  });

  it('quantise an LSTM and an embedding dynamically', async () => {
    const lstm = makeNode('LSTM', ['e', 'w', 'r'], ['y'], { hidden_size: 8 });
    const source = modelWith({
      nodes: [makeNode('Gather', ['table', 'i'], ['e']), lstm],
      inputs: [value('i', ['t', 'n'], 'INT64')],
      outputs: [value('y', ['t', 1, 'n', 8])],
      weights: [weight('table', [20, 6]), weight('w', [1, 32, 6]), weight('r', [1, 32, 8])],
    });
    const rewritten = toDynamicInt8(source, settings);
    expect(operatorsOf(rewritten)).to.include('com.microsoft::DynamicQuantizeLSTM');
    const feeds = { i: new Tensor('int64', BigInt64Array.of(1n, 7n, 19n), [3, 1]) };
    const want = floatsOf((await runBytes(source, feeds))['y']);
    const have = floatsOf((await runBytes(made(rewritten), feeds))['y']);
    expect(relativeError(want, have)).to.be.below(0.1);
  });
});

describe('half precision', () => {
  it('computes what has no half precision in FP32, and keeps input and output types', async () => {
    const source = modelWith({
      nodes: [makeNode('Resize', ['x', '', 'scales'], ['r']), makeNode('Mul', ['r', 'k'], ['y'])],
      inputs: [value('x', [1, 1, 'h', 'w'])],
      outputs: [value('y', [1, 1, 'h2', 'w2'])],
      weights: [
        makeTensor('scales', 'FLOAT', [4], Float32Array.of(1, 1, 2, 2)),
        makeTensor('k', 'FLOAT', [1], Float32Array.of(1e6)),
      ],
    });
    const rewritten = toHalfPrecision(source, settings);
    const model = made(rewritten);
    expect(factsOf(model).outputs).to.deep.equal(factsOf(source).outputs);
    const left = rewritten.ok ? Object.keys(rewritten.report.left) : [];
    expect(left).to.have.members([
      'constant: values beyond half precision are clamped to it',
      'Resize: computes in FP32',
    ]);
    const x = floatTensor([1, 1, 2, 2], Float32Array.of(0.1, 0.2, 0.3, 0.4));
    const have = floatsOf((await runBytes(model, { x }))['y']);
    expect(have).to.have.length(16);
    expect(have[0]).to.be.closeTo(6550, 10);
  });

  it('keeps what it is told to keep, and refuses operators whose types it does not know', () => {
    const kept = toHalfPrecision(modelWith(matmul), { elementsMin: 1, keep: ['MatMul'] });
    expect(reasonOf(kept)).to.match(/MatMul: computes in FP32/);
    const odd = { ...matmul, nodes: [makeNode('StringSplit', ['x'], ['y'])], weights: [] };
    expect(reasonOf(toHalfPrecision(modelWith(odd), settings))).to.match(/StringSplit/);
    const foreign = makeNode('FusedGemm', ['x', 'w'], ['y'], {}, 'com.microsoft');
    const contrib = modelWith({ ...matmul, nodes: [foreign], domains: ['com.microsoft'] });
    const reason = reasonOf(toHalfPrecision(contrib, settings));
    expect(reason).to.match(/com\.microsoft::FusedGemm/);
  });
});

describe('the plan of static quantisation', () => {
  const conv = (x: string, w: string, y: string) =>
    makeNode('Conv', [x, w], [y], { kernel_shape: [3, 3], pads: [1, 1, 1, 1] });
  const w3 = weight('w1', [4, 4, 3, 3]);

  it('lets a Relu be absorbed, and gives what only rearranges the range of its input', () => {
    const plan = planStaticInt8(
      modelWith({
        nodes: [
          conv('x', 'w1', 'c'),
          makeNode('Relu', ['c'], ['r']),
          makeNode('MaxPool', ['r'], ['p'], { kernel_shape: [2, 2] }),
          conv('p', 'w1', 'y'),
        ],
        inputs: [value('x', [1, 4, 8, 8])],
        outputs: [value('y', [1, 4, 7, 7])],
        weights: [w3],
      }),
      settings,
    );
    expect([...plan.activations]).to.deep.equal([
      ['x', 'x'],
      ['r', 'r'],
      ['p', 'r'],
      ['y', 'y'],
    ]);
    expect(plan.tensors).to.deep.equal(['x', 'r', 'y']);
  });

  it('does not absorb a Relu whose input others use', () => {
    const plan = planStaticInt8(
      modelWith({
        nodes: [
          conv('x', 'w1', 'c'),
          makeNode('Relu', ['c'], ['r']),
          makeNode('Add', ['c', 'r'], ['y']),
        ],
        inputs: [value('x', [1, 4, 8, 8])],
        outputs: [value('y', [1, 4, 8, 8])],
        weights: [w3],
      }),
      settings,
    );
    expect([...plan.activations.keys()]).to.deep.equal(['x', 'c']);
  });

  it('leaves the output of a last product in floating point', () => {
    const plan = planStaticInt8(modelWith(matmul), settings);
    expect([...plan.activations.keys()]).to.deep.equal(['x']);
  });

  it('refuses to quantise where a range was not measured', () => {
    const ranges = new Map([['z', { min: 0, max: 1 }]]);
    expect(reasonOf(toStaticInt8(modelWith(matmul), ranges, settings))).to.match(/range .* for x/);
  });
});
