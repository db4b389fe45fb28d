// Reading and writing: what is read is what was there, and large tensors stay where they are.

import { readdirSync, readFileSync, statSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect } from 'chai';
import fc from 'fast-check';

import { onnxConfigSchema } from '../../../nodes/onnx/config.ts';
import { isInModelFile } from '../../../nodes/onnx/external-data.ts';
import { graphDigest } from '../../../nodes/onnx/graph-digest.ts';
import { decodeMessage, encodeMessage } from '../../../nodes/onnx/proto.ts';
import { readModel } from '../../../nodes/onnx/read-model.ts';
import { makeNode } from '../../../nodes/onnx/rewrite/nodes.ts';
import { bytesOfTensor, floatsOfTensor, makeTensor } from '../../../nodes/onnx/tensor-data.ts';
import { tensorsOf } from '../../../nodes/onnx/walk.ts';
import { writeModel } from '../../../nodes/onnx/write-model.ts';
import {
  bytesOfModel,
  externalTensor,
  graphOf,
  modelOf,
  scratchFolder,
  tensor,
  value,
  withGraphs,
  writeBytes,
} from './build-model.ts';

const zoo = fileURLToPath(new URL('../../../zoo/', import.meta.url));
const zooModels = ['digit-classification', 'voice-activity-detection'].flatMap((task) =>
  readdirSync(join(zoo, task))
    .filter((name) => name.endsWith('.onnx'))
    .map((name) => join(zoo, task, name)),
);

describe('reading and writing models', () => {
  const scratch = scratchFolder();

  it('gives every model of the zoo back with the same messages', () => {
    for (const file of zooModels) {
      const written = writeModel(readModel(file), scratch.path('copy.onnx'));
      expect(written.dataFile).to.equal(undefined);
      const [was, is] = [file, written.file].map((path) => {
        const model = decodeMessage('ModelProto', readFileSync(path), 300);
        return Buffer.from(encodeMessage('ModelProto', model));
      });
      expect(is?.length, file).to.equal(was?.length);
    }
  });

  it('leaves large tensors in the file, in subgraphs too, and reads them when asked', () => {
    const file = zooModels.find((name) => name.includes('silero-v4'))!;
    const model = readModel(file);
    const all = decodeMessage('ModelProto', readFileSync(file), 300);
    const whole = [...tensorsOf(all)];
    const skimmed = [...tensorsOf(model.proto)];
    expect(skimmed.filter(isInModelFile)).to.have.length.above(20);
    skimmed.forEach((each, at) => {
      expect(each.rawData).to.have.length.below(16 * 1024);
      const other = whole[at]!;
      if (other.rawData.length === 0) return;
      expect(Buffer.from(bytesOfTensor(each, model)).equals(other.rawData)).to.equal(true);
    });
  });

  it('keeps fields that the schema does not know', () => {
    const unknown = Buffer.from([0xc2, 0x3e, 3, 1, 2, 3]);
    const bytes = bytesOfModel({
      nodes: [makeNode('Neg', ['x'], ['y'])],
      inputs: [value('x', [1])],
      outputs: [value('y', [1])],
    });
    const file = writeBytes(scratch.path('unknown.onnx'), Buffer.concat([bytes, unknown]));
    const written = writeModel(readModel(file), scratch.path('unknown-copy.onnx'));
    expect(readFileSync(written.file).includes(unknown)).to.equal(true);
  });

  it('puts tensors into a second file when one would be too large, and reads them back', () => {
    const limits = onnxConfigSchema.parse({ singleFileBytesMax: 1000, inlineBytesMax: 64 });
    for (const file of zooModels.slice(0, 6)) {
      const source = readModel(file, limits);
      const written = writeModel(source, scratch.path('apart.onnx'), limits);
      expect(written.dataFile).to.equal(scratch.path('apart.onnx.data'));
      expect(statSync(written.file).size).to.be.below(statSync(file).size);
      expect(graphDigest(readModel(written.file)), file).to.equal(graphDigest(source));
    }
  });

  it('passes a model of many gigabytes on without reading it whole', () => {
    // A sparse file: 6 GB of zeros that take no room.
    writeFileSync(scratch.path('huge.bin'), '');
    truncateSync(scratch.path('huge.bin'), 6e9);
    const entries = { location: 'huge.bin', offset: '0', length: '6000000000' };
    const bytes = bytesOfModel({
      nodes: [makeNode('Gather', ['table', 'i'], ['y'])],
      inputs: [value('i', [1], 'INT64')],
      outputs: [value('y', [1, 1500])],
      weights: [externalTensor('table', [1_000_000, 1500], entries)],
    });
    const before = process.memoryUsage().rss;
    const model = readModel(writeBytes(scratch.path('huge.onnx'), bytes));
    expect(model.proto.graph.initializer[0]?.dims).to.deep.equal([1_000_000n, 1500n]);
    expect(process.memoryUsage().rss - before).to.be.below(500e6);
  });

  it('reads numbers from each of the places that a tensor may have them in', () => {
    const dims = [3n];
    const model = { file: 'none' };
    const floats = (fields: Parameters<typeof tensor>[0]): number[] =>
      Array.from(floatsOfTensor(tensor({ dims, ...fields }), model) ?? []);
    expect(floats({ dataType: 1, floatData: [1, 2.5, -3] })).to.deep.equal([1, 2.5, -3]);
    expect(floats({ dataType: 11, doubleData: [1, 2.5, -3] })).to.deep.equal([1, 2.5, -3]);
    const halves = [0x3c00, 0x4100, 0xc200];
    expect(floats({ dataType: 10, int32Data: halves })).to.deep.equal([1, 2.5, -3]);
    const raw = new Uint8Array(new Float32Array([1, 2.5, -3]).buffer);
    expect(floats({ dataType: 1, rawData: raw })).to.deep.equal([1, 2.5, -3]);
    const unaligned = new Uint8Array(13).subarray(1);
    unaligned.set(raw);
    expect(floats({ dataType: 1, rawData: unaligned })).to.deep.equal([1, 2.5, -3]);
    expect(floatsOfTensor(tensor({ dims, dataType: 7 }), model)).to.equal(undefined);
    const bytes = (fields: Parameters<typeof tensor>[0]): number[] =>
      Array.from(bytesOfTensor(tensor({ dims: [1n], ...fields }), model));
    expect(bytes({ dataType: 7, int64Data: [-2n] })).to.deep.equal([
      254, 255, 255, 255, 255, 255, 255, 255,
    ]);
    expect(bytes({ dataType: 13, uint64Data: [2n] })).to.deep.equal([2, 0, 0, 0, 0, 0, 0, 0]);
    expect(bytes({ dataType: 12, uint64Data: [258n] })).to.deep.equal([2, 1, 0, 0]);
    expect(bytes({ dataType: 6, int32Data: [-2] })).to.deep.equal([254, 255, 255, 255]);
    expect(bytes({ dataType: 5, int32Data: [-2] })).to.deep.equal([254, 255]);
    expect(bytes({ dataType: 3, int32Data: [-2] })).to.deep.equal([254]);
    expect(bytes({ dataType: 9, int32Data: [1] })).to.deep.equal([1]);
  });

  it('leaves no half-written file when a source tensor has gone', () => {
    const large = makeTensor('w', 'FLOAT', [8192], new Float32Array(8192));
    const bytes = bytesOfModel({
      nodes: [makeNode('Add', ['x', 'w'], ['y'])],
      inputs: [value('x', [8192])],
      outputs: [value('y', [8192])],
      weights: [large],
    });
    const model = readModel(writeBytes(scratch.path('gone.onnx'), bytes));
    truncateSync(model.file, 100);
    expect(() => writeModel(model, scratch.path('target.onnx'))).to.throw(/gone\.onnx/);
    expect(readdirSync(scratch.path('.')).filter((name) => /target|tmp/.test(name))).to.eql([]);
  });
});

describe('the digest of a graph', () => {
  const scratch = scratchFolder();
  const digest = (fields: Parameters<typeof modelOf>[0]): string =>
    graphDigest({ proto: modelOf(fields), file: scratch.path('none') });
  const weight = (name: string, first: number) =>
    makeTensor(name, 'FLOAT', [2], Float32Array.of(first, 2));
  const chain = (middle: string, w: string, first = 1, last = 'Neg') => ({
    nodes: [makeNode('Add', ['x', w], [middle]), makeNode(last, [middle], ['y'])],
    inputs: [value('x', [2])],
    outputs: [value('y', [2])],
    weights: [weight(w, first)],
  });

  it('does not change with the names within', () => {
    fc.assert(
      fc.property(fc.string({ minLength: 1 }), fc.string({ minLength: 1 }), (a, b) => {
        fc.pre(a !== b && !['x', 'y'].includes(a) && !['x', 'y'].includes(b));
        expect(digest(chain(a, b))).to.equal(digest(chain('m', 'w')));
      }),
    );
  });

  it('changes with a weight, an operator, an attribute, a name that queries use, the opset', () => {
    const base = chain('m', 'w');
    const nodes = [makeNode('Add', ['x', 'w'], ['m']), makeNode('Neg', ['m'], ['y'], { axis: 1 })];
    const different = [
      digest(base),
      digest(chain('m', 'w', 1.5)),
      digest(chain('m', 'w', 1, 'Abs')),
      digest({ ...base, nodes }),
      digest({ ...base, nodes: [makeNode('Add', ['x', 'w'], ['y'])] }),
      digest({ ...base, outputs: [value('m', [2])] }),
      digest({ ...base, opset: 18 }),
    ];
    expect(new Set(different).size).to.equal(different.length);
  });

  it('takes an order of nodes, and nodes that lead nowhere, for the same', () => {
    const base = chain('m', 'w');
    expect(digest({ ...base, nodes: [...base.nodes].reverse() })).to.equal(digest(base));
    const dead = [...base.nodes, makeNode('Abs', ['m'], ['nobody'])];
    expect(digest({ ...base, nodes: dead })).to.equal(digest(base));
  });

  it('sees what subgraphs hold and what they take from outside', () => {
    const branches = (uses: string, op: string) => ({
      ...chain('m', 'w'),
      inputs: [value('x', [2]), value('c', [], 'BOOL')],
      nodes: [
        makeNode('Add', ['x', 'w'], ['m']),
        withGraphs(makeNode('If', ['c'], ['y']), {
          then_branch: graphOf({
            nodes: [makeNode(op, [uses], ['t'])],
            outputs: [value('t', [2])],
          }),
          else_branch: graphOf({
            nodes: [makeNode('Abs', ['m'], ['e'])],
            outputs: [value('e', [2])],
          }),
        }),
      ],
    });
    const all = [branches('m', 'Neg'), branches('x', 'Neg'), branches('m', 'Abs')].map(digest);
    expect(new Set(all).size).to.equal(3);
  });
});
