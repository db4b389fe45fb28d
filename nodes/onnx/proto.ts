/**
 * ONNX's messages as TypeScript sees them, and their bytes by the official schema.
 *
 * `onnx-schema.json` is onnx/onnx-ml.proto3 of github.com/onnx/onnx at f7546912 (IR version 14,
 * Apache-2.0) as a descriptor set, by `buf build --as-file-descriptor-set --exclude-source-info`.
 * The types below say what of it is read or written here; fields without a type, and fields newer
 * than the schema, travel along untouched. proto3 and the proto2 form have the same bytes.
 *
 * protobuf-es was taken because its `bytes` are views of the buffer it reads, integers of 64 bits
 * are bigint, and unknown fields survive a rewrite.
 */

import { readFileSync } from 'node:fs';

import {
  create,
  createFileRegistry,
  type DescMessage,
  fromBinary,
  fromJson,
  type JsonValue,
  type Message,
  toBinary,
} from '@bufbuild/protobuf';
import { FileDescriptorSetSchema } from '@bufbuild/protobuf/wkt';

export interface Entry extends Message {
  readonly key: string;
  readonly value: string;
}

export interface OperatorSet extends Message {
  readonly domain: string;
  readonly version: bigint;
}

export interface TensorProto extends Message {
  readonly name: string;
  readonly dims: readonly bigint[];
  readonly dataType: number;
  readonly floatData: readonly number[];
  readonly int32Data: readonly number[];
  readonly int64Data: readonly bigint[];
  readonly doubleData: readonly number[];
  readonly uint64Data: readonly bigint[];
  readonly stringData: readonly Uint8Array[];
  readonly rawData: Uint8Array;
  readonly externalData: readonly Entry[];
  /** 1: the bytes are where `externalData` says. */
  readonly dataLocation: number;
}

export interface SparseTensorProto extends Message {
  readonly values?: TensorProto;
  readonly indices?: TensorProto;
  readonly dims: readonly bigint[];
}

export interface Dimension extends Message {
  readonly value:
    | { readonly case: 'dimValue'; readonly value: bigint }
    | { readonly case: 'dimParam'; readonly value: string }
    | { readonly case: undefined; readonly value?: undefined };
}

export interface ShapeProto extends Message {
  readonly dim: readonly Dimension[];
}

export interface TensorTypeProto extends Message {
  readonly elemType: number;
  readonly shape?: ShapeProto;
}

export interface TypeProto extends Message {
  readonly value:
    | { readonly case: 'tensorType'; readonly value: TensorTypeProto }
    | { readonly case: 'sequenceType'; readonly value: Message }
    | { readonly case: 'mapType'; readonly value: Message }
    | { readonly case: 'optionalType'; readonly value: Message }
    | { readonly case: 'sparseTensorType'; readonly value: Message }
    | { readonly case: 'opaqueType'; readonly value: Message }
    | { readonly case: undefined; readonly value?: undefined };
}

export interface ValueInfoProto extends Message {
  readonly name: string;
  readonly type?: TypeProto;
}

export interface AttributeProto extends Message {
  readonly name: string;
  readonly refAttrName: string;
  readonly type: number;
  readonly f: number;
  readonly i: bigint;
  readonly s: Uint8Array;
  readonly t?: TensorProto;
  readonly g?: GraphProto;
  readonly floats: readonly number[];
  readonly ints: readonly bigint[];
  readonly strings: readonly Uint8Array[];
  readonly tensors: readonly TensorProto[];
  readonly graphs: readonly GraphProto[];
  readonly sparseTensor?: SparseTensorProto;
}

export interface NodeProto extends Message {
  /** An empty name is an optional input left out. */
  readonly input: readonly string[];
  readonly output: readonly string[];
  readonly name: string;
  readonly opType: string;
  readonly domain: string;
  readonly attribute: readonly AttributeProto[];
}

export interface GraphProto extends Message {
  readonly name: string;
  readonly node: readonly NodeProto[];
  readonly initializer: readonly TensorProto[];
  readonly sparseInitializer: readonly SparseTensorProto[];
  readonly input: readonly ValueInfoProto[];
  readonly output: readonly ValueInfoProto[];
  readonly valueInfo: readonly ValueInfoProto[];
}

export interface FunctionProto extends Message {
  readonly name: string;
  readonly domain: string;
  readonly node: readonly NodeProto[];
}

export interface ModelProto extends Message {
  readonly irVersion: bigint;
  readonly opsetImport: readonly OperatorSet[];
  readonly producerName: string;
  readonly graph?: GraphProto;
  readonly functions: readonly FunctionProto[];
}

/** Each message by the name that the schema has for it. */
export interface Messages {
  readonly AttributeProto: AttributeProto;
  readonly FunctionProto: FunctionProto;
  readonly GraphProto: GraphProto;
  readonly ModelProto: ModelProto;
  readonly NodeProto: NodeProto;
  readonly OperatorSetIdProto: OperatorSet;
  readonly StringStringEntryProto: Entry;
  readonly TensorProto: TensorProto;
  readonly TypeProto: TypeProto;
  readonly ValueInfoProto: ValueInfoProto;
}

export type MessageName = keyof Messages;

/** What one writes of a message: what is left out has its default. */
export type Fields<T> = Partial<Omit<T, '$typeName' | '$unknown'>>;

const schema = fromJson(
  FileDescriptorSetSchema,
  JSON.parse(readFileSync(new URL('./onnx-schema.json', import.meta.url), 'utf8')) as JsonValue,
);
const registry = createFileRegistry(schema);
const descriptors = new Map<MessageName, DescMessage>();

export function descriptorOf(name: MessageName): DescMessage {
  let found = descriptors.get(name);
  if (found === undefined) {
    found = registry.getMessage(`onnx.${name}`);
    if (found === undefined) throw new Error(`onnx-schema.json has no message ${name}`);
    descriptors.set(name, found);
  }
  return found;
}

/** Throws what protobuf-es throws. `bytes` fields are views of `bytes`. */
export function decodeMessage<N extends MessageName>(
  name: N,
  bytes: Uint8Array,
  depthMax: number,
): Messages[N] {
  const message: Message = fromBinary(descriptorOf(name), bytes, { recursionLimit: depthMax });
  return message as Messages[N];
}

export function encodeMessage<N extends MessageName>(name: N, message: Messages[N]): Uint8Array {
  return toBinary(descriptorOf(name), message);
}

export function makeMessage<N extends MessageName>(
  name: N,
  fields: Fields<Messages[N]>,
): Messages[N] {
  const message: Message = create(descriptorOf(name), fields);
  return message as Messages[N];
}
