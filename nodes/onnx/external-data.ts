/**
 * Where a tensor's bytes lie when they are not in its message: in the model file itself (see
 * skim.ts) or in a file beside it. A location that leads out of the model's folder, by `..`, by an
 * absolute path or through a link, is refused: a model must not read what it was not given.
 */

import { closeSync, openSync, realpathSync, statSync } from 'node:fs';
import { basename, isAbsolute, join, relative, resolve, sep } from 'node:path';

import { ModelInvalid } from './invalid-model.ts';
import type { TensorProto } from './proto.ts';
import { inFileLocation, readExactly } from './skim.ts';

/** A stretch of a file. */
export interface FileRange {
  readonly path: string;
  readonly offset: number;
  readonly bytes: number;
}

export const isExternal = (tensor: TensorProto): boolean => tensor.dataLocation === 1;

/** The value of an entry (`location`, `offset`, `length`, `checksum`). */
export function externalEntry(tensor: TensorProto, key: string): string | undefined {
  return tensor.externalData.find((entry) => entry.key === key)?.value;
}

export const isInModelFile = (tensor: TensorProto): boolean =>
  isExternal(tensor) && externalEntry(tensor, 'location') === inFileLocation;

/**
 * The stretch that holds an external tensor's `expectedBytes`. Throws ModelInvalid: `external_path`
 * for a location out of the folder, `external_missing`, `external_range` where the file is shorter
 * than the stretch or the stretch has another size than the tensor.
 */
export function locateExternal(
  tensor: TensorProto,
  modelFile: string,
  expectedBytes: number,
): FileRange {
  const refuse = (reason: ModelInvalid['reason'], message: string, cause?: unknown): ModelInvalid =>
    new ModelInvalid(reason, `${modelFile}: tensor "${tensor.name}" ${message}`, modelFile, cause);
  const location = externalEntry(tensor, 'location') ?? '';
  const path = location === inFileLocation ? modelFile : beside(modelFile, location);
  if (path === undefined) {
    throw refuse('external_path', `refers to "${location}", which is not in the model's folder`);
  }
  let fileBytes: number;
  try {
    if (location !== inFileLocation && leadsOut(modelFile, path)) {
      throw refuse('external_path', `refers to "${location}", a link out of the model's folder`);
    }
    const found = statSync(path);
    if (!found.isFile()) throw refuse('external_path', `refers to "${location}", which is no file`);
    fileBytes = found.size;
  } catch (error) {
    if (error instanceof ModelInvalid) throw error;
    const message = `is in "${location}", which cannot be read; it belongs beside the model`;
    throw refuse('external_missing', message, error);
  }
  const offset = wholeNumber(externalEntry(tensor, 'offset') ?? '0');
  const bytes = wholeNumber(externalEntry(tensor, 'length') ?? String(expectedBytes));
  if (offset === undefined || bytes === undefined || offset + bytes > fileBytes) {
    const message =
      `lies at ${externalEntry(tensor, 'offset') ?? '0'} of "${location}", ` +
      `${bytes ?? 'an unknown number of'} bytes long; the file has ${fileBytes}`;
    throw refuse('external_range', message);
  }
  if (bytes !== expectedBytes) {
    const where = location === inFileLocation ? 'it has' : `"${location}" gives it`;
    const reason = location === inFileLocation ? 'tensor_size' : 'external_range';
    throw refuse(reason, `needs ${expectedBytes} bytes, ${where} ${bytes}`);
  }
  return { path, offset, bytes };
}

/** Reads a stretch whole. */
export function readRange(range: FileRange): Uint8Array {
  const bytes = Buffer.allocUnsafeSlow(range.bytes);
  const fd = openSync(range.path, 'r');
  try {
    readExactly(fd, range.path, bytes, range.offset);
  } finally {
    closeSync(fd);
  }
  return bytes;
}

/** Files, other than its own, that hold a model's tensors; names as the model has them. */
export function externalFiles(tensors: Iterable<TensorProto>): string[] {
  const files = new Set<string>();
  for (const tensor of tensors) {
    if (isExternal(tensor) && !isInModelFile(tensor)) {
      files.add(externalEntry(tensor, 'location') ?? '');
    }
  }
  return [...files].sort();
}

/** Undefined for a name that leads out of the folder on any system. */
function beside(modelFile: string, location: string): string | undefined {
  const folder = resolve(modelFile, '..');
  const slashed = location.replaceAll('\\', '/');
  const absolute = isAbsolute(slashed) || /^[A-Za-z]:/.test(slashed);
  if (location === '' || location.includes('\0') || absolute) return undefined;
  if (slashed.split('/').includes('..')) return undefined;
  const path = join(folder, slashed);
  return basename(path) === '' || !isWithin(folder, path) ? undefined : path;
}

/**
 * A link is followed only to a place in the real folder of the model, or, when the model itself
 * is a link (as caches make them), in the real folder of that.
 */
function leadsOut(modelFile: string, path: string): boolean {
  const real = realpathSync(path);
  const folders = [realpathSync(resolve(modelFile, '..')), resolve(realpathSync(modelFile), '..')];
  return !folders.some((folder) => isWithin(folder, real));
}

function isWithin(folder: string, path: string): boolean {
  const way = relative(folder, path);
  return way !== '' && way !== '..' && !way.startsWith(`..${sep}`) && !isAbsolute(way);
}

function wholeNumber(text: string): number | undefined {
  const value = /^\d+$/.test(text) ? Number(text) : NaN;
  return Number.isSafeInteger(value) ? value : undefined;
}
