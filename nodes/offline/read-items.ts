/**
 * The inputs of an offline job, one by one: the lines of a JSONL file, or the files of a folder in
 * the order of their names. What cannot be read is an item too, with the reason in its place.
 *
 *     { "id": "a", "inputs": { "image": [[…]] }, "outputs": ["y"] }    a line; or inputs alone
 *     FILE.json, FILE.npy, FILE.png                                    a file, as for `--input`
 */

import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';

import type { TensorDescription } from '../../actors/domain/fleet-description.ts';
import { type QueryError, queryError } from '../../actors/domain/outcome.ts';
import type { JobItem } from '../../actors/offline/files-port.ts';
import { messageOf } from '../../runtime/errors.ts';
import { CommandFailed } from '../cli/errors.ts';
import { inputsFromJson, readInputs } from '../cli/read-input.ts';
import { isObject } from '../gateways/decode-request.ts';
import type { OfflineSettings } from './config.ts';

type Limits = Pick<OfflineSettings, 'lineBytesMax' | 'fileBytesMax' | 'itemsPerJobMax'>;

export interface InputsFound {
  readonly items: number;
  /** Changes when they do. */
  readonly fingerprint: string;
}

/** Counts the items. Rejects with what the system says of a path that cannot be read. */
export async function findInputs(path: string, limits: Limits): Promise<InputsFound> {
  if ((await stat(path)).isDirectory()) {
    const names = await filesOf(path);
    const digest = createHash('sha256');
    for (const name of names) digest.update(`${name}\0${await traitsOf(join(path, name))}\0`);
    return { items: names.length, fingerprint: digest.digest('hex') };
  }
  let items = 0;
  for await (const _line of linesOf(path, limits.lineBytesMax)) {
    items += 1;
    if (items > limits.itemsPerJobMax) break;
  }
  return { items, fingerprint: await traitsOf(path) };
}

async function traitsOf(path: string): Promise<string> {
  const { size, mtimeMs } = await stat(path);
  return `${String(size)} ${String(mtimeMs)}`;
}

/** Files only, hidden ones aside, by name. */
async function filesOf(folder: string): Promise<string[]> {
  const entries = await readdir(folder, { withFileTypes: true });
  return entries
    .filter((entry) => entry.isFile() && !entry.name.startsWith('.'))
    .map(({ name }) => name)
    .sort();
}

/** From item `from` on. */
export async function* readItems(
  path: string,
  from: number,
  signature: readonly TensorDescription[],
  limits: Limits,
): AsyncGenerator<JobItem, void, undefined> {
  if ((await stat(path)).isDirectory()) {
    const names = await filesOf(path);
    for (let index = from; index < names.length; index += 1) {
      const name = names[index] ?? '';
      yield { index, id: name, inputs: await fromFile(join(path, name), signature, limits) };
    }
    return;
  }
  let index = 0;
  for await (const line of linesOf(path, limits.lineBytesMax)) {
    if (index >= from) yield fromLine(line, index, signature, limits);
    index += 1;
  }
}

async function fromFile(
  path: string,
  signature: readonly TensorDescription[],
  { fileBytesMax }: Limits,
): Promise<JobItem['inputs']> {
  try {
    const { size } = await stat(path);
    if (size > fileBytesMax) {
      const message = `${path} has ${String(size)} bytes, over offline.fileBytesMax`;
      return queryError('too_large', message, { fileBytesMax });
    }
    return readInputs([path], signature).inputs;
  } catch (error) {
    return unreadable(error);
  }
}

function fromLine(
  line: string | undefined,
  index: number,
  signature: readonly TensorDescription[],
  { lineBytesMax }: Limits,
): JobItem {
  if (line === undefined) {
    const message = `a line of more than ${String(lineBytesMax)} bytes (offline.lineBytesMax)`;
    return { index, id: index, inputs: queryError('too_large', message, { lineBytesMax }) };
  }
  let id: string | number = index;
  try {
    const value = JSON.parse(line) as unknown;
    const isWrapped = isObject(value) && 'inputs' in value;
    if (!isWrapped) return { index, id, inputs: inputsFromJson(value, signature, 'this line') };
    const { id: given, inputs, outputs } = value;
    if (typeof given === 'string' || typeof given === 'number') id = given;
    if (outputs !== undefined && !isNames(outputs)) {
      const message = 'outputs: expected an array of names';
      return { index, id, inputs: queryError('bad_input', message, { field: 'outputs' }) };
    }
    return { index, id, inputs: inputsFromJson(inputs, signature, 'inputs'), outputs };
  } catch (error) {
    return { index, id, inputs: unreadable(error) };
  }
}

function isNames(value: unknown): value is readonly string[] {
  return Array.isArray(value) && value.every((name) => typeof name === 'string');
}

function unreadable(error: unknown): QueryError {
  const isExpected = error instanceof CommandFailed || error instanceof SyntaxError;
  const what = isExpected ? '' : 'cannot be read: ';
  return queryError('bad_input', `${what}${messageOf(error)}`);
}

const newline = 0x0a;

/** Lines that are not blank; undefined for one of more than `bytesMax`, which is jumped over. */
export async function* linesOf(
  path: string,
  bytesMax: number,
): AsyncGenerator<string | undefined, void, undefined> {
  let held: Buffer[] = [];
  let bytes = 0;
  const take = (): string | undefined => {
    const line = bytes > bytesMax ? undefined : Buffer.concat(held).toString('utf8').trim();
    [held, bytes] = [[], 0];
    return line;
  };
  for await (const chunk of createReadStream(path) as AsyncIterable<Buffer>) {
    let start = 0;
    for (let end = chunk.indexOf(newline); end >= 0; end = chunk.indexOf(newline, start)) {
      bytes += end - start;
      if (bytes <= bytesMax) held.push(chunk.subarray(start, end));
      start = end + 1;
      const line = take();
      if (line !== '') yield line;
    }
    bytes += chunk.length - start;
    if (bytes <= bytesMax) held.push(chunk.subarray(start));
  }
  const last = take();
  if (last !== '') yield last;
}
