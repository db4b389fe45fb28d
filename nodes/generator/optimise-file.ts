/**
 * ONNX Runtime's own optimiser, its result written out as a file. It loads the model, so it belongs
 * into a process that may die of it.
 */

import { InferenceSession } from 'onnxruntime-node';

import { EngineFailed, messageOf } from '../../runtime/errors.ts';
import type { OptimisationLevel } from './candidate.ts';

/**
 * Writes `source`, optimised at `level` for the CPU provider, to `target`. Tensors go into
 * `externalName` beside it when that is given, as they must beyond 2 GiB. Throws EngineFailed.
 */
export async function optimiseFile(
  source: string,
  level: OptimisationLevel,
  target: string,
  externalName?: string,
): Promise<void> {
  const outside = { optimized_model_external_initializers_file_name: externalName };
  try {
    const session = await InferenceSession.create(source, {
      executionProviders: ['cpu'],
      graphOptimizationLevel: level,
      optimizedModelFilePath: target,
      intraOpNumThreads: 1,
      interOpNumThreads: 1,
      logSeverityLevel: 4,
      ...(externalName === undefined ? {} : { extra: { session: outside } }),
    });
    await session.release();
  } catch (error) {
    const message = `ONNX Runtime cannot optimise it at level ${level}: ${messageOf(error)}`;
    throw new EngineFailed(message, source, error);
  }
}
