/**
 * A model opened on the lab's bench: its session as the engine would create it, fed by the same
 * plan as the engine feeds it, so that what is measured here is what runs there.
 */

import { InferenceSession } from 'onnxruntime-node';

import type { Signature } from '../../actors/domain/signature.ts';
import type { EngineQuery } from '../../actors/instance/engine-port.ts';
import { messageOf } from '../../runtime/errors.ts';
import type { NamedTensors } from '../../runtime/wire/tensors.ts';
import {
  answerBatch,
  type BatchFeed,
  feedBatch,
  type FeedPlan,
  planFeeds,
} from '../engine/feeds.ts';
import type { GraphTensor, RanReply, SessionSettings } from '../engine/messages.ts';
import {
  type LaneSession,
  runSession,
  sessionOptions,
  type SessionOutput,
} from '../engine/session.ts';
import { datatypeOf } from '../engine/tensor-types.ts';
import { ModelRefused } from './errors.ts';
import type { ModelFit } from './messages.ts';

export interface OpenModel {
  readonly file: string;
  readonly onnx: InferenceSession;
  /** Wall time of ONNX Runtime's `create()` alone. */
  readonly createMs: number;
  readonly inputs: readonly GraphTensor[];
  readonly outputs: readonly GraphTensor[];
}

/** Throws ModelRefused: unloadable, or with inputs or outputs that are no tensors of ours. */
export async function openModel(file: string, settings: SessionSettings): Promise<OpenModel> {
  let onnx: InferenceSession;
  const startedMs = performance.now();
  try {
    onnx = await InferenceSession.create(file, sessionOptions(settings));
  } catch (error) {
    const message = `${file}: ONNX Runtime refuses it: ${messageOf(error)}`;
    throw new ModelRefused('unloadable', message, file, error);
  }
  const createMs = performance.now() - startedMs;
  const describe =
    (side: string) =>
    (value: InferenceSession.ValueMetadata): GraphTensor => {
      const datatype = value.isTensor ? datatypeOf(value.type) : undefined;
      if (value.isTensor && datatype !== undefined) {
        return { name: value.name, datatype, shape: value.shape };
      }
      const what = value.isTensor ? `of ${value.type}` : 'no tensor (a sequence, map or optional)';
      const message = `${file}: its ${side} "${value.name}" is ${what}, which no query can carry`;
      throw new ModelRefused('unsupported', message, file);
    };
  try {
    const inputs = onnx.inputMetadata.map(describe('input'));
    const outputs = onnx.outputMetadata.map(describe('output'));
    return { file, onnx, createMs, inputs, outputs };
  } catch (error) {
    await onnx.release();
    throw error;
  }
}

/** A model with the plan that feeds it: what an instance is to the engine. */
export interface FedModel {
  readonly model: OpenModel;
  readonly signature: Signature;
  readonly plan: FeedPlan;
  readonly session: LaneSession;
}

/** Throws ModelRefused (`misfit`) where the graph is not what signature and adapter say. */
export function feedModel(model: OpenModel, { signature, adapter = {} }: ModelFit): FedModel {
  const plan = planFeeds({ id: model.file, signature, adapter });
  const inputs = plan.inputs.map(({ graph }) => graph);
  const outputs = plan.outputs.map(({ graph }) => graph);
  matchGraph(model, inputs, model.inputs, 'input');
  matchGraph(model, outputs, model.outputs, 'output');
  const fed = new Set(inputs.map(({ name }) => name));
  const missing = model.inputs.filter(({ name }) => !fed.has(name)).map(({ name }) => name);
  if (missing.length > 0) {
    throw misfit(model, `nothing in the signature feeds its input "${missing.join('", "')}"`);
  }
  const session: LaneSession = { inputs, outputs, onnx: model.onnx, createMs: model.createMs };
  return { model, signature, plan, session };
}

function matchGraph(
  model: OpenModel,
  wanted: readonly GraphTensor[],
  declared: readonly GraphTensor[],
  side: string,
): void {
  for (const { name, datatype, shape } of wanted) {
    const found = declared.find((value) => value.name === name);
    if (found === undefined) {
      const known = declared.map((value) => value.name).join(', ');
      throw misfit(model, `the graph has no ${side} "${name}"; it has ${known}`);
    }
    if (found.datatype !== datatype) {
      const what = `the graph's ${side} "${name}" is ${found.datatype}`;
      throw misfit(model, `${what}, the signature says ${datatype}`);
    }
    // Without dimensions a graph may mean a scalar, or not say.
    const differs =
      found.shape.length > 0 &&
      (found.shape.length !== shape.length ||
        found.shape.some((size, axis) => {
          const want = shape[axis];
          return typeof size === 'number' && typeof want === 'number' && size !== want;
        }));
    if (differs) {
      const what = `the graph's ${side} "${name}" is [${found.shape.join(', ')}]`;
      throw misfit(model, `${what}, the signature says [${shape.join(', ')}]`);
    }
  }
}

export function misfit({ file }: Pick<OpenModel, 'file'>, what: string): ModelRefused {
  return new ModelRefused('misfit', `${file}: ${what}`, file);
}

/** Single queries as the engine's, every output wanted. */
export function queriesOf(samples: readonly NamedTensors[]): EngineQuery[] {
  return samples.map((inputs) => ({ inputs, batch: 1, outputs: undefined }));
}

/** A batch ready to run, any number of times. */
export interface PreparedBatch {
  readonly queries: readonly EngineQuery[];
  readonly feed: BatchFeed;
  readonly body: Uint8Array;
}

/** Throws EngineFailed where an input is missing. */
export function prepareBatch(fed: FedModel, samples: readonly NamedTensors[]): PreparedBatch {
  const queries = queriesOf(samples);
  const feed = feedBatch(fed.plan, queries);
  // A buffer of its own, so 8-aligned as a lane's frames are.
  const body = new Uint8Array(feed.body.bytes);
  let at = 0;
  for (const piece of feed.body.pieces) {
    body.set(piece, at);
    at += piece.byteLength;
  }
  return { queries, feed, body };
}

/** Runs it; throws what ONNX Runtime throws. Outputs are in the plan's order. */
export function runBatch(
  fed: FedModel,
  { feed, body }: PreparedBatch,
): Promise<{ readonly inferMs: number; readonly outputs: readonly SessionOutput[] }> {
  return runSession(fed.session, feed.shapes, feed.byteLengths, feed.wanted, body);
}

/** One answer a sample, by the signature's names. Throws what the engine would. */
export async function answerSamples(
  fed: FedModel,
  samples: readonly NamedTensors[],
): Promise<readonly NamedTensors[]> {
  const prepared = prepareBatch(fed, samples);
  const { inferMs, outputs } = await runBatch(fed, prepared);
  const shapes = outputs.map(({ shape }) => shape);
  const lengths = outputs.map(({ data }) => data.byteLength);
  const reply: RanReply = [inferMs, shapes, lengths];
  return answerBatch(fed.plan, prepared.queries, prepared.feed.wanted, reply, joined(outputs));
}

/** As a frame's body has them: one after the other, each 8-aligned. */
function joined(outputs: readonly SessionOutput[]): Uint8Array {
  const aligned = (bytes: number): number => Math.ceil(bytes / 8) * 8;
  const body = new Uint8Array(outputs.reduce((sum, { data }) => sum + aligned(data.byteLength), 0));
  let at = 0;
  for (const { data } of outputs) {
    body.set(data, at);
    at += aligned(data.byteLength);
  }
  return body;
}
