/**
 * What a load run asks: the rows of a given input one by one, or random tensors drawn by the
 * signature. A small pool is made once, so that making inputs costs nothing while measuring.
 */

import type { TensorDescription } from '../../../actors/domain/fleet-description.ts';
import type { Random } from '../../../runtime/random.ts';
import { packElements } from '../../../runtime/wire/tensor-elements.ts';
import {
  bytesPerElement,
  type Datatype,
  elementCount,
  type NamedTensors,
  type Tensor,
} from '../../../runtime/wire/tensors.ts';
import { CommandFailed } from '../errors.ts';

export const poolSize = 64;
const rowsMax = 100_000;

/**
 * `poolSize` random queries of one row: floats 0..1, small integers, everything variable 1. State
 * is left out (it starts from zeros); a shared input is the same in all, else nothing could be
 * batched.
 */
export function randomInputs(
  signature: readonly TensorDescription[],
  random: Random,
): NamedTensors[] {
  const given = signature.filter((input) => input.state === undefined);
  const shared = new Map(given.map((input) => [input.name, randomTensor(input, random)]));
  return Array.from({ length: poolSize }, () =>
    Object.fromEntries(
      given.map((input) => [
        input.name,
        (input.shared ? shared.get(input.name) : undefined) ?? randomTensor(input, random),
      ]),
    ),
  );
}

function randomTensor(input: TensorDescription, random: Random): Tensor {
  const shape = input.shape.map((size) => (size < 0 ? 1 : size));
  const elements = Array.from({ length: elementCount(shape) }, () =>
    randomElement(input.datatype, random),
  );
  const packed = packElements(input.datatype, shape, elements);
  if (packed.ok) return { datatype: input.datatype, shape, data: packed.data };
  throw new CommandFailed(`cannot make a random input "${input.name}": ${packed.problem}`);
}

function randomElement(datatype: Datatype, random: Random): number | boolean | string {
  const value = random();
  switch (datatype) {
    case 'FP16':
    case 'FP32':
    case 'FP64':
      return value;
    case 'BOOL':
      return value < 0.5;
    case 'BYTES':
      return value.toString(36).slice(2, 10);
    case 'UINT8':
      return Math.floor(value * 256);
    default:
      return Math.floor(value * 100);
  }
}

/**
 * Each row of a batch as a query of its own. The batch axis is the variable dimension that the
 * inputs begin with; what does not begin with one is the same for every row. Inputs without a
 * batch, and those that carry state (its batch axis lies elsewhere), come back as they are.
 */
export function rowsOf(
  inputs: NamedTensors,
  signature: readonly TensorDescription[],
): NamedTensors[] {
  const batched = signature.filter(
    (input) => !input.shared && (input.shape[0] ?? 0) < 0 && inputs[input.name] !== undefined,
  );
  const rows = Math.min(rowsMax, ...batched.map((input) => inputs[input.name]?.shape[0] ?? 1));
  const carriesState = signature.some(
    (input) => input.state !== undefined && inputs[input.name] !== undefined,
  );
  const splittable = !carriesState && batched.every((input) => bytesPerElement(input.datatype) > 0);
  if (batched.length === 0 || rows <= 1 || !splittable) return [inputs];
  return Array.from({ length: rows }, (_, row) => ({
    ...inputs,
    ...Object.fromEntries(
      batched.map((input) => [input.name, rowOf(inputs[input.name] as Tensor, row)]),
    ),
  }));
}

function rowOf(tensor: Tensor, row: number): Tensor {
  const shape = [1, ...tensor.shape.slice(1)];
  const bytes = elementCount(shape) * bytesPerElement(tensor.datatype);
  return { ...tensor, shape, data: tensor.data.subarray(row * bytes, (row + 1) * bytes) };
}
