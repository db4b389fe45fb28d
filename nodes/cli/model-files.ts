/**
 * The files of a model on this machine: a manifest or flags, the model, what lies beside it, and
 * its validation set, ready to be sent.
 */

import { createReadStream, statSync } from 'node:fs';
import { basename, dirname, extname, join } from 'node:path';

import type { Metric, ModelManifest } from '../../actors/domain/manifest.ts';
import type { FileContent } from '../../client/index.ts';
import { messageOf } from '../../runtime/errors.ts';
import { readManifest } from '../load-manifests.ts';
import { metricNamed } from '../manifest-schema.ts';
import { factsOf } from '../onnx/facts.ts';
import { readModel } from '../onnx/read-model.ts';
import { pathWithin } from '../registrar/model-paths.ts';
import { CommandFailed, UsageError } from './errors.ts';

export interface RegisterFlags {
  readonly task?: string;
  readonly dataset?: string;
  readonly architecture?: string;
  readonly accuracy?: number;
  readonly validation?: string;
  readonly metric?: Metric['kind'];
  readonly output?: string;
}

export interface ModelFiles {
  readonly manifest: ModelManifest;
  readonly files: Readonly<Record<string, FileContent>>;
}

const manifestExtensions = new Set(['.yaml', '.yml', '.json']);

/** Throws UsageError, ManifestInvalid, or CommandFailed for a file that cannot be read. */
export function modelFilesOf(path: string, flags: RegisterFlags): ModelFiles {
  return manifestExtensions.has(extname(path).toLowerCase())
    ? filesOfManifest(path, flags)
    : filesOfFlags(path, flags);
}

function filesOfManifest(path: string, flags: RegisterFlags): ModelFiles {
  const given = Object.entries(flags).find(([, value]) => value !== undefined);
  if (given !== undefined) {
    throw new UsageError(`--${given[0]} goes with an ONNX file; ${basename(path)} says it itself`);
  }
  const manifest = readManifest(path);
  const folder = dirname(path);
  const paths: Record<string, string> = {};
  const { file, validation } = manifest;
  for (const [field, name] of Object.entries({ file, validation: validation?.file })) {
    if (name === undefined) continue;
    const at = pathWithin(folder, name);
    if (at === undefined) {
      throw new CommandFailed(`manifest ${path}: ${field} "${name}" lies outside its folder`);
    }
    paths[name] = at;
  }
  return { manifest, files: contentsOf({ ...paths, ...besideOf(manifest.file, folder) }) };
}

function filesOfFlags(path: string, flags: RegisterFlags): ModelFiles {
  const { task, dataset, architecture, accuracy, validation, metric, output } = flags;
  if (task === undefined || dataset === undefined || architecture === undefined) {
    const missing = Object.entries({ task, dataset, architecture })
      .filter(([, value]) => value === undefined)
      .map(([name]) => `--${name}`);
    throw new UsageError(`an ONNX file comes with ${missing.join(', ')}`);
  }
  if (validation === undefined && (metric ?? output) !== undefined) {
    const flag = metric === undefined ? '--output' : '--metric';
    throw new UsageError(`${flag} says how --validation is judged: give that too`);
  }
  const judged = { ...(metric && { metric: metricNamed(metric) }), ...(output && { output }) };
  const file = basename(path);
  const paths: Record<string, string> = { [file]: path };
  if (validation !== undefined) paths[validationName] = validation;
  return {
    manifest: {
      ...{ task, dataset, architecture, file },
      ...(accuracy === undefined ? {} : { accuracy }),
      ...(validation === undefined ? {} : { validation: { file: validationName, ...judged } }),
    },
    files: contentsOf({ ...paths, ...besideOf(file, dirname(path)) }),
  };
}

/** So that neither its place nor its name on this machine makes the source another one. */
const validationName = 'validation.jsonl';

/** Data files that the model names. Whatever is wrong with it is the system's to say. */
function besideOf(file: string, folder: string): Record<string, string> {
  const found: Record<string, string> = {};
  try {
    for (const name of factsOf(readModel(join(folder, file))).externalFiles) {
      const path = pathWithin(dirname(join(folder, file)), name);
      if (path !== undefined) found[join(dirname(file), name)] = path;
    }
  } catch {
    return {};
  }
  return found;
}

function contentsOf(paths: Readonly<Record<string, string>>): Record<string, FileContent> {
  return Object.fromEntries(
    Object.entries(paths).map(([name, path]) => {
      try {
        const found = statSync(path);
        if (!found.isFile()) throw new Error('it is not a file');
        return [name, { bytes: found.size, chunks: createReadStream(path, { highWaterMark }) }];
      } catch (error) {
        throw new CommandFailed(`cannot read ${path}: ${messageOf(error)}`, 'unreadable', error);
      }
    }),
  );
}

const highWaterMark = 512 * 1024;
