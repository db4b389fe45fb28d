/**
 * A variant's plan from queries to its graph's inputs, and from the graph's outputs to answers:
 * names, tails, shared inputs, state that starts as zeros, batch axes. Made once a load; pure.
 *
 * The bytes are laid out here, in the order in which ONNX Runtime wants them, so that a lane has
 * nothing to rearrange: writing the frame is the copy that joins.
 */

import type { EngineQuery } from '../../actors/instance/engine-port.ts';
import { batchAxisOf, batchDimension, type TensorSpec } from '../../actors/domain/signature.ts';
import type { Variant } from '../../actors/domain/variant.ts';
import { EngineFailed } from '../../runtime/errors.ts';
import { bytesPerElement, elementCount, type NamedTensors } from '../../runtime/wire/tensors.ts';
import {
  joinedShape,
  joinPieces,
  joinStrings,
  type Part,
  splitBatch,
  splitStrings,
  takeTail,
  takeTailStrings,
} from './batch-layout.ts';
import { alignedBytes, FrameBody, zeroBytes } from './frames.ts';
import type { GraphTensor, RanReply } from './messages.ts';

interface PlannedTensor {
  /** The task's name. */
  readonly name: string;
  readonly spec: TensorSpec;
  /** −1: one tensor for the whole batch. */
  readonly axis: number;
  readonly graph: GraphTensor;
}

interface PlannedInput extends PlannedTensor {
  /** Elements to keep along the last axis. */
  readonly tail: number | undefined;
}

export interface FeedPlan {
  readonly variantId: string;
  readonly inputs: readonly PlannedInput[];
  readonly outputs: readonly PlannedTensor[];
}

export function planFeeds(variant: Pick<Variant, 'id' | 'signature' | 'adapter'>): FeedPlan {
  const { signature, adapter } = variant;
  const dropped = new Set(adapter.drop);
  const inputs = Object.entries(signature.inputs)
    .filter(([name]) => !dropped.has(name))
    .map(([name, spec]): PlannedInput => {
      const tail = adapter.tail?.[name];
      const graphName = adapter.inputs?.[name] ?? name;
      const axis = spec.shared === true ? -1 : batchAxisOf(spec);
      return { name, spec, axis, tail, graph: graphTensor(graphName, spec, tail) };
    });
  const outputs = Object.entries(signature.outputs).map(([name, spec]): PlannedTensor => {
    const graph = graphTensor(adapter.outputs?.[name] ?? name, spec, undefined);
    return { name, spec, axis: batchAxisOf(spec), graph };
  });
  return { variantId: variant.id, inputs, outputs };
}

function graphTensor(name: string, spec: TensorSpec, tail: number | undefined): GraphTensor {
  const last = spec.shape.at(-1);
  const cut = tail !== undefined && (typeof last === 'string' || (last ?? 0) > tail);
  const shape = cut ? [...spec.shape.slice(0, -1), tail] : spec.shape;
  return { name, datatype: spec.datatype, shape };
}

/** A batch's inputs: joined shapes and bytes in the plan's order, and which outputs to fetch. */
export interface BatchFeed {
  readonly shapes: readonly (readonly number[])[];
  readonly byteLengths: readonly number[];
  readonly body: FrameBody;
  /** Positions in `plan.outputs`, ascending. */
  readonly wanted: readonly number[];
}

/** Throws EngineFailed where an input is missing that is no state. */
export function feedBatch(plan: FeedPlan, queries: readonly EngineQuery[]): BatchFeed {
  const shapes: (readonly number[])[] = [];
  const byteLengths: number[] = [];
  const body = new FrameBody();
  for (const input of plan.inputs) {
    const from = input.axis < 0 ? queries.slice(0, 1) : queries;
    const parts = from.map((query) => partOf(plan, input, query));
    const [only] = parts;
    if (parts.length === 1 && only !== undefined) {
      shapes.push(only.shape);
      byteLengths.push(body.addTensor([only.data]));
    } else {
      const strings = input.spec.datatype === 'BYTES';
      shapes.push(joinedShape(parts, input.axis));
      byteLengths.push(
        body.addTensor(strings ? [joinStrings(parts, input.axis)] : joinPieces(parts, input.axis)),
      );
    }
  }
  return { shapes, byteLengths, body, wanted: wantedOutputs(plan, queries) };
}

function partOf(plan: FeedPlan, input: PlannedInput, query: EngineQuery): Part {
  const tensor = query.inputs[input.name];
  if (tensor === undefined) {
    if (input.spec.state !== undefined) return zeroPart(input.graph, query.batch);
    throw new EngineFailed(`input "${input.name}" is missing`, plan.variantId);
  }
  if (input.tail === undefined) return tensor;
  return tensor.datatype === 'BYTES'
    ? takeTailStrings(tensor, input.tail)
    : takeTail(tensor, input.tail);
}

/** Zeros (empty strings for BYTES) in the graph's shape; free dimensions are 1. */
export function zeroPart(graph: GraphTensor, batch: number): Part {
  const shape = concreteShape(graph.shape, batch);
  const elementBytes = graph.datatype === 'BYTES' ? 4 : bytesPerElement(graph.datatype);
  return { shape, data: zeroBytes(elementCount(shape) * elementBytes) };
}

function concreteShape(shape: readonly (number | string)[], batch: number): number[] {
  return shape.map((size) => {
    if (typeof size === 'number') return size;
    return size === batchDimension ? batch : 1;
  });
}

function wantedOutputs(plan: FeedPlan, queries: readonly EngineQuery[]): number[] {
  const all = queries.some((query) => query.outputs === undefined);
  const wanted: number[] = [];
  plan.outputs.forEach(({ name }, index) => {
    if (all || queries.some((query) => query.outputs?.includes(name))) wanted.push(index);
  });
  return wanted;
}

/**
 * One answer a query, each a view of `body` where the layout allows. Throws EngineFailed when an
 * output's batch axis is not as long as the batch.
 */
export function answerBatch(
  plan: FeedPlan,
  queries: readonly EngineQuery[],
  wanted: readonly number[],
  [, shapes, byteLengths]: RanReply,
  body: Uint8Array,
): NamedTensors[] {
  const answers = queries.map((): Record<string, NamedTensors[string]> => ({}));
  const sizes = queries.map((query) => query.batch);
  let at = 0;
  wanted.forEach((position, index) => {
    const output = plan.outputs[position];
    const bytes = byteLengths[index] ?? 0;
    const joined: Part = { shape: shapes[index] ?? [], data: body.subarray(at, at + bytes) };
    at += alignedBytes(bytes);
    if (output === undefined) return;
    const parts = splitOutput(plan, output, joined, sizes);
    queries.forEach((query, slot) => {
      const part = parts[slot];
      const answer = answers[slot];
      if (part === undefined || answer === undefined) return;
      if (query.outputs !== undefined && !query.outputs.includes(output.name)) return;
      const { shape, data } = part;
      answer[output.name] = { datatype: output.spec.datatype, shape, data };
    });
  });
  return answers;
}

function splitOutput(
  plan: FeedPlan,
  output: PlannedTensor,
  joined: Part,
  sizes: readonly number[],
): readonly Part[] {
  if (output.axis < 0) return sizes.map(() => joined);
  const total = sizes.reduce((sum, size) => sum + size, 0);
  if (joined.shape[output.axis] !== total) {
    const message =
      `output "${output.name}" has shape [${joined.shape.join(', ')}]; ` +
      `its axis ${String(output.axis)} should be the batch of ${String(total)}`;
    throw new EngineFailed(message, plan.variantId);
  }
  return output.spec.datatype === 'BYTES'
    ? splitStrings(joined, output.axis, sizes)
    : splitBatch(joined, output.axis, sizes);
}
