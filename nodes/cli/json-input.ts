/**
 * Inputs written as JSON: a tensor with its datatype and shape, or a nested array whose shape is
 * how it is nested and whose datatype is the one that the signature asks.
 */

import type { TensorDescription } from '../../actors/domain/fleet-description.ts';
import { packElements } from '../../runtime/wire/tensor-elements.ts';
import { type Datatype, isDatatype, type Tensor } from '../../runtime/wire/tensors.ts';
import { nearestName } from '../../actors/domain/nearest-name.ts';
import { CommandFailed } from './errors.ts';
import { fitShape } from './fit-shape.ts';

export type JsonInputs =
  | { readonly inputs: Record<string, Tensor> }
  /** An array, number or tensor without a name. */
  | { readonly bare: unknown };

/** Fails with CommandFailed, saying which input of `file` is wrong and how. */
export function readJsonInputs(
  value: unknown,
  signature: readonly TensorDescription[],
  file: string,
): JsonInputs {
  if (!isRecord(value) || isTensorObject(value)) return { bare: value };
  const inputs: Record<string, Tensor> = {};
  for (const [name, written] of Object.entries(value)) {
    const input = signature.find((one) => one.name === name);
    if (input === undefined) throw invalid(file, unknownInput(name, signature));
    inputs[name] = tensorFromJson(written, input, `${file}: input "${name}"`);
  }
  return { inputs };
}

function unknownInput(name: string, signature: readonly TensorDescription[]): string {
  const known = signature.map((one) => one.name);
  const nearest = nearestName(name, known);
  const meant =
    nearest === undefined ? `the inputs are: ${known.join(', ')}` : `did you mean "${nearest}"?`;
  return `there is no input "${name}"; ${meant}`;
}

/**
 * One tensor: `{ datatype, shape, data }` as it is (datatype or shape may be left out), a nested
 * array or a scalar.
 */
export function tensorFromJson(written: unknown, input: TensorDescription, where: string): Tensor {
  if (!isRecord(written)) return packNested(input.datatype, written, input, where);
  if (!isTensorObject(written)) {
    throw invalid(where, 'expected an array, or an object with datatype, shape and data');
  }
  const { datatype = input.datatype, shape, data } = written;
  if (!isDatatype(datatype)) throw invalid(where, `"${String(datatype)}" is not a datatype`);
  if (shape === undefined) return packNested(datatype, data, input, where);
  if (!isShape(shape)) throw invalid(where, 'its shape is not an array of sizes');
  return pack(datatype, shape, data, where);
}

type Written = Readonly<Record<string, unknown>>;

function packNested(
  datatype: Datatype,
  written: unknown,
  input: TensorDescription,
  where: string,
): Tensor {
  const nested: number[] = [];
  for (let level = written; Array.isArray(level); level = level[0]) nested.push(level.length);
  const tensor = pack(datatype, nested, written, where);
  return { ...tensor, shape: fitShape(nested, input.shape) ?? nested };
}

function pack(
  datatype: Datatype,
  shape: readonly number[],
  written: unknown,
  where: string,
): Tensor {
  const packed = packElements(datatype, shape, Array.isArray(written) ? written : [written]);
  if (!packed.ok) throw invalid(where, packed.problem);
  return { datatype, shape, data: packed.data };
}

function isShape(value: unknown): value is number[] {
  return Array.isArray(value) && value.every((size) => Number.isSafeInteger(size) && size >= 0);
}

function isRecord(value: unknown): value is Written {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** `{ data: … }`, not an input that happens to be called `data`. */
function isTensorObject(value: Written): boolean {
  return 'data' in value && ('shape' in value || 'datatype' in value);
}

function invalid(where: string, what: string): CommandFailed {
  return new CommandFailed(`${where}: ${what}`, 'bad_file');
}
