/** What a model file says about itself, for whoever registers it or plans variants of it. */

import type { Datatype } from '../../runtime/wire/tensors.ts';
import { domainOf } from './check-model.ts';
import { bytesOfElements, datatypeOf, elementTypeName, elementTypes } from './element-types.ts';
import { externalFiles } from './external-data.ts';
import type { OnnxModel } from './model.ts';
import type { Dimension, GraphProto, ValueInfoProto } from './proto.ts';
import { countElements } from './tensor-data.ts';
import { nodesOf, tensorsOf } from './walk.ts';

/** An input or output of the graph. */
export interface GraphValue {
  readonly name: string;
  /** Undefined for what is no tensor, or has elements that no query can carry: see `type`. */
  readonly datatype: Datatype | undefined;
  /** As ONNX says it: `tensor(float16)`, `sequence`. */
  readonly type: string;
  /** A free dimension is its symbol, or `INPUT_AXIS` where the file has no name for it. */
  readonly shape: readonly (number | string)[] | undefined;
}

export interface ModelFacts {
  readonly irVersion: number;
  /** By domain; `''` is the default one. */
  readonly opsets: Readonly<Record<string, number>>;
  readonly producer: string;
  /** Without those that are initializers (which have a default). */
  readonly inputs: readonly GraphValue[];
  readonly outputs: readonly GraphValue[];
  /** Beside the model, as it names them. */
  readonly externalFiles: readonly string[];
  readonly parameterBytes: number;
  /** Elements of floating point, half or double precision: what a rewrite can make smaller. */
  readonly floatParameters: { readonly FP16: number; readonly FP32: number; readonly FP64: number };
  /** How often each operator occurs, subgraphs included; other domains as `domain::Operator`. */
  readonly operators: Readonly<Record<string, number>>;
}

export function factsOf(model: OnnxModel): ModelFacts {
  const { proto } = model;
  const initialized = new Set(proto.graph.initializer.map(({ name }) => name));
  return {
    irVersion: Number(proto.irVersion),
    opsets: Object.fromEntries(
      proto.opsetImport.map((opset) => [domainOf(opset), Number(opset.version)]),
    ),
    producer: proto.producerName,
    inputs: proto.graph.input.filter(({ name }) => !initialized.has(name)).map(valueOf),
    outputs: proto.graph.output.map(valueOf),
    externalFiles: externalFiles(tensorsOf(proto)),
    ...parametersOf(model),
    operators: countOperators(proto.graph),
  };
}

function valueOf({ name, type }: ValueInfoProto): GraphValue {
  if (type?.value.case !== 'tensorType') {
    const what = type?.value.case?.replace(/Type$/, '') ?? 'unknown';
    return { name, datatype: undefined, type: what, shape: undefined };
  }
  const { elemType, shape } = type.value.value;
  const element = elementTypeName(elemType)?.toLowerCase() ?? 'unknown';
  return {
    name,
    datatype: datatypeOf(elemType),
    type: `tensor(${element})`,
    shape: shape?.dim.map((dim, axis) => sizeOf(dim, `${name}_${axis}`)),
  };
}

/** Some exporters write −1 or an empty symbol for a dimension that is free. */
function sizeOf({ value }: Dimension, fallback: string): number | string {
  if (value.case === 'dimValue' && value.value >= 0n) return Number(value.value);
  return value.case === 'dimParam' && value.value !== '' ? value.value : fallback;
}

function parametersOf(model: OnnxModel): Pick<ModelFacts, 'parameterBytes' | 'floatParameters'> {
  let parameterBytes = 0;
  const floatParameters = { FP16: 0, FP32: 0, FP64: 0 };
  for (const tensor of tensorsOf(model.proto)) {
    const count = countElements(tensor, model.file);
    parameterBytes += bytesOfElements(tensor.dataType, count);
    if (tensor.dataType === elementTypes.FLOAT) floatParameters.FP32 += count;
    if (tensor.dataType === elementTypes.FLOAT16) floatParameters.FP16 += count;
    if (tensor.dataType === elementTypes.DOUBLE) floatParameters.FP64 += count;
  }
  return { parameterBytes, floatParameters };
}

function countOperators(graph: GraphProto): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const node of nodesOf(graph)) {
    const domain = domainOf(node);
    const name = domain === '' ? node.opType : `${domain}::${node.opType}`;
    counts[name] = (counts[name] ?? 0) + 1;
  }
  return Object.fromEntries(Object.entries(counts).sort(([a], [b]) => (a < b ? -1 : 1)));
}
