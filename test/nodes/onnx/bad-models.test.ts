// Files that are refused as models, each with the reason that names its fault.

import { mkdirSync, symlinkSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect } from 'chai';

import { onnxConfigSchema } from '../../../nodes/onnx/config.ts';
import { ModelInvalid } from '../../../nodes/onnx/invalid-model.ts';
import { encodeMessage } from '../../../nodes/onnx/proto.ts';
import { readModel } from '../../../nodes/onnx/read-model.ts';
import { makeNode } from '../../../nodes/onnx/rewrite/nodes.ts';
import { makeTensor } from '../../../nodes/onnx/tensor-data.ts';
import { adding, badModels, field, good, located, weight } from './bad-model-cases.ts';
import { bytesOfModel, graphOf, scratchFolder, writeBytes } from './build-model.ts';

const zoo = fileURLToPath(new URL('../../../zoo/', import.meta.url));

describe('files that are no models', () => {
  const scratch = scratchFolder();
  let count = 0;

  function refusal(bytes: Uint8Array, name = `model-${count++}.onnx`): ModelInvalid {
    return refusalOf(writeBytes(scratch.path(name), bytes));
  }

  function refusalOf(file: string, limits = {}): ModelInvalid {
    try {
      readModel(file, onnxConfigSchema.parse(limits));
    } catch (error) {
      expect(error).to.be.instanceOf(ModelInvalid);
      return error as ModelInvalid;
    }
    throw new Error(`${file} was taken for a model`);
  }

  for (const [what, reason, make] of badModels) {
    it(`says ${reason} of ${what}`, () => {
      const error = refusal(make());
      expect(error.reason, error.message).to.equal(reason);
      expect(error.message).to.include(error.address);
      expect(error.code).to.equal('model_invalid');
    });
  }

  it('reads the good form of all of these', () => {
    const file = writeBytes(scratch.path('good.onnx'), bytesOfModel(adding([weight])));
    expect(readModel(file).proto.graph.node).to.have.length(1);
  });

  it('says unreadable of a folder and of nothing', () => {
    expect(refusalOf(join(zoo, 'digit-classification')).reason).to.equal('unreadable');
    expect(refusalOf(scratch.path('absent.onnx')).reason).to.equal('unreadable');
  });

  it('says external_range of a stretch that reaches beyond its file', () => {
    writeFileSync(scratch.path('short.bin'), new Uint8Array(10));
    expect(refusal(located('short.bin')).reason).to.equal('external_range');
    expect(refusal(located('short.bin', '8', '16')).reason).to.equal('external_range');
    expect(refusal(located('short.bin', '-8', '16')).reason).to.equal('external_range');
    const vast = '99999999999999999999';
    expect(refusal(located('short.bin', vast, '16')).reason).to.equal('external_range');
    expect(refusal(located('short.bin', '0', '8')).reason).to.equal('external_range');
  });

  it('says external_path of a link that leads out of the folder, and follows others', () => {
    mkdirSync(scratch.path('inner'));
    writeFileSync(scratch.path('outside.bin'), new Uint8Array(16));
    writeFileSync(scratch.path('inner/inside.bin'), new Uint8Array(16));
    symlinkSync('../outside.bin', scratch.path('inner/escape.bin'));
    symlinkSync('inside.bin', scratch.path('inner/near.bin'));
    expect(refusal(located('escape.bin'), 'inner/escape.onnx').reason).to.equal('external_path');
    const file = writeBytes(scratch.path('inner/near.onnx'), located('near.bin'));
    expect(readModel(file).proto.graph.initializer).to.have.length(1);
  });

  it('says too_deep of graphs nested ten thousand deep, and its stack survives', () => {
    // Built as bytes from the inside out: an encoder that recurses would not get this far.
    let graph: Buffer = Buffer.from(encodeMessage('GraphProto', graphOf({})));
    for (let depth = 0; depth < 10_000; depth += 1) {
      graph = field(1, field(5, field(6, graph)));
    }
    const model = Buffer.concat([Buffer.from([8, 8]), field(7, graph)]);
    expect(refusal(model).reason).to.equal('too_deep');
  });

  it('says too_large of a structure or of nodes beyond the limits', () => {
    const file = writeBytes(scratch.path('large.onnx'), bytesOfModel(good));
    expect(refusalOf(file, { structureBytesMax: 10 }).reason).to.equal('too_large');
    const two = bytesOfModel({
      ...good,
      nodes: [makeNode('Neg', ['x'], ['z']), makeNode('Neg', ['z'], ['y'])],
    });
    const other = writeBytes(scratch.path('nodes.onnx'), two);
    expect(refusalOf(other, { nodesMax: 1 }).reason).to.equal('too_large');
  });

  it('never takes a cut or damaged model of the zoo for whole, nor fails in another way', () => {
    const bytes = bytesOfModel(adding([weight]));
    for (let length = 1; length < bytes.length; length += 1) {
      refusal(bytes.subarray(0, length), 'cut.onnx');
    }
    for (let at = 0; at < bytes.length; at += 1) {
      const damaged = Uint8Array.from(bytes);
      damaged[at] = (damaged[at] ?? 0) ^ 0xff;
      const file = writeBytes(scratch.path('damaged.onnx'), damaged);
      try {
        readModel(file);
      } catch (error) {
        expect(error).to.be.instanceOf(ModelInvalid);
      }
    }
  });

  it('notices a file that becomes shorter after it was read', () => {
    const large = makeTensor('w', 'FLOAT', [8192], new Float32Array(8192));
    const file = writeBytes(scratch.path('shrinking.onnx'), bytesOfModel(adding([large])));
    const model = readModel(file);
    truncateSync(file, 100);
    const graph = model.proto.graph;
    expect(graph.initializer[0]?.dataLocation).to.equal(1);
    expect(refusalOf(file).reason).to.equal('truncated');
  });
});
