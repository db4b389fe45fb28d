// What a model says about itself, and that the types here match the official schema.

import { fileURLToPath } from 'node:url';
import { expect } from 'chai';

import { factsOf } from '../../../nodes/onnx/facts.ts';
import { descriptorOf, makeMessage, type MessageName } from '../../../nodes/onnx/proto.ts';
import { readModel } from '../../../nodes/onnx/read-model.ts';
import { makeNode } from '../../../nodes/onnx/rewrite/nodes.ts';
import { makeTensor } from '../../../nodes/onnx/tensor-data.ts';
import { modelOf, value } from './build-model.ts';

const zoo = fileURLToPath(new URL('../../../zoo/', import.meta.url));

describe('facts of a model', () => {
  it('names inputs and outputs with datatype and shape, free dimensions by their symbol', () => {
    const facts = factsOf(readModel(`${zoo}voice-activity-detection/silero-v5.onnx`));
    expect(facts.inputs).to.deep.equal([
      { name: 'input', datatype: 'FP32', type: 'tensor(float)', shape: ['input_0', 'input_1'] },
      { name: 'state', datatype: 'FP32', type: 'tensor(float)', shape: [2, 'state_1', 128] },
      { name: 'sr', datatype: 'INT64', type: 'tensor(int64)', shape: [] },
    ]);
    expect(facts.opsets).to.deep.equal({ '': 16 });
    // In the branches of an If within the branches of an If.
    expect(facts.operators['LSTM']).to.equal(4);
    expect(facts.parameterBytes).to.be.above(2e6);
  });

  it('leaves out inputs that are initializers, and says what is no tensor', () => {
    const sequence = makeMessage('TypeProto', {
      value: { case: 'sequenceType', value: {} },
    } as never);
    const proto = modelOf({
      nodes: [makeNode('Add', ['x', 'w'], ['y'], {}, 'com.microsoft')],
      inputs: [
        value('x', [-1, '', 3]),
        value('w', [1]),
        makeMessage('ValueInfoProto', { name: 's', type: sequence }),
        makeMessage('ValueInfoProto', { name: 'untyped' }),
      ],
      outputs: [value('y', [1], 'BFLOAT16')],
      weights: [makeTensor('w', 'FLOAT', [1], new Float32Array(1))],
    });
    const facts = factsOf({ proto, file: 'none' });
    expect(facts.inputs.map(({ name }) => name)).to.deep.equal(['x', 's', 'untyped']);
    expect(facts.inputs[0]?.shape).to.deep.equal(['x_0', 'x_1', 3]);
    expect(facts.inputs[1]).to.include({ type: 'sequence', datatype: undefined });
    expect(facts.inputs[2]?.type).to.equal('unknown');
    expect(facts.outputs[0]).to.include({ type: 'tensor(bfloat16)', datatype: undefined });
    expect(facts.operators).to.deep.equal({ 'com.microsoft::Add': 1 });
    expect(facts.floatParameters).to.deep.equal({ FP16: 0, FP32: 1, FP64: 0 });
  });

  it('reads and writes fields that the official schema has', () => {
    const fields: Readonly<Record<MessageName, readonly string[]>> = {
      AttributeProto: ['name', 'refAttrName', 'type', 'f', 'i', 's', 't', 'g', 'floats', 'ints'],
      FunctionProto: ['name', 'domain', 'node'],
      GraphProto: ['name', 'node', 'initializer', 'sparseInitializer', 'input', 'valueInfo'],
      ModelProto: ['irVersion', 'opsetImport', 'producerName', 'graph', 'functions'],
      NodeProto: ['input', 'output', 'name', 'opType', 'domain', 'attribute'],
      OperatorSetIdProto: ['domain', 'version'],
      StringStringEntryProto: ['key', 'value'],
      TensorProto: ['name', 'dims', 'dataType', 'rawData', 'externalData', 'dataLocation'],
      TypeProto: ['tensorType', 'sequenceType', 'mapType', 'optionalType', 'opaqueType'],
      ValueInfoProto: ['name', 'type'],
    };
    for (const [name, wanted] of Object.entries(fields)) {
      const has = descriptorOf(name as MessageName).fields.map(({ localName }) => localName);
      expect(has, name).to.include.members([...wanted]);
    }
  });
});
