/** Making nodes and attributes, and reading those of nodes. */

import { elementTypes } from '../element-types.ts';
import {
  type AttributeProto,
  makeMessage,
  type NodeProto,
  type OperatorSet,
  type TensorProto,
} from '../proto.ts';
import type { OnnxModel } from '../model.ts';
import { domainOf } from '../check-model.ts';

/** ONNX Runtime's own operators (contrib operators). */
export const microsoft = 'com.microsoft';

/** AttributeProto.AttributeType. */
export const attributeTypes = { FLOAT: 1, INT: 2, TENSOR: 4, GRAPH: 5, INTS: 7 } as const;

/** Integers, lists of integers, or a tensor. */
export type AttributeValue = number | readonly number[] | TensorProto;

export function makeNode(
  opType: string,
  input: readonly string[],
  output: readonly string[],
  attributes: Readonly<Record<string, AttributeValue>> = {},
  domain = '',
): NodeProto {
  const attribute = Object.entries(attributes).map(([name, value]) => makeAttribute(name, value));
  return makeMessage('NodeProto', {
    opType,
    domain,
    name: `${opType}_${output[0] ?? ''}`,
    input,
    output,
    attribute,
  });
}

function makeAttribute(name: string, value: AttributeValue): AttributeProto {
  if (typeof value === 'number') {
    return makeMessage('AttributeProto', { name, type: attributeTypes.INT, i: BigInt(value) });
  }
  if (isList(value)) {
    const ints = value.map(BigInt);
    return makeMessage('AttributeProto', { name, type: attributeTypes.INTS, ints });
  }
  return makeMessage('AttributeProto', { name, type: attributeTypes.TENSOR, t: value });
}

function isList(value: readonly number[] | TensorProto): value is readonly number[] {
  return Array.isArray(value);
}

export function attributeOf(node: NodeProto, name: string): AttributeProto | undefined {
  return node.attribute.find((attribute) => attribute.name === name);
}

export function intOf(node: NodeProto, name: string, fallback: number): number {
  const found = attributeOf(node, name);
  return found === undefined ? fallback : Number(found.i);
}

export function floatOf(node: NodeProto, name: string, fallback: number): number {
  return attributeOf(node, name)?.f ?? fallback;
}

export function intsOf(node: NodeProto, name: string): number[] | undefined {
  return attributeOf(node, name)?.ints.map(Number);
}

export const isDefaultDomain = (node: NodeProto): boolean => domainOf(node) === '';

/** A `Cast` to one of TensorProto.DataType. */
export function makeCast(from: string, to: string, type: keyof typeof elementTypes): NodeProto {
  return makeNode('Cast', [from], [to], { to: elementTypes[type] });
}

/** The same model, importing `domain` as well. */
export function withOperatorSet(model: OnnxModel, domain: string, version: number): OnnxModel {
  const { proto } = model;
  if (proto.opsetImport.some((opset) => domainOf(opset) === domain)) return model;
  const added: OperatorSet = makeMessage('OperatorSetIdProto', {
    domain,
    version: BigInt(version),
  });
  return { ...model, proto: { ...proto, opsetImport: [...proto.opsetImport, added] } };
}
