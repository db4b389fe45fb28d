/** Builds models for tests out of the messages that the code under test reads. */

import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { elementTypes } from '../../../nodes/onnx/element-types.ts';
import {
  encodeMessage,
  type Fields,
  type GraphProto,
  makeMessage,
  type ModelProto,
  type NodeProto,
  type TensorProto,
  type ValueInfoProto,
} from '../../../nodes/onnx/proto.ts';

export type Shape = readonly (number | string)[];

export function value(
  name: string,
  shape: Shape,
  type: keyof typeof elementTypes = 'FLOAT',
): ValueInfoProto {
  const dim = shape.map((size) =>
    typeof size === 'number'
      ? { value: { case: 'dimValue', value: BigInt(size) } }
      : { value: { case: 'dimParam', value: size } },
  );
  const tensorType = { elemType: elementTypes[type], shape: { dim } };
  const fields = { value: { case: 'tensorType', value: tensorType } };
  return makeMessage('ValueInfoProto', {
    name,
    type: makeMessage('TypeProto', fields as never),
  });
}

export interface GraphFields {
  readonly nodes?: readonly NodeProto[];
  readonly inputs?: readonly ValueInfoProto[];
  readonly outputs?: readonly ValueInfoProto[];
  readonly weights?: readonly TensorProto[];
}

export function graphOf({ nodes = [], inputs = [], outputs = [], weights = [] }: GraphFields) {
  const fields = { node: nodes, input: inputs, output: outputs, initializer: weights };
  return makeMessage('GraphProto', { name: 'graph', ...fields });
}

export interface ModelFields extends GraphFields {
  readonly opset?: number;
  readonly irVersion?: number;
  readonly domains?: readonly string[];
}

export function modelOf(fields: ModelFields): ModelProto & { readonly graph: GraphProto } {
  const { opset = 17, irVersion = 8, domains = [] } = fields;
  const graph = graphOf(fields);
  const version = BigInt(opset);
  const opsetImport = [
    makeMessage('OperatorSetIdProto', { version }),
    ...domains.map((domain) => makeMessage('OperatorSetIdProto', { domain, version: 1n })),
  ];
  const model = makeMessage('ModelProto', { irVersion: BigInt(irVersion), opsetImport, graph });
  return { ...model, graph };
}

export function bytesOfModel(fields: ModelFields): Uint8Array {
  return encodeMessage('ModelProto', modelOf(fields));
}

/** An attribute that holds a graph (`then_branch`, `body`). */
export function withGraphs(node: NodeProto, graphs: Readonly<Record<string, GraphProto>>) {
  const attribute = Object.entries(graphs).map(([name, g]) =>
    makeMessage('AttributeProto', { name, type: 5, g }),
  );
  return { ...node, attribute: [...node.attribute, ...attribute] };
}

export function tensor(fields: Fields<TensorProto>): TensorProto {
  return makeMessage('TensorProto', fields);
}

export function externalTensor(
  name: string,
  dims: readonly number[],
  entries: Readonly<Record<string, string>>,
): TensorProto {
  const externalData = Object.entries(entries).map(([key, value]) =>
    makeMessage('StringStringEntryProto', { key, value }),
  );
  const dataType = elementTypes.FLOAT;
  return tensor({ name, dataType, dims: dims.map(BigInt), dataLocation: 1, externalData });
}

/** A folder for the files of one suite, removed after it. */
export function scratchFolder(): { path: (name: string) => string } {
  let folder = '';
  before(() => {
    folder = mkdtempSync(join(tmpdir(), 'infaas-onnx-'));
  });
  after(() => rmSync(folder, { recursive: true, force: true }));
  return { path: (name) => join(folder, name) };
}

export function writeBytes(file: string, bytes: Uint8Array): string {
  writeFileSync(file, bytes);
  return file;
}
