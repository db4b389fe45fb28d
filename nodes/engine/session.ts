/**
 * A variant's session in a lane: verify the file, create, run, release. Everything here blocks the
 * lane's thread, as ONNX Runtime's `create()` and `run()` do.
 */

import { createHash } from 'node:crypto';
import { closeSync, openSync, readSync } from 'node:fs';

import { env, InferenceSession, Tensor } from 'onnxruntime-node';

import { EngineFailed, messageOf } from '../../runtime/errors.ts';
import {
  bytesOf,
  type Datatype,
  packStrings,
  stringsOf,
  typedArrayOf,
} from '../../runtime/wire/tensors.ts';
import type { ModelFile } from '../../actors/domain/variant.ts';
import { alignedBytes } from './frames.ts';
import type { GraphTensor, LoadRequest, SessionSettings } from './messages.ts';
import { tensorTypes } from './tensor-types.ts';

// Its warnings about constants nobody needs would fill the log.
env.logLevel = 'error';

/** The graph `y = -x` of one float: 70 bytes of ONNX. */
const smallestModel =
  'CAgSBmluZmFhczo2CgsKAXgSAXkiA05lZxIFZ3JhcGhaDwoBeBIKCggIARIECgIIAWIPCgF5EgoKCAgB' +
  'EgQKAggBQgIQDw==';

const hashBytes = 256 * 1024;

/**
 * ONNX Runtime sets itself up with the first session of a process: tens of megabytes and of
 * milliseconds that belong to no variant, so they are spent before the first load is measured.
 */
export async function warmRuntime(settings: SessionSettings): Promise<void> {
  const session = await InferenceSession.create(
    Buffer.from(smallestModel, 'base64'),
    sessionOptions(settings),
  );
  await session.run({ x: new Tensor('float32', [1], [1]) });
  await session.release();
}

export interface LaneSession {
  readonly inputs: readonly GraphTensor[];
  readonly outputs: readonly GraphTensor[];
  readonly onnx: InferenceSession;
  /** Wall time of ONNX Runtime's `create()` alone. */
  readonly createMs: number;
}

export interface SessionOutput {
  readonly shape: readonly number[];
  readonly data: Uint8Array;
}

/**
 * Throws EngineFailed: file absent or changed, graph unreadable, or not what the signature says.
 */
export async function createSession(
  request: LoadRequest,
  settings: SessionSettings,
): Promise<LaneSession> {
  const { file, verified, inputs, outputs } = request;
  if (!verified) verifyFile(file);
  let onnx: InferenceSession;
  const startedMs = performance.now();
  try {
    onnx = await InferenceSession.create(file.path, sessionOptions(settings));
  } catch (error) {
    throw new EngineFailed(`ONNX Runtime refuses it: ${messageOf(error)}`, file.path, error);
  }
  const createMs = performance.now() - startedMs;
  try {
    checkGraph(file, onnx.inputMetadata, inputs, 'input');
    checkGraph(file, onnx.outputMetadata, outputs, 'output');
    const fed = new Set(inputs.map(({ name }) => name));
    const missing = onnx.inputNames.filter((name) => !fed.has(name));
    if (missing.length > 0) {
      throw new EngineFailed(`nothing feeds its input "${missing.join('", "')}"`, file.path);
    }
  } catch (error) {
    await onnx.release();
    throw error;
  }
  return { inputs, outputs, onnx, createMs };
}

/** How every session here is created: what is measured elsewhere must be set alike. */
export function sessionOptions(settings: SessionSettings): InferenceSession.SessionOptions {
  return {
    executionProviders: [{ name: 'cpu', useArena: settings.cpuArena }],
    graphOptimizationLevel: settings.optimisation,
    enableCpuMemArena: settings.cpuArena,
    enableMemPattern: settings.memoryPattern,
    executionMode: 'sequential',
    intraOpNumThreads: settings.threads ?? 1,
    interOpNumThreads: 1,
    // What fails is answered; on standard error it would be taken for a host's last words.
    logSeverityLevel: 4,
    extra: { session: { intra_op: { allow_spinning: '0' }, inter_op: { allow_spinning: '0' } } },
  };
}

function verifyFile(file: ModelFile): void {
  let sha256: string;
  try {
    sha256 = hashFile(file.path);
  } catch (error) {
    throw new EngineFailed(`its file cannot be read: ${messageOf(error)}`, file.path, error);
  }
  if (sha256 !== file.sha256) {
    const why = `its sha256 is ${sha256}, not ${file.sha256}`;
    throw new EngineFailed(`${file.path} is not the registered file: ${why}`, file.path);
  }
}

/** Through one buffer: a stream would leave the whole file behind for the garbage collector. */
function hashFile(path: string): string {
  const hash = createHash('sha256');
  const buffer = Buffer.allocUnsafeSlow(hashBytes);
  const file = openSync(path, 'r');
  try {
    for (;;) {
      const bytes = readSync(file, buffer);
      if (bytes === 0) return hash.digest('hex');
      hash.update(buffer.subarray(0, bytes));
    }
  } finally {
    closeSync(file);
  }
}

function checkGraph(
  file: ModelFile,
  graph: readonly InferenceSession.ValueMetadata[],
  tensors: readonly GraphTensor[],
  side: string,
): void {
  for (const { name, datatype } of tensors) {
    const found = graph.find((value) => value.name === name);
    const type = found?.isTensor === true ? found.type : 'not a tensor';
    if (found === undefined) {
      const known = graph.map((value) => value.name).join(', ');
      throw new EngineFailed(`the graph has no ${side} "${name}"; it has ${known}`, file.path);
    }
    if (type !== tensorTypes[datatype]) {
      const message = `the graph's ${side} "${name}" is ${type}, the signature says ${datatype}`;
      throw new EngineFailed(message, file.path);
    }
  }
}

/** Runs a batch whose inputs' bytes lie 8-aligned in `body`. Throws what ONNX Runtime throws. */
export async function runSession(
  session: LaneSession,
  shapes: readonly (readonly number[])[],
  byteLengths: readonly number[],
  wanted: readonly number[],
  body: Uint8Array,
): Promise<{ readonly inferMs: number; readonly outputs: readonly SessionOutput[] }> {
  const feeds: Record<string, Tensor> = {};
  let at = 0;
  session.inputs.forEach(({ name, datatype }, index) => {
    const bytes = byteLengths[index] ?? 0;
    feeds[name] = tensorFrom(datatype, shapes[index] ?? [], body.subarray(at, at + bytes));
    at += alignedBytes(bytes);
  });
  const fetched = wanted.flatMap((index) => session.outputs[index] ?? []);
  const startedMs = performance.now();
  const results = await session.onnx.run(
    feeds,
    fetched.map(({ name }) => name),
  );
  const inferMs = performance.now() - startedMs;
  const outputs = fetched.map(({ name }) => outputFrom(results[name]));
  return { inferMs, outputs };
}

function tensorFrom(datatype: Datatype, shape: readonly number[], data: Uint8Array): Tensor {
  if (datatype === 'BYTES') {
    return new Tensor('string', (stringsOf(data) ?? []).map(textFrom), shape);
  }
  const elements = typedArrayOf({ datatype, data });
  return new Tensor(tensorTypes[datatype], elements as Tensor['data'], shape);
}

const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/**
 * ONNX Runtime's strings are text here, and its binding ends them at a zero: refused, not changed.
 */
function textFrom(element: Uint8Array): string {
  if (element.includes(0)) throw new TypeError('a string that contains a zero byte');
  return utf8.decode(element);
}

function outputFrom(tensor: Tensor | undefined): SessionOutput {
  if (tensor === undefined) return { shape: [0], data: new Uint8Array(0) };
  const { data } = tensor;
  const bytes = Array.isArray(data)
    ? packStrings(data.map((text) => Buffer.from(text, 'utf8')))
    : bytesOf(data);
  return { shape: tensor.dims, data: bytes };
}
