// Files that are refused as models, each with the reason that names its fault.

import { mkdirSync, symlinkSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect } from 'chai';

import { onnxConfigSchema } from '../../../nodes/onnx/config.ts';
import { type InvalidReason, ModelInvalid } from '../../../nodes/onnx/invalid-model.ts';
import { encodeMessage, type GraphProto, makeMessage } from '../../../nodes/onnx/proto.ts';
import { readModel } from '../../../nodes/onnx/read-model.ts';
import { makeNode } from '../../../nodes/onnx/rewrite/nodes.ts';
import { makeTensor } from '../../../nodes/onnx/tensor-data.ts';
import {
  bytesOfModel,
  externalTensor,
  graphOf,
  modelOf,
  type ModelFields,
  scratchFolder,
  tensor,
  value,
  withGraphs,
  writeBytes,
} from './build-model.ts';

const good: ModelFields = {
  nodes: [makeNode('Neg', ['x'], ['y'])],
  inputs: [value('x', [4])],
  outputs: [value('y', [4])],
};
const zoo = fileURLToPath(new URL('../../../zoo/', import.meta.url));
const weight = makeTensor('w', 'FLOAT', [4], new Float32Array(4));
const adding = (w: ModelFields['weights']): ModelFields => ({
  nodes: [makeNode('Add', ['x', 'w'], ['y'])],
  inputs: good.inputs ?? [],
  outputs: good.outputs ?? [],
  weights: w ?? [],
});

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

  const cases: readonly (readonly [string, InvalidReason, () => Uint8Array])[] = [
    ['an empty file', 'empty', () => new Uint8Array(0)],
    ['text', 'not_onnx', () => Buffer.from('This is not a model, it is a sentence.\n')],
    ['a zip archive', 'not_onnx', () => Buffer.from('PK\x03\x04\x14\x00\x00\x00\x08\x00abcdefgh')],
    ['a model cut in half', 'truncated', () => bytesOfModel(good).subarray(0, 40)],
    ['a model whose last byte is missing', 'truncated', () => bytesOfModel(good).slice(0, -1)],
    ['a number without an end', 'truncated', () => Uint8Array.of(8, 0x80, 0x80)],
    ['a length beyond its message', 'malformed', () => lengthBeyondItsMessage()],
    ['a number of more than 64 bits', 'malformed', () => endlessNumber()],
    ['bad text in a name', 'malformed', () => badText()],
    ['no graph', 'no_graph', () => withoutGraph()],
    ['no IR version', 'ir_version', () => bytesOfModel({ ...good, irVersion: 0 })],
    ['an IR version of the future', 'ir_version', () => bytesOfModel({ ...good, irVersion: 99 })],
    ['an opset of the future', 'opset', () => bytesOfModel({ ...good, opset: 999 })],
    ['opset 0', 'opset', () => bytesOfModel({ ...good, opset: 0 })],
    ['an operator set that is not imported', 'opset', () => foreignOperator()],
    ['an input that nothing makes', 'undefined_input', () => undefinedInput()],
    ['an output that nothing makes', 'undefined_input', () => undefinedOutput()],
    ['two nodes that make the same value', 'duplicate_name', () => sameOutput()],
    ['a node that makes what is an input', 'duplicate_name', () => outputIsInput()],
    ['two inputs of the same name', 'duplicate_name', () => sameInput()],
    [
      'two weights of the same name',
      'duplicate_name',
      () => bytesOfModel(adding([weight, weight])),
    ],
    ['nodes in a circle', 'cyclic', () => circle()],
    ['a node that feeds itself', 'cyclic', () => selfFed()],
    ['a circle through a subgraph', 'cyclic', () => circleThroughSubgraph()],
    ['an unknown datatype', 'tensor_type', () => withTensor({ dataType: 99, rawData: four })],
    ['no datatype', 'tensor_type', () => withTensor({ dataType: 0, rawData: four })],
    ['a negative dimension', 'tensor_size', () => withTensor({ dims: [-4n], rawData: four })],
    ['4 GB claimed by a small file', 'tensor_size', () => withTensor({ dims: [1n << 30n] })],
    ['dimensions whose product overflows', 'tensor_size', () => withTensor({ dims: overflowing })],
    ['fewer bytes than elements', 'tensor_size', () => withTensor({ dims: [5n], rawData: four })],
    ['more bytes than elements', 'tensor_size', () => withTensor({ dims: [3n], rawData: four })],
    ['a short list of floats', 'tensor_size', () => withTensor({ floatData: [1, 2, 3] })],
    ['a path out of the folder', 'external_path', () => located('../weights.bin')],
    ['a hidden path out of the folder', 'external_path', () => located('a/../../weights.bin')],
    ['an absolute path', 'external_path', () => located('/etc/passwd')],
    ['a path of another system', 'external_path', () => located('..\\weights.bin')],
    ['a drive', 'external_path', () => located('C:\\weights.bin')],
    ['a path with a zero in it', 'external_path', () => located('weights\0.bin')],
    ['no path', 'external_path', () => located('')],
    ['the folder itself', 'external_path', () => located('.')],
    ['a file that is not there', 'external_missing', () => located('nowhere.bin')],
    ['external strings', 'tensor_type', () => externalStrings()],
  ];

  for (const [what, reason, make] of cases) {
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

const four = new Uint8Array(16);
const overflowing = [1n << 32n, 1n << 32n, 1n << 32n];

function field(number: number, body: Uint8Array): Buffer {
  const head: number[] = [number * 8 + 2];
  let rest = body.length;
  for (; rest >= 128; rest = Math.floor(rest / 128)) head.push((rest % 128) | 128);
  return Buffer.concat([Uint8Array.from([...head, rest]), body]);
}

/** A graph whose node claims more than the graph holds; the file goes on behind it. */
function lengthBeyondItsMessage(): Uint8Array {
  const graph = field(7, Uint8Array.of(0x0a, 100, 1, 2, 3));
  return Buffer.concat([Uint8Array.of(8, 8), graph, field(2, new Uint8Array(200))]);
}

function endlessNumber(): Uint8Array {
  return Buffer.concat([Uint8Array.of(8), new Uint8Array(12).fill(0xff), Uint8Array.of(1)]);
}

function badText(): Uint8Array {
  return Buffer.concat([Uint8Array.of(8, 8), field(2, Uint8Array.of(0xff, 0xfe)), field(7, four)]);
}

function withoutGraph(): Uint8Array {
  return encodeMessage('ModelProto', makeMessage('ModelProto', { irVersion: 8n }));
}

function foreignOperator(): Uint8Array {
  const nodes = [makeNode('Spell', ['x'], ['y'], {}, 'org.elsewhere')];
  return bytesOfModel({ ...good, nodes });
}

function undefinedInput(): Uint8Array {
  return bytesOfModel({ ...good, nodes: [makeNode('Add', ['x', 'ghost'], ['y'])] });
}

function undefinedOutput(): Uint8Array {
  return bytesOfModel({ ...good, outputs: [value('ghost', [4])] });
}

function sameOutput(): Uint8Array {
  const nodes = [makeNode('Neg', ['x'], ['y']), makeNode('Abs', ['x'], ['y'])];
  return bytesOfModel({ ...good, nodes });
}

function outputIsInput(): Uint8Array {
  return bytesOfModel({ ...good, nodes: [makeNode('Neg', ['x'], ['x'])], outputs: [] });
}

function sameInput(): Uint8Array {
  return bytesOfModel({ ...good, inputs: [value('x', [4]), value('x', [4])] });
}

function circle(): Uint8Array {
  const nodes = [makeNode('Add', ['x', 'b'], ['a']), makeNode('Neg', ['a'], ['b'])];
  return bytesOfModel({ ...good, nodes, outputs: [value('b', [4])] });
}

function selfFed(): Uint8Array {
  return bytesOfModel({ ...good, nodes: [makeNode('Add', ['x', 'y'], ['y'])] });
}

function circleThroughSubgraph(): Uint8Array {
  const branch = (): GraphProto =>
    graphOf({ nodes: [makeNode('Neg', ['y'], ['z'])], outputs: [value('z', [4])] });
  const condition = makeNode('If', ['c'], ['y']);
  const nodes = [withGraphs(condition, { then_branch: branch(), else_branch: branch() })];
  return bytesOfModel({ ...good, inputs: [value('c', [], 'BOOL')], nodes });
}

function withTensor(fields: Parameters<typeof tensor>[0]): Uint8Array {
  return bytesOfModel(adding([tensor({ name: 'w', dataType: 1, dims: [4n], ...fields })]));
}

function located(location: string, offset = '0', length = '16'): Uint8Array {
  return bytesOfModel(adding([externalTensor('w', [4], { location, offset, length })]));
}

function externalStrings(): Uint8Array {
  const strings = { ...externalTensor('w', [4], { location: 'x' }), dataType: 8 };
  return encodeMessage('ModelProto', modelOf(adding([strings])));
}
