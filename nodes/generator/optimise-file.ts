/**
 * ONNX Runtime's own optimiser, its result written out as a file. It loads the model, so it belongs
 * into a process that may die of it.
 */

import { cpus, arch } from 'node:os';

import { env, InferenceSession } from 'onnxruntime-node';

import { EngineFailed, messageOf } from '../../runtime/errors.ts';
import type { OptimisationLevel } from './candidate.ts';

/**
 * The machine type that a file above `extended` is bound to: its layout fits the vectors of this
 * processor, and its operators are private to this version of the runtime.
 */
export function machineType(): string {
  const model = cpus()[0]?.model.replaceAll(/\s+/g, ' ').trim() ?? 'unknown processor';
  return `${arch()}, ${model}, ${runtimeVersion()}`;
}

export function runtimeVersion(): string {
  return `onnxruntime ${env.versions.common}`;
}

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
