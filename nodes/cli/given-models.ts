/**
 * Models given to `infaas up`: manifests that say everything are served from the start; ONNX files,
 * and manifests that leave something to be measured, are registered as soon as the system is up.
 */

import { extname } from 'node:path';

import { messageOf } from '../../runtime/errors.ts';
import { readManifest } from '../load-manifests.ts';
import type { Cli } from './cli.ts';
import { UsageError } from './errors.ts';
import { type ModelFiles, modelFilesOf, type RegisterFlags } from './model-files.ts';
import { startProgress } from './progress.ts';

export interface GivenModels {
  /** Paths of manifests. */
  readonly readyMade: readonly string[];
  readonly toRegister: readonly (ModelFiles & { readonly path: string })[];
}

/** Throws UsageError, ManifestInvalid or CommandFailed for what can be seen to be wrong already. */
export function sortModels(paths: readonly string[], flags: RegisterFlags): GivenModels {
  const files = paths.filter((path) => extname(path).toLowerCase() === '.onnx');
  const [flag] = Object.keys(flags);
  if (flag !== undefined && files.length !== 1) {
    throw new UsageError(`--${flag} goes with one --model FILE.onnx; give manifests for several`);
  }
  const readyMade: string[] = [];
  const toRegister: GivenModels['toRegister'][number][] = [];
  for (const path of paths) {
    const isFile = files.includes(path);
    if (!isFile && saysAll(path)) readyMade.push(path);
    else toRegister.push({ path, ...modelFilesOf(path, isFile ? flags : {}) });
  }
  return { readyMade, toRegister };
}

function saysAll(path: string): boolean {
  const { accuracy, signature, profile } = readManifest(path);
  return accuracy !== undefined && signature !== undefined && profile !== undefined;
}

/** One after another. What is refused is told on stderr; the system serves what else it has. */
export async function registerGiven(
  { terminal }: Cli,
  { toRegister }: GivenModels,
  url: string,
  token: string | undefined,
): Promise<void> {
  if (toRegister.length === 0) return;
  const { connectToSystem } = await import('./connection.ts');
  const { progressText, registrationText } = await import('./registration-text.ts');
  const system = await connectToSystem({ url, token });
  try {
    for (const { path, manifest, files } of toRegister) {
      const progress = startProgress(terminal, `registering ${path}`, { atOnce: true });
      try {
        const report = await system.register({ ...manifest }, files, {
          onProgress: (told) => {
            progress.update(progressText(told));
          },
        });
        progress.done();
        terminal.err(registrationText(report, terminal));
      } catch (error) {
        progress.done();
        terminal.err(`${path} was not registered: ${messageOf(error)}`);
      }
    }
  } finally {
    await system.close();
  }
}
