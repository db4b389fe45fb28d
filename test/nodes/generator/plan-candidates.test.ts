// Which candidates are planned of a model, and why the others are not.

import { expect } from 'chai';

import {
  candidateName,
  precisionKind,
  precisionsNamed,
} from '../../../nodes/generator/candidate.ts';
import { generatorDefaults } from '../../../nodes/generator/config.ts';
import { type PlanSettings, planCandidates } from '../../../nodes/generator/plan-candidates.ts';
import type { ModelFacts } from '../../../nodes/onnx/facts.ts';

const settings: PlanSettings = {
  ...generatorDefaults,
  rewriteBytesMax: 1e9,
  hardware: ['cpu'],
  calibration: true,
};
const facts: ModelFacts = {
  irVersion: 8,
  opsets: { '': 17 },
  producer: 'pytorch',
  inputs: [],
  outputs: [],
  externalFiles: [],
  parameterBytes: 400_000,
  floatParameters: { FP16: 0, FP32: 100_000, FP64: 0 },
  operators: { Conv: 4, Gemm: 2, Relu: 5 },
};
const planned = (some: Partial<ModelFacts>, more: Partial<PlanSettings> = {}): string[] =>
  planCandidates({ ...facts, ...some }, { ...settings, ...more }).candidates.map(candidateName);
const reasonFor = (
  precision: string,
  some: Partial<ModelFacts>,
  more: Partial<PlanSettings> = {},
): string | undefined => {
  const { notPlanned } = planCandidates({ ...facts, ...some }, { ...settings, ...more });
  return notPlanned.find(({ candidate }) => candidate.precision === precision)?.reason;
};

describe('planning candidates', () => {
  it('plans each precision as it is and optimised, and the source optimised only', () => {
    expect(planned({})).to.deep.equal([
      'fp32-all',
      'fp16-weights',
      ...['int8-static', 'int8-static-all', 'int8-dynamic', 'int8-dynamic-all'],
      ...['int8-weights', 'int8-weights-all', 'int4-weights', 'int4-weights-all'],
    ]);
  });

  it('makes what the manifest asks for and no more', () => {
    expect(precisionsNamed('int8')).to.deep.equal(['int8-static', 'int8-dynamic', 'int8-weights']);
    expect(precisionsNamed('fp16')).to.deep.equal(['fp16', 'fp16-weights']);
    expect(precisionsNamed('int9')).to.deep.equal([]);
    expect(precisionsNamed('int4').map(precisionKind)).to.deep.equal(['int4']);
    const asked = { precisions: ['int8-static' as const], optimisations: [] };
    expect(planned({}, asked)).to.deep.equal(['int8-static']);
    expect(planned({}, { precisions: [] })).to.deep.equal([]);
  });

  it('computes in half precision where some worker has hardware for it', () => {
    expect(reasonFor('fp16', {})).to.match(/no worker has hardware/);
    expect(planned({}, { hardware: ['cpu', 'cuda'] })).to.include('fp16');
  });

  it('says why it leaves a precision out', () => {
    const none = { operators: { LSTM: 1 } };
    expect(reasonFor('int8-static', none)).to.match(/no Conv, Gemm, MatMul/);
    expect(reasonFor('int4-weights', none)).to.match(/no Gemm, MatMul/);
    expect(reasonFor('int8-static', {}, { calibration: false })).to.match(/no samples/);
    expect(reasonFor('int8-dynamic', { opsets: { '': 9 } })).to.match(/opset 9, .* need 11/);
    expect(reasonFor('int8-weights', { parameterBytes: 2e9 })).to.match(/rewriteBytesMax/);
    const halves = { floatParameters: { FP16: 1e6, FP32: 0, FP64: 0 } };
    expect(reasonFor('fp16-weights', halves)).to.match(/0 FP32 parameters/);
    const quantised = { operators: { QLinearConv: 3, Gemm: 1 } };
    expect(reasonFor('int8-dynamic', quantised)).to.match(/quantised already/);
    expect(planned(quantised)).to.deep.equal(['fp32-all']);
  });

  it('stops at the limit, and says so of the rest', () => {
    const { candidates, notPlanned } = planCandidates(facts, { ...settings, candidatesMax: 2 });
    expect(candidates).to.have.length(2);
    expect(notPlanned.at(-1)?.reason).to.match(/candidatesMax/);
  });
});
