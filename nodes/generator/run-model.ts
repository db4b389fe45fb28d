/** Runs a model on samples, in whichever process this is called: for ranges and for comparing. */

import { InferenceSession, Tensor as OnnxTensor } from 'onnxruntime-node';

import { EngineFailed, messageOf } from '../../runtime/errors.ts';
import {
  bytesOf,
  type Datatype,
  type NamedTensors,
  packStrings,
  stringsOf,
  type Tensor,
  typedArrayOf,
} from '../../runtime/wire/tensors.ts';
import { datatypeOf, tensorTypes } from '../engine/tensor-types.ts';

/**
 * The outputs for each sample, by the graph's names; `see` is called with them instead of keeping
 * them. Throws EngineFailed where the model does not load or a sample does not run.
 */
export async function runModel(
  file: string,
  samples: readonly NamedTensors[],
  see: (outputs: NamedTensors, sample: NamedTensors) => void,
): Promise<void> {
  let session: InferenceSession | undefined;
  try {
    session = await InferenceSession.create(file, {
      executionProviders: ['cpu'],
      intraOpNumThreads: 1,
      interOpNumThreads: 1,
      logSeverityLevel: 4,
      extra: { session: { intra_op: { allow_spinning: '0' } } },
    });
    for (const sample of samples) see(await runOnce(session, sample), sample);
  } catch (error) {
    throw new EngineFailed(`${file} does not run: ${messageOf(error)}`, file, error);
  } finally {
    await session?.release();
  }
}

async function runOnce(session: InferenceSession, sample: NamedTensors): Promise<NamedTensors> {
  const feeds: Record<string, OnnxTensor> = {};
  for (const [name, tensor] of Object.entries(sample)) feeds[name] = toOnnx(tensor);
  const results = await session.run(feeds);
  const outputs: Record<string, Tensor> = {};
  for (const [name, tensor] of Object.entries(results)) {
    const datatype = datatypeOf(tensor.type);
    // A sequence or a type without a name here cannot be compared, and is not.
    if (datatype !== undefined) outputs[name] = fromOnnx(tensor, datatype);
  }
  return outputs;
}

function toOnnx(tensor: Tensor): OnnxTensor {
  if (tensor.datatype === 'BYTES') {
    const texts = (stringsOf(tensor.data) ?? []).map((bytes) => Buffer.from(bytes).toString());
    return new OnnxTensor('string', texts, tensor.shape);
  }
  const elements = typedArrayOf(tensor);
  return new OnnxTensor(tensorTypes[tensor.datatype], elements as OnnxTensor['data'], tensor.shape);
}

function fromOnnx(tensor: OnnxTensor, datatype: Datatype): Tensor {
  const { data, dims } = tensor;
  const bytes = Array.isArray(data)
    ? packStrings(data.map((text) => Buffer.from(text, 'utf8')))
    : bytesOf(data).slice();
  return { datatype, shape: dims, data: bytes };
}
