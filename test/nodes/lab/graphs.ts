/** Graphs with one trait each that the lab must get right, as files in a temporary folder. */

import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { encodeModel, type Graph, type GraphValue } from '../../fixtures/onnx-graph.ts';

export class LabFolder {
  readonly path = mkdtempSync(join(tmpdir(), 'infaas-test-lab-'));

  write(name: string, content: Graph | Uint8Array | string): string {
    const path = join(this.path, name);
    const isGraph = typeof content === 'object' && 'nodes' in content;
    writeFileSync(path, isGraph ? encodeModel(content) : content);
    return path;
  }

  remove(): void {
    rmSync(this.path, { recursive: true, force: true });
  }
}

const int64 = (...values: number[]): BigInt64Array => BigInt64Array.from(values.map(BigInt));

const scale = { name: 'w', datatype: 'FP32', shape: [4, 3] } as const;
const weights = Float32Array.from({ length: 12 }, (_, index) => Math.sin(index + 1));

/** `y = x · w`, `[first, 4]` to `[first, 3]`. */
export function linearGraph(first: number | string): Graph {
  return {
    inputs: [{ name: 'x', datatype: 'FP32', shape: [first, 4] }],
    outputs: [{ name: 'y', datatype: 'FP32', shape: [first, 3] }],
    constants: [{ ...scale, data: weights }],
    nodes: [{ op: 'MatMul', inputs: ['x', 'w'], outputs: ['y'] }],
  };
}

/** Its first axis is called `batch`, and yet it sums over it. */
export const mixingGraph: Graph = {
  inputs: [{ name: 'x', datatype: 'FP32', shape: ['batch', 4] }],
  outputs: [{ name: 'y', datatype: 'FP32', shape: ['batch', 4] }],
  constants: [{ name: 'axes', datatype: 'INT64', shape: [1], data: int64(0) }],
  nodes: [
    { op: 'ReduceSum', inputs: ['x', 'axes'], outputs: ['sum'], attributes: { keepdims: 1 } },
    { op: 'Add', inputs: ['x', 'sum'], outputs: ['y'] },
  ],
};

/** A picture of any size, and its mean over height and width. */
export const pictureGraph: Graph = {
  inputs: [{ name: 'picture', datatype: 'FP32', shape: ['', 3, 'height', 'width'] }],
  outputs: [{ name: 'mean', datatype: 'FP32', shape: ['', 3, 1, 1] }],
  nodes: [{ op: 'GlobalAveragePool', inputs: ['picture'], outputs: ['mean'] }],
};

/** Tokens, their mask, and a rate by which all are multiplied; rows of one length. */
export const tokensGraph: Graph = {
  inputs: [
    { name: 'ids', datatype: 'INT64', shape: ['n', 'length'] },
    { name: 'attention_mask', datatype: 'INT64', shape: ['n', 'length'] },
    { name: 'rate', datatype: 'INT64', shape: [] },
  ],
  outputs: [{ name: 'y', datatype: 'INT64', shape: ['n', 'length'] }],
  nodes: [
    { op: 'Mul', inputs: ['ids', 'attention_mask'], outputs: ['masked'] },
    { op: 'Mul', inputs: ['masked', 'rate'], outputs: ['y'] },
  ],
};

/** Recurrent: the batch is the second axis of its state, and no size has a name. */
export const recurrentGraph: Graph = {
  inputs: [
    { name: 'x', datatype: 'FP32', shape: ['', 5] },
    { name: 'state', datatype: 'FP32', shape: [2, '', 5] },
  ],
  outputs: [{ name: 'stateNext', datatype: 'FP32', shape: ['', '', ''] }],
  nodes: [{ op: 'Add', inputs: ['x', 'state'], outputs: ['stateNext'] }],
};

/** A window of exactly 576 samples, though its size is left open. */
export const windowGraph: Graph = {
  inputs: [{ name: 'sound', datatype: 'FP32', shape: ['batch', 'samples'] }],
  outputs: [{ name: 'frames', datatype: 'FP32', shape: ['batch', 24, 24] }],
  constants: [{ name: 'shape', datatype: 'INT64', shape: [3], data: int64(-1, 24, 24) }],
  nodes: [
    { op: 'Reshape', inputs: ['sound', 'shape'], outputs: ['folded'] },
    { op: 'Identity', inputs: ['folded'], outputs: ['twice'] },
    { op: 'Add', inputs: ['twice', 'folded'], outputs: ['frames'] },
  ],
};

/** Text in, text out. */
export const textGraph: Graph = {
  inputs: [{ name: 'text', datatype: 'BYTES', shape: ['n', 1] }],
  outputs: [{ name: 'same', datatype: 'BYTES', shape: ['n', 1] }],
  nodes: [{ op: 'Identity', inputs: ['text'], outputs: ['same'] }],
};

/** `y = x[5]` of inputs that hold two: it runs on nothing. */
export const unrunnableGraph: Graph = {
  inputs: [{ name: 'x', datatype: 'FP32', shape: ['n', 2] }],
  outputs: [{ name: 'y', datatype: 'FP32', shape: ['n'] }],
  constants: [{ name: 'at', datatype: 'INT64', shape: [1], data: int64(5) }],
  nodes: [
    { op: 'Size', inputs: ['x'], outputs: ['size'] },
    { op: 'Add', inputs: ['size', 'at'], outputs: ['beyond'] },
    { op: 'Gather', inputs: ['x', 'beyond'], outputs: ['y'], attributes: { axis: 1 } },
  ],
};

const carried: GraphValue = { name: 'v', datatype: 'FP32', shape: ['n', 1] };

/** Enters a loop that has no end when it runs. */
export const endlessGraph: Graph = {
  inputs: [{ name: 'x', datatype: 'FP32', shape: ['n', 1] }],
  outputs: [{ name: 'y', datatype: 'FP32', shape: ['n', 1] }],
  constants: [
    { name: 'times', datatype: 'INT64', shape: [], data: BigInt64Array.of(1n << 60n) },
    { name: 'yes', datatype: 'BOOL', shape: [], data: Uint8Array.of(1) },
  ],
  nodes: [
    {
      op: 'Loop',
      inputs: ['times', 'yes', 'x'],
      outputs: ['y'],
      attributes: {
        body: {
          inputs: [
            { name: 'i', datatype: 'INT64', shape: [] },
            { name: 'go', datatype: 'BOOL', shape: [] },
            carried,
          ],
          outputs: [
            { name: 'goOn', datatype: 'BOOL', shape: [] },
            { ...carried, name: 'vNext' },
          ],
          nodes: [
            { op: 'Identity', inputs: ['go'], outputs: ['goOn'] },
            { op: 'Identity', inputs: ['v'], outputs: ['vNext'] },
          ],
        },
      },
    },
  ],
};

/** A few bytes that ask for `[rows, 1024, 256]` floats, 1 MiB a row, when they run. */
export function bombGraph(rows: number): Graph {
  return {
    inputs: [{ name: 'x', datatype: 'FP32', shape: ['n', 1] }],
    outputs: [{ name: 'y', datatype: 'FP32', shape: ['n', 1] }],
    constants: [
      { name: 'dims', datatype: 'INT64', shape: [3], data: int64(rows, 1024, 256) },
      { name: 'axes', datatype: 'INT64', shape: [3], data: int64(0, 1, 2) },
    ],
    nodes: [
      // Nobody can know that it adds nothing before there is an x, so nothing is folded away.
      { op: 'Size', inputs: ['x'], outputs: ['size'] },
      { op: 'Sub', inputs: ['size', 'size'], outputs: ['none'] },
      { op: 'Add', inputs: ['dims', 'none'], outputs: ['wanted'] },
      { op: 'ConstantOfShape', inputs: ['wanted'], outputs: ['huge'] },
      { op: 'Exp', inputs: ['huge'], outputs: ['filled'] },
      {
        op: 'ReduceSum',
        inputs: ['filled', 'axes'],
        outputs: ['sum'],
        attributes: { keepdims: 0 },
      },
      { op: 'Add', inputs: ['x', 'sum'], outputs: ['y'] },
    ],
  };
}

/** `y = x + table[n]` of a table that ends at 4: a batch of 5 fails. */
export const upToFourGraph: Graph = {
  inputs: [{ name: 'x', datatype: 'FP32', shape: ['n', 4] }],
  outputs: [{ name: 'y', datatype: 'FP32', shape: ['n', 4] }],
  constants: [
    { name: 'zero', datatype: 'INT64', shape: [1], data: int64(0) },
    { name: 'table', datatype: 'FP32', shape: [5], data: new Float32Array(5) },
  ],
  nodes: [
    { op: 'Shape', inputs: ['x'], outputs: ['shape'] },
    { op: 'Gather', inputs: ['shape', 'zero'], outputs: ['rows'], attributes: { axis: 0 } },
    { op: 'Gather', inputs: ['table', 'rows'], outputs: ['found'], attributes: { axis: 0 } },
    { op: 'Add', inputs: ['x', 'found'], outputs: ['y'] },
  ],
};

/** Takes 4 MiB a row, twice, while it runs. */
export const growingGraph: Graph = {
  inputs: [{ name: 'x', datatype: 'FP32', shape: ['n', 1] }],
  outputs: [{ name: 'y', datatype: 'FP32', shape: ['n', 1] }],
  constants: [
    { name: 'columns', datatype: 'INT64', shape: [2], data: int64(1, 1024 * 1024) },
    { name: 'axes', datatype: 'INT64', shape: [1], data: int64(1) },
  ],
  nodes: [
    { op: 'Expand', inputs: ['x', 'columns'], outputs: ['wide'] },
    { op: 'Exp', inputs: ['wide'], outputs: ['filled'] },
    { op: 'ReduceSum', inputs: ['filled', 'axes'], outputs: ['y'] },
  ],
};
