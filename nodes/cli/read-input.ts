/**
 * `--input FILE`: a file becomes the inputs of a query, guided by the signature of what is asked.
 *
 *     FILE.json   { "image": { "datatype", "shape", "data" } }, { "image": [[…]] }, or, for a
 *                 single input, the nested array alone
 *     FILE.npy    for a single input; shapes are fitted, UINT8 pixels become 0..1 where floats
 *                 are asked
 *     FILE.png    for a single input; resized, made grey
 *     NAME=FILE   any of these for the input NAME; may be repeated
 *     -           JSON from standard input
 */

import { existsSync, readFileSync } from 'node:fs';

import type { TensorDescription } from '../../actors/domain/fleet-description.ts';
import { messageOf } from '../../runtime/errors.ts';
import type { NamedTensors, Tensor } from '../../runtime/wire/tensors.ts';
import { convertTensor } from './convert-tensor.ts';
import { CommandFailed, UsageError } from './errors.ts';
import { fitShape } from './fit-shape.ts';
import { formatTensor } from './format.ts';
import { decodePng, imageTensor, isPng } from './image.ts';
import { readJsonInputs, tensorFromJson } from './json-input.ts';
import { parseNpy } from './npy.ts';

export interface ReadInputs {
  readonly inputs: NamedTensors;
  /** What was done to the file on the way, for people. */
  readonly notes: readonly string[];
}

/** The values of `--input`, for the inputs of `signature`. Fails with CommandFailed. */
export function readInputs(
  givenFiles: readonly string[],
  signature: readonly TensorDescription[],
): ReadInputs {
  const notes: string[] = [];
  let inputs: Record<string, Tensor> = {};
  for (const given of givenFiles) {
    const { name, file } = splitName(given, signature);
    inputs = { ...inputs, ...readOne(file, name, signature, notes) };
  }
  return { inputs, notes };
}

/** A file whose own name has an equals sign is found first. */
function splitName(
  given: string,
  signature: readonly TensorDescription[],
): { readonly name: string | undefined; readonly file: string } {
  const at = given.indexOf('=');
  if (at < 1 || existsSync(given)) return { name: undefined, file: given };
  const name = given.slice(0, at);
  if (!signature.some((input) => input.name === name)) {
    throw new UsageError(`--input ${given}: there is no input "${name}"; ${listOf(signature)}`);
  }
  return { name, file: given.slice(at + 1) };
}

function readOne(
  file: string,
  name: string | undefined,
  signature: readonly TensorDescription[],
  notes: string[],
): Record<string, Tensor> {
  const content = readContent(file);
  if (isPng(content)) {
    const input = theInput(file, name, signature, 'an image');
    const planes = decodePng(content, file);
    const tensor = imageTensor(planes, input, file);
    notes.push(
      `${file}: ${String(planes.width)} × ${String(planes.height)} → ${shapeText(tensor)}`,
    );
    return { [input.name]: tensor };
  }
  if (content[0] === 0x93) {
    const input = theInput(file, name, signature, 'an array');
    return { [input.name]: fitArray(parseNpy(content, file), input, file, notes) };
  }
  const value = parseJson(content, file);
  if (name === undefined) return inputsFromJson(value, signature, file, notes);
  const input = theInput(file, name, signature, 'an array');
  return { [name]: fitArray(tensorFromJson(value, input, file), input, file, notes) };
}

/** JSON inputs by name, or those of a single input alone; `where` is named in what is wrong. */
export function inputsFromJson(
  value: unknown,
  signature: readonly TensorDescription[],
  where: string,
  notes: string[] = [],
): Record<string, Tensor> {
  const read = readJsonInputs(value, signature, where);
  if ('inputs' in read) return read.inputs;
  const input = theInput(where, undefined, signature, 'a bare array');
  return { [input.name]: fitArray(tensorFromJson(read.bare, input, where), input, where, notes) };
}

function readContent(file: string): Uint8Array {
  try {
    return readFileSync(file === '-' ? 0 : file);
  } catch (error) {
    throw new CommandFailed(
      `cannot read the input ${file}: ${messageOf(error)}`,
      'bad_file',
      error,
    );
  }
}

function parseJson(content: Uint8Array, file: string): unknown {
  try {
    return JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(content)) as unknown;
  } catch (error) {
    throw new CommandFailed(
      `${file}: neither JSON (${messageOf(error)}), nor .npy, nor PNG`,
      'bad_file',
      error,
    );
  }
}

/** The input that a file without names is for: the only one that must be given. */
function theInput(
  file: string,
  name: string | undefined,
  signature: readonly TensorDescription[],
  what: string,
): TensorDescription {
  const required = signature.filter((input) => input.state === undefined);
  const named = signature.find((input) => input.name === name);
  const only = required.length === 1 ? required[0] : undefined;
  const input = named ?? only;
  if (input !== undefined) return input;
  throw new CommandFailed(
    `${file}: ${what} alone does not say which input it is; ${listOf(signature)}. ` +
      'Give a JSON file with all of them by name, or --input NAME=FILE for each',
    'bad_file',
  );
}

function listOf(signature: readonly TensorDescription[]): string {
  return `the inputs are ${signature.map(formatTensor).join('; ')}`;
}

/** Brings an array to the input's shape and datatype, or says why it cannot be. */
export function fitArray(
  array: Tensor,
  input: TensorDescription,
  file: string,
  notes: string[],
): Tensor {
  const shape = fitShape(array.shape, input.shape);
  if (shape === undefined) {
    throw new CommandFailed(
      `${file}: ${shapeText(array)} does not fit the input ${formatTensor(input)}`,
      'bad_file',
    );
  }
  const scale = isPixels(array, input) ? 1 / 255 : 1;
  const converted = convertTensor({ ...array, shape }, input.datatype, scale);
  if (!converted.ok) {
    const what = `${shapeText(array)} cannot be ${formatTensor(input)}`;
    throw new CommandFailed(`${file}: ${what}: ${converted.problem}`, 'bad_file');
  }
  if (scale !== 1) notes.push(`${file}: pixels 0..255 as ${input.datatype} 0..1`);
  else if (input.datatype !== array.datatype) {
    notes.push(`${file}: ${array.datatype} values taken as ${input.datatype}, unscaled`);
  }
  return converted.tensor;
}

/** Bytes for an input that looks like an image of floats are pixels. */
function isPixels(array: Tensor, input: TensorDescription): boolean {
  const asksFloats = input.datatype === 'FP32' || input.datatype === 'FP16';
  return array.datatype === 'UINT8' && asksFloats && input.shape.length >= 3;
}

function shapeText(tensor: Tensor): string {
  return `${tensor.datatype} [${tensor.shape.join(', ')}]`;
}
