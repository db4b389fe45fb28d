/** Runs a model in ONNX Runtime from its messages. */

import { InferenceSession, Tensor } from 'onnxruntime-node';

import type { OnnxModel } from '../../../../nodes/onnx/model.ts';
import { modelBytes } from '../../../../nodes/onnx/write-model.ts';

export type Feeds = Readonly<Record<string, Tensor>>;

export async function runBytes(model: OnnxModel, feeds: Feeds): Promise<Record<string, Tensor>> {
  const session = await InferenceSession.create(modelBytes(model), {
    intraOpNumThreads: 1,
    interOpNumThreads: 1,
    logSeverityLevel: 4,
  });
  try {
    return await session.run(feeds);
  } finally {
    await session.release();
  }
}

export const floatsOf = (tensor: Tensor | undefined): Float32Array => tensor?.data as Float32Array;

/** Root mean square of the differences over that of the wanted, or over `least` if that is more. */
export function relativeError(want: Float32Array, have: Float32Array, least = 0): number {
  let errors = 0;
  let squares = 0;
  want.forEach((value, at) => {
    errors += (value - (have[at] ?? NaN)) ** 2;
    squares += value ** 2;
  });
  const scale = Math.max(least, Math.sqrt(squares / want.length));
  return errors === 0 ? 0 : Math.sqrt(errors / want.length) / scale;
}

export function floatTensor(dims: readonly number[], values: Float32Array): Tensor {
  return new Tensor('float32', values, dims);
}
