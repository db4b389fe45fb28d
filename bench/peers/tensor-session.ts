/**
 * What both peers share: a warmed-up ONNX Runtime session in the serving process itself, one FP32
 * input in, one FP32 output out, batch 1. Tuned as by somebody who writes a server for one model.
 */

import { parseArgs } from 'node:util';

import * as ort from 'onnxruntime-node';

export interface PeerOptions {
  readonly model: string;
  readonly input: string;
  readonly output: string;
  readonly shape: readonly number[];
  /** Undefined: as many as ONNX Runtime takes by default, one a core. */
  readonly threads: number | undefined;
  readonly port: number;
  readonly nats: string;
  readonly name: string;
}

/** Bytes of the input tensor to bytes of the output tensor. */
export type Infer = (data: Uint8Array) => Promise<Uint8Array>;

const WARM_UP_RUNS = 50;

export function peerOptions(args: readonly string[]): PeerOptions {
  const { values } = parseArgs({
    args: [...args],
    options: {
      model: { type: 'string' },
      input: { type: 'string', default: 'image' },
      output: { type: 'string', default: 'logits' },
      shape: { type: 'string', default: '1,1,28,28' },
      threads: { type: 'string', default: 'default' },
      port: { type: 'string', default: '0' },
      nats: { type: 'string', default: 'nats://127.0.0.1:4222' },
      name: { type: 'string', default: 'infer' },
    },
  });
  if (values.model === undefined) throw new Error('--model FILE is missing');
  return {
    model: values.model,
    input: values.input,
    output: values.output,
    shape: values.shape.split(',').map(Number),
    threads: values.threads === 'default' ? undefined : Number(values.threads),
    port: Number(values.port),
    nats: values.nats,
    name: values.name,
  };
}

export async function createInfer(options: PeerOptions): Promise<Infer> {
  const { input, output, shape, threads } = options;
  const session = await ort.InferenceSession.create(options.model, {
    graphOptimizationLevel: 'all',
    executionMode: 'sequential',
    ...(threads === undefined ? {} : { intraOpNumThreads: threads, interOpNumThreads: 1 }),
  });
  const elements = shape.reduce((product, size) => product * size, 1);
  const fetches = [output];
  const infer: Infer = async (data) => {
    if (data.byteLength !== elements * 4) {
      throw new Error(`expected ${elements * 4} bytes, got ${data.byteLength}`);
    }
    const feeds = { [input]: new ort.Tensor('float32', floatsOf(data), shape) };
    const answer = (await session.run(feeds, fetches))[output];
    if (answer === undefined) throw new Error(`the model has no output "${output}"`);
    return bytesOf(answer.data as Float32Array);
  };
  const zeros = new Uint8Array(elements * 4);
  for (let run = 0; run < WARM_UP_RUNS; run += 1) await infer(zeros);
  return infer;
}

/** A view where the bytes happen to be aligned, a copy of a few KB where not. */
function floatsOf(data: Uint8Array): Float32Array {
  if (data.byteOffset % 4 === 0) {
    return new Float32Array(data.buffer, data.byteOffset, data.byteLength / 4);
  }
  // Not `slice`: a Buffer's gives a view.
  return new Float32Array(new Uint8Array(data).buffer);
}

function bytesOf(view: ArrayBufferView): Uint8Array {
  return new Uint8Array(view.buffer, view.byteOffset, view.byteLength);
}
