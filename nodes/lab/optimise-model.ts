/**
 * ONNX Runtime's own graph optimiser, written out: it saves the graph a session ended up with. What
 * it makes above `extended` is laid out for the processor it ran on and belongs to that machine
 * type.
 */

import { renameSync, rmSync, statSync } from 'node:fs';
import { basename } from 'node:path';

import { InferenceSession } from 'onnxruntime-node';

import { messageOf } from '../../runtime/errors.ts';
import type { SessionSettings } from '../engine/messages.ts';
import { sessionOptions } from '../engine/session.ts';
import { ModelRefused } from './errors.ts';
import type { OptimiseOptions, OptimiseReport } from './messages.ts';

/** Protobuf ends at 2 GiB: weights of larger models go into a file beside. */
const inlineBytesMax = 1.5 * 1024 ** 3;

/**
 * Writes `outFile`, whole or not at all, and for large models `outFile` + `.data` beside it. Throws
 * ModelRefused where ONNX Runtime does not take the file.
 */
export async function optimiseModel(
  file: string,
  fileBytes: number,
  { level, outFile }: OptimiseOptions,
  settings: SessionSettings,
): Promise<OptimiseReport> {
  // Not renamed where weights lie beside: the graph names that file.
  const external = fileBytes > inlineBytesMax;
  const target = external ? outFile : `${outFile}.part`;
  const options = sessionOptions({ ...settings, optimisation: level });
  const beside = { optimized_model_external_initializers_file_name: `${basename(outFile)}.data` };
  const session = { ...(options.extra?.['session'] as object), ...(external ? beside : {}) };
  const startedMs = performance.now();
  try {
    const onnx = await InferenceSession.create(file, {
      ...options,
      optimizedModelFilePath: target,
      extra: { ...options.extra, session },
    });
    await onnx.release();
    if (!external) renameSync(target, outFile);
  } catch (error) {
    rmSync(target, { force: true });
    const message = `${file}: ONNX Runtime cannot optimise it: ${messageOf(error)}`;
    throw new ModelRefused('unloadable', message, file, error);
  }
  return { bytes: statSync(outFile).size, loadMs: performance.now() - startedMs };
}
