/**
 * Samples for a model that nobody has given any: sizes for what its graph leaves open, and sensible
 * values by datatype. Pure; the same recipe and seed give the same bytes.
 *
 * Nothing in a graph says that 16,000 is a sampling rate or that an image is 224 wide; names, ranks
 * and positions do, more often than not. So likely sizes are tried in a likely order until one
 * runs.
 */

import { seededRandom } from '../../runtime/random.ts';
import { batchDimension, type Signature, type TensorSpec } from '../../actors/domain/signature.ts';
import {
  bytesOf,
  bytesPerElement,
  type Datatype,
  elementCount,
  type NamedTensors,
  packStrings,
  type Tensor,
  toHalf,
} from '../../runtime/wire/tensors.ts';
import type { Recipe } from './messages.ts';

type Role = 'batch' | 'image' | 'channels' | 'length';

/** What each kind of free dimension is tried with, in turn. */
const sizesTried: Readonly<Record<Role, readonly number[]>> = {
  batch: [1, 2, 4, 8, 16],
  image: [224, 256, 64, 32, 28, 128, 48, 320, 299, 512, 640, 8, 1],
  channels: [3, 1, 4, 2, 16, 64],
  length: [16, 1, 8, 32, 64, 128, 256, 512, 576, 1024, 1536, 224, 640, 80, 100, 4000, 16_000],
};

/** What scalars are tried with; those that say what they are, first with what they mean. */
const scalarsTried: readonly number[] = [1, 0, 16_000, 2, 224];
const ratesTried: readonly number[] = [16_000, 8_000, 1, 0];

const batchNames = /^(?:n|b|bs)$|batch/i;
const rateNames = /^sr$|rate/i;

/** Names that signatures and graphs give to a dimension that queries are joined along. */
export function soundsLikeBatch(name: string): boolean {
  return batchNames.test(name);
}

interface FreeDimension {
  readonly name: string;
  readonly role: Role;
}

/** Every free dimension once, `batch` aside, by its first occurrence. */
export function freeDimensions(inputs: Signature['inputs']): FreeDimension[] {
  const found = new Map<string, Role>();
  for (const spec of Object.values(inputs)) {
    spec.shape.forEach((size, axis) => {
      if (typeof size !== 'string' || size === batchDimension || found.has(size)) return;
      found.set(size, roleOf(size, spec, axis));
    });
  }
  return [...found].map(([name, role]) => ({ name, role }));
}

function roleOf(name: string, { shape, datatype }: TensorSpec, axis: number): Role {
  if (soundsLikeBatch(name)) return 'batch';
  const rank = shape.length;
  // Recurrent state is [layers, batch, hidden].
  const afterLayers = rank === 3 && axis === 1 && typeof shape[0] === 'number';
  if (rank >= 2 && (axis === 0 || afterLayers)) return 'batch';
  if (rank !== 4 || datatype === 'INT64') return 'length';
  const last = shape[3];
  const channelsLast = typeof last === 'number' && last <= 4;
  if (channelsLast) return 'image';
  return axis === 1 ? 'channels' : 'image';
}

/** Inputs of one integer: they steer a graph, and not every graph takes any. */
function scalarInputs(inputs: Signature['inputs']): string[] {
  return Object.entries(inputs)
    .filter(([, { datatype, shape }]) => isInteger(datatype) && shape.every((size) => size === 1))
    .map(([name]) => name);
}

function isInteger(datatype: Datatype): boolean {
  return datatype.startsWith('INT') || (datatype.startsWith('UINT') && datatype !== 'UINT8');
}

/**
 * Recipes to try, most likely first, each once. Sizes go in step first (all images 224, all lengths
 * 16), then one by one against all others.
 */
export function* recipesFor(inputs: Signature['inputs']): Generator<Recipe> {
  const free = freeDimensions(inputs);
  for (const values of valuesFor(inputs)) {
    for (const dims of dimsInStep(free)) yield { dims, ...values };
  }
  for (const values of valuesFor(inputs)) {
    for (const dims of dimsInProduct(free)) yield { dims, ...values };
  }
}

function* valuesFor(inputs: Signature['inputs']): Generator<Omit<Recipe, 'dims'>> {
  const scalars = scalarInputs(inputs);
  const tensors = Object.entries(inputs).filter(
    ([name, { datatype }]) => isInteger(datatype) && !scalars.includes(name),
  );
  const modes: readonly Recipe['integers'][] =
    tensors.length === 0 ? ['bits'] : ['bits', 'ones', 'sizes'];
  const lists = scalars.map((name) => (rateNames.test(name) ? ratesTried : scalarsTried));
  const steps = Math.max(1, ...lists.map((list) => list.length));
  for (let step = 0; step < steps; step += 1) {
    const chosen = scalars.map((name, at) => [name, lists[at]?.[step] ?? 0] as const);
    for (const integers of modes) yield { scalars: Object.fromEntries(chosen), integers };
  }
}

type Dims = Readonly<Record<string, number>>;

function* dimsInStep(free: readonly FreeDimension[]): Generator<Dims> {
  const steps = Math.max(
    1,
    ...free.map(({ role }) => (role === 'batch' ? 1 : sizesTried[role].length)),
  );
  for (let step = 0; step < steps; step += 1) {
    // A batch stays 1 here: it is the others that a graph is particular about.
    const size = ({ role }: FreeDimension): number =>
      sizesTried[role][role === 'batch' ? 0 : Math.min(step, sizesTried[role].length - 1)] ?? 1;
    yield Object.fromEntries(free.map((dimension) => [dimension.name, size(dimension)]));
  }
}

/** Everything against everything; the last dimension changes fastest. */
function* dimsInProduct(free: readonly FreeDimension[]): Generator<Dims> {
  const [first, ...rest] = free;
  if (first === undefined) {
    yield {};
    return;
  }
  for (const size of sizesTried[first.role]) {
    for (const others of dimsInProduct(rest)) yield { [first.name]: size, ...others };
  }
}

/**
 * One query of a signature, its batch 1. Inputs without a batch axis have the same values whatever
 * the seed, so that queries of different seeds may share a batch; carried state is left out.
 */
export function makeSample(
  inputs: Signature['inputs'],
  recipe: Recipe,
  seed: number,
): NamedTensors {
  const sample: Record<string, Tensor> = {};
  Object.entries(inputs).forEach(([name, spec], index) => {
    if (spec.state !== undefined) return;
    const shape = spec.shape.map((size) => {
      if (typeof size === 'number') return size;
      return size === batchDimension ? 1 : (recipe.dims[size] ?? 1);
    });
    const own = spec.shape.includes(batchDimension) ? seed : 0;
    const random = seededRandom(own * 7919 + index + 1);
    const data = makeElements(name, spec.datatype, shape, recipe, random);
    sample[name] = { datatype: spec.datatype, shape, data };
  });
  return sample;
}

function makeElements(
  name: string,
  datatype: Datatype,
  shape: readonly number[],
  recipe: Recipe,
  random: () => number,
): Uint8Array {
  const count = elementCount(shape);
  const scalar = recipe.scalars[name];
  if (scalar !== undefined) return packIntegers(datatype, count, () => scalar);
  switch (datatype) {
    case 'BYTES':
      return packStrings(Array.from({ length: count }, () => Uint8Array.of(97 + random() * 26)));
    case 'BOOL':
      return new Uint8Array(count).fill(1);
    case 'FP16':
      return bytesOf(Uint16Array.from({ length: count }, () => toHalf(random())));
    case 'FP32':
      return bytesOf(Float32Array.from({ length: count }, random));
    case 'FP64':
      return bytesOf(Float64Array.from({ length: count }, random));
    case 'UINT8':
      return Uint8Array.from({ length: count }, () => random() * 256);
    default:
      return packIntegers(datatype, count, integersOf(name, shape, recipe, random));
  }
}

/** A mask is on; ids stay below 2, for vocabularies of segments have no more. */
function integersOf(
  name: string,
  shape: readonly number[],
  { integers, dims }: Recipe,
  random: () => number,
): () => number {
  if (integers === 'sizes') {
    const size = Math.max(1, ...Object.values(dims), ...shape);
    return () => size;
  }
  if (integers === 'ones' || /mask/i.test(name)) return () => 1;
  return () => (random() < 0.5 ? 0 : 1);
}

function packIntegers(datatype: Datatype, count: number, next: () => number): Uint8Array {
  const bytes = bytesPerElement(datatype);
  const data = new Uint8Array(count * bytes);
  const view = new DataView(data.buffer);
  for (let at = 0; at < count; at += 1) {
    const value = next();
    if (bytes === 8) view.setBigInt64(at * 8, BigInt(value), true);
    else if (bytes === 4) view.setInt32(at * 4, value, true);
    else if (bytes === 2) view.setInt16(at * 2, value, true);
    else view.setInt8(at, value);
  }
  return data;
}
