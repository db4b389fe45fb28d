/**
 * Writes a model: messages as they are, tensors that lie in files copied from there piece by piece,
 * so that no more than a piece is in memory. One file, unless it would be too large for protobuf:
 * then a second one, NAME.data, holds the large tensors. Written under another name and renamed:
 * nobody sees half a model.
 */

import { closeSync, fsyncSync, openSync, renameSync, rmSync, writeSync } from 'node:fs';
import { basename } from 'node:path';

import { messageOf } from '../../runtime/errors.ts';
import { type OnnxConfig, onnxDefaults } from './config.ts';
import { bytesOfElements } from './element-types.ts';
import { type FileRange, isExternal, locateExternal } from './external-data.ts';
import { ModelInvalid } from './invalid-model.ts';
import type { OnnxModel } from './model.ts';
import {
  type AttributeProto,
  encodeMessage,
  type GraphProto,
  makeMessage,
  type NodeProto,
  type TensorProto,
} from './proto.ts';
import { readExactly, varint } from './skim.ts';
import { countElements } from './tensor-data.ts';
import { graphsOfAttribute } from './walk.ts';

type Part = Uint8Array | FileRange;

interface Encoded {
  readonly parts: readonly Part[];
  readonly length: number;
}

/** What writing left on disk: the model and, if any, the file of its tensors. */
export interface WrittenModel {
  readonly file: string;
  readonly dataFile: string | undefined;
  readonly bytes: number;
}

const pieceBytes = 1024 * 1024;
/** In the second file tensors begin at pages, so that runtimes may map them. */
const pageBytes = 4096;

/** Throws ModelInvalid where a source tensor is gone, and what the file system throws. */
export function writeModel(
  model: OnnxModel,
  file: string,
  limits: OnnxConfig = onnxDefaults,
): WrittenModel {
  const inline = encodeModel(model, (tensor) => inlined(tensor, model));
  if (inline.length <= limits.singleFileBytesMax) {
    writeParts(file, inline.parts);
    return { file, dataFile: undefined, bytes: inline.length };
  }
  const dataFile = `${file}.data`;
  const outside = new OutsideTensors(model, basename(dataFile), limits.inlineBytesMax);
  const structure = encodeModel(model, (tensor) => outside.place(tensor));
  writeParts(dataFile, outside.parts);
  writeParts(file, structure.parts);
  return { file, dataFile, bytes: structure.length + outside.length };
}

/** The bytes of a model whose tensors are all in its messages. */
export function modelBytes(model: OnnxModel): Uint8Array {
  return encodeMessage('ModelProto', model.proto);
}

function encodeModel(model: OnnxModel, encodeTensor: (tensor: TensorProto) => Encoded): Encoded {
  const { graph, ...rest } = model.proto;
  const encoder = new Encoder(encodeTensor);
  return joined([plain(encodeMessage('ModelProto', rest)), fieldOf(7, encoder.graph(graph))]);
}

/** Messages on the way to tensors in files are put together here; all others by the library. */
class Encoder {
  readonly #tensor: (tensor: TensorProto) => Encoded;

  constructor(encodeTensor: (tensor: TensorProto) => Encoded) {
    this.#tensor = encodeTensor;
  }

  graph(graph: GraphProto): Encoded {
    const rest = encodeMessage('GraphProto', { ...graph, node: [], initializer: [] });
    return joined([
      ...graph.node.map((node) => fieldOf(1, this.#node(node))),
      plain(rest),
      ...graph.initializer.map((tensor) => fieldOf(5, this.#tensor(tensor))),
    ]);
  }

  #node(node: NodeProto): Encoded {
    const apart = node.attribute.filter(holdsMessages);
    if (apart.length === 0) return plain(encodeMessage('NodeProto', node));
    const others = node.attribute.filter((attribute) => !holdsMessages(attribute));
    return joined([
      plain(encodeMessage('NodeProto', { ...node, attribute: others })),
      ...apart.map((attribute) => fieldOf(5, this.#attribute(attribute))),
    ]);
  }

  #attribute(attribute: AttributeProto): Encoded {
    const { t, g, ...rest } = attribute;
    return joined([
      plain(encodeMessage('AttributeProto', { ...rest, tensors: [], graphs: [] })),
      ...(t === undefined ? [] : [fieldOf(5, this.#tensor(t))]),
      ...(g === undefined ? [] : [fieldOf(6, this.graph(g))]),
      ...attribute.tensors.map((tensor) => fieldOf(10, this.#tensor(tensor))),
      ...attribute.graphs.map((graph) => fieldOf(11, this.graph(graph))),
    ]);
  }
}

function holdsMessages(attribute: AttributeProto): boolean {
  const [graph] = graphsOfAttribute(attribute);
  return attribute.t !== undefined || graph !== undefined || attribute.tensors.length > 0;
}

function inlined(tensor: TensorProto, model: OnnxModel): Encoded {
  if (!isExternal(tensor)) return plain(encodeMessage('TensorProto', tensor));
  const bare = { ...tensor, externalData: [], dataLocation: 0 };
  const range = rangeOf(tensor, model);
  return joined([
    plain(encodeMessage('TensorProto', bare)),
    fieldOf(9, { parts: [range], length: range.bytes }),
  ]);
}

function rangeOf(tensor: TensorProto, model: OnnxModel): FileRange {
  const count = countElements(tensor, model.file);
  return locateExternal(tensor, model.file, bytesOfElements(tensor.dataType, count));
}

/** Gives each large tensor its place in the second file. */
class OutsideTensors {
  readonly parts: Part[] = [];
  length = 0;
  readonly #model: OnnxModel;
  readonly #location: string;
  readonly #inlineBytesMax: number;

  constructor(model: OnnxModel, location: string, inlineBytesMax: number) {
    this.#model = model;
    this.#location = location;
    this.#inlineBytesMax = inlineBytesMax;
  }

  place(tensor: TensorProto): Encoded {
    const part = this.#partOf(tensor);
    if (part === undefined) return plain(encodeMessage('TensorProto', tensor));
    const padding = (pageBytes - (this.length % pageBytes)) % pageBytes;
    this.#add(new Uint8Array(padding), padding);
    const offset = this.length;
    const bytes = part instanceof Uint8Array ? part.length : part.bytes;
    this.#add(part, bytes);
    const entry = (key: string, value: string) =>
      makeMessage('StringStringEntryProto', { key, value });
    const placed: TensorProto = {
      ...tensor,
      rawData: new Uint8Array(0),
      dataLocation: 1,
      externalData: [
        entry('location', this.#location),
        entry('offset', String(offset)),
        entry('length', String(bytes)),
      ],
    };
    return plain(encodeMessage('TensorProto', placed));
  }

  #partOf(tensor: TensorProto): Part | undefined {
    if (isExternal(tensor)) return rangeOf(tensor, this.#model);
    return tensor.rawData.length >= this.#inlineBytesMax ? tensor.rawData : undefined;
  }

  #add(part: Part, bytes: number): void {
    this.parts.push(part);
    this.length += bytes;
  }
}

function plain(bytes: Uint8Array): Encoded {
  return { parts: [bytes], length: bytes.length };
}

function joined(pieces: readonly Encoded[]): Encoded {
  return {
    parts: pieces.flatMap(({ parts }) => parts),
    length: pieces.reduce((sum, { length }) => sum + length, 0),
  };
}

function fieldOf(number: number, body: Encoded): Encoded {
  return joined([plain(varint(number * 8 + 2)), plain(varint(body.length)), body]);
}

function writeParts(file: string, parts: readonly Part[]): void {
  const temporary = `${file}.${process.pid}.tmp`;
  const fd = openSync(temporary, 'w');
  try {
    for (const part of parts) {
      if (part instanceof Uint8Array) writeAll(fd, part);
      else copyRange(fd, part);
    }
    fsyncSync(fd);
    closeSync(fd);
  } catch (error) {
    closeSync(fd);
    rmSync(temporary, { force: true });
    throw error;
  }
  renameSync(temporary, file);
}

function copyRange(into: number, range: FileRange): void {
  const buffer = Buffer.allocUnsafeSlow(Math.min(pieceBytes, Math.max(1, range.bytes)));
  let from: number;
  try {
    from = openSync(range.path, 'r');
  } catch (error) {
    const message = `cannot read ${range.path}: ${messageOf(error)}`;
    throw new ModelInvalid('external_missing', message, range.path, error);
  }
  try {
    for (let done = 0; done < range.bytes; done += buffer.length) {
      const piece = buffer.subarray(0, Math.min(buffer.length, range.bytes - done));
      readExactly(from, range.path, piece, range.offset + done);
      writeAll(into, piece);
    }
  } finally {
    closeSync(from);
  }
}

function writeAll(fd: number, bytes: Uint8Array): void {
  let done = 0;
  while (done < bytes.length) done += writeSync(fd, bytes, done, bytes.length - done);
}
