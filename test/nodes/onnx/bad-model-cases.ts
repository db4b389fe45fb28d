/** Files that are no models, or impossible ones, each with the reason that names its fault. */

import type { InvalidReason } from '../../../nodes/onnx/invalid-model.ts';
import { encodeMessage, type GraphProto, makeMessage } from '../../../nodes/onnx/proto.ts';
import { makeNode } from '../../../nodes/onnx/rewrite/nodes.ts';
import { makeTensor } from '../../../nodes/onnx/tensor-data.ts';
import {
  bytesOfModel,
  externalTensor,
  graphOf,
  modelOf,
  type ModelFields,
  tensor,
  value,
  withGraphs,
} from './build-model.ts';

export const good: ModelFields = {
  nodes: [makeNode('Neg', ['x'], ['y'])],
  inputs: [value('x', [4])],
  outputs: [value('y', [4])],
};
export const weight = makeTensor('w', 'FLOAT', [4], new Float32Array(4));
export const adding = (w: ModelFields['weights']): ModelFields => ({
  nodes: [makeNode('Add', ['x', 'w'], ['y'])],
  inputs: good.inputs ?? [],
  outputs: good.outputs ?? [],
  weights: w ?? [],
});

export const badModels: readonly (readonly [string, InvalidReason, () => Uint8Array])[] = [
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
  ['two weights of the same name', 'duplicate_name', () => bytesOfModel(adding([weight, weight]))],
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

const four = new Uint8Array(16);
const overflowing = [1n << 32n, 1n << 32n, 1n << 32n];

export function field(number: number, body: Uint8Array): Buffer {
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

export function located(location: string, offset = '0', length = '16'): Uint8Array {
  return bytesOfModel(adding([externalTensor('w', [4], { location, offset, length })]));
}

function externalStrings(): Uint8Array {
  const strings = { ...externalTensor('w', [4], { location: 'x' }), dataType: 8 };
  return encodeMessage('ModelProto', modelOf(adding([strings])));
}
