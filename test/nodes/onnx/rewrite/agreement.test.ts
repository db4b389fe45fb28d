// Random networks in each precision: they load, keep their inputs and outputs, and agree.

import { expect } from 'chai';
import fc from 'fast-check';

import { checkModel } from '../../../../nodes/onnx/check-model.ts';
import { factsOf } from '../../../../nodes/onnx/facts.ts';
import type { OnnxModel } from '../../../../nodes/onnx/model.ts';
import { toDynamicInt8 } from '../../../../nodes/onnx/rewrite/dynamic-int8.ts';
import { withExposedTensors } from '../../../../nodes/onnx/rewrite/exposed-tensors.ts';
import { toHalfPrecision } from '../../../../nodes/onnx/rewrite/half-precision.ts';
import { RangeObserver } from '../../../../nodes/onnx/rewrite/ranges.ts';
import type { Rewritten } from '../../../../nodes/onnx/rewrite/result.ts';
import { tensorsToCalibrate, toStaticInt8 } from '../../../../nodes/onnx/rewrite/static-int8.ts';
import {
  toHalfWeights,
  toInt4Weights,
  toInt8Weights,
} from '../../../../nodes/onnx/rewrite/weight-only.ts';
import { networkOf, networks, type NetworkShape, numbersFrom, spatial } from './random-graphs.ts';
import { floatsOf, floatTensor, relativeError, runBytes } from './run-bytes.ts';

const settings = { elementsMin: 1, keep: [] };

const rewrites: Readonly<
  Record<string, { errorMax: number; rewrite: (model: OnnxModel) => Rewritten }>
> = {
  'half precision': { errorMax: 0.01, rewrite: (model) => toHalfPrecision(model, settings) },
  'half weights': { errorMax: 0.005, rewrite: (model) => toHalfWeights(model, settings) },
  'dynamic int8': { errorMax: 0.1, rewrite: (model) => toDynamicInt8(model, settings) },
  'int8 weights': { errorMax: 0.05, rewrite: (model) => toInt8Weights(model, settings) },
  'int4 weights': { errorMax: 0.4, rewrite: (model) => toInt4Weights(model, settings) },
};

describe('random networks agree with their source', function () {
  this.timeout(60_000);

  const inputOf = (shape: NetworkShape) => {
    const next = numbersFrom(shape.seed + 1);
    const dims = [3, shape.width, ...(shape.convolutional ? [spatial, spatial] : [])];
    const count = dims.reduce((a, b) => a * b, 1);
    return floatTensor(dims, Float32Array.from({ length: count }, next));
  };

  async function expectAgreement(
    shape: NetworkShape,
    source: OnnxModel,
    rewritten: Rewritten,
    errorMax: number,
  ): Promise<void> {
    if (!rewritten.ok) throw new Error(rewritten.reason);
    const { model } = rewritten;
    checkModel(model);
    const { inputs, outputs } = factsOf(model);
    expect({ inputs, outputs }).to.deep.equal({
      inputs: factsOf(source).inputs,
      outputs: factsOf(source).outputs,
    });
    const x = inputOf(shape);
    const want = floatsOf((await runBytes(source, { x }))['y']);
    const have = floatsOf((await runBytes(model, { x }))['y']);
    // An output that Relu made nearly all zeros has no scale to be relative to.
    expect(relativeError(want, have, 0.1)).to.be.below(errorMax);
  }

  for (const [name, { errorMax, rewrite }] of Object.entries(rewrites)) {
    it(`in ${name}`, () =>
      fc.assert(
        fc.asyncProperty(networks, async (shape) => {
          fc.pre(name !== 'int4 weights' || !shape.convolutional);
          const source = networkOf(shape);
          await expectAgreement(shape, source, rewrite(source), errorMax);
        }),
        { numRuns: 25 },
      ));
  }

  it('in static int8, with ranges that were measured', () =>
    fc.assert(
      fc.asyncProperty(networks, async (shape) => {
        const source = networkOf(shape);
        const names = tensorsToCalibrate(source, settings);
        const x = inputOf(shape);
        const observer = new RangeObserver();
        const outputs = await runBytes(withExposedTensors(source, names), { x });
        for (const name of names) observer.see(name, floatsOf(name === 'x' ? x : outputs[name]));
        const rewritten = toStaticInt8(source, observer.ranges(), settings);
        await expectAgreement(shape, source, rewritten, 0.12);
      }),
      { numRuns: 40 },
    ));
});
