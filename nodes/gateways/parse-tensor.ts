/**
 * One tensor of a query: datatype, shape and data, checked against each other. Pure.
 *
 * Bytes stay what they are, a view into the frame. Elements given one by one (JSON, or msgpack
 * arrays) become bytes, each checked against the datatype, and are bounded, because that blocks.
 */

import {
  bytesPerElement,
  type Datatype,
  datatypes,
  isDatatype,
  type Tensor,
} from '../../runtime/wire/tensors.ts';
import { countStrings, packElements } from '../../runtime/wire/tensor-elements.ts';
import type { QueryLimits } from './config.ts';
import { isObject, type JsonObject } from './decode-request.ts';
import { nearestName } from '../../actors/domain/nearest-name.ts';
import { badField, badInput, tooLarge } from './refused.ts';

/** Elements that the query may still give one by one. */
export interface ElementBudget {
  left: number;
}

const tensorFields = ['datatype', 'shape', 'data'] as const;

/** A tensor, or throws Refused naming the input and what was expected. */
export function parseTensor(
  name: string,
  value: unknown,
  limits: QueryLimits,
  budget: ElementBudget,
): Tensor {
  const where = `input "${name}"`;
  if (!isObject(value)) {
    throw badField(where, 'an object with datatype, shape and data', value);
  }
  for (const key of Object.keys(value)) {
    if (key !== 'datatype' && key !== 'shape' && key !== 'data') {
      const nearest = nearestName(key, tensorFields);
      const meant =
        nearest === undefined ? 'known: datatype, shape, data' : `did you mean "${nearest}"?`;
      throw badInput(where, `${where}: unknown field "${key.slice(0, 64)}"; ${meant}`);
    }
  }
  const datatype = parseDatatype(where, value['datatype']);
  const shape = parseShape(where, value['shape'], limits);
  return { datatype, shape, data: parseData(where, datatype, shape, value, limits, budget) };
}

function parseDatatype(where: string, value: unknown): Datatype {
  if (isDatatype(value)) return value;
  throw badField(`${where}: datatype`, `one of ${datatypes.join(', ')}`, value);
}

function parseShape(where: string, value: unknown, limits: QueryLimits): readonly number[] {
  if (!Array.isArray(value)) throw badField(`${where}: shape`, 'an array of integers >= 0', value);
  if (value.length > limits.tensorDimensionsMax) {
    const most = String(limits.tensorDimensionsMax);
    throw tooLarge(`${where}: a shape of ${value.length} dimensions is over the limit of ${most}`, {
      tensorDimensionsMax: limits.tensorDimensionsMax,
    });
  }
  const shape = value as readonly unknown[];
  let product = 1;
  for (let index = 0; index < shape.length; index += 1) {
    const size = shape[index];
    if (typeof size !== 'number' || !Number.isSafeInteger(size) || size < 0) {
      throw badField(`${where}: shape[${index}]`, 'an integer >= 0', size);
    }
    // A zero would hide what overflows around it.
    if (size > 0) product *= size;
    if (product > Number.MAX_SAFE_INTEGER) {
      throw badInput(where, `${where}: the dimensions of shape [${shape.join(', ')}] overflow`);
    }
  }
  return shape as readonly number[];
}

function parseData(
  where: string,
  datatype: Datatype,
  shape: readonly number[],
  tensor: JsonObject,
  limits: QueryLimits,
  budget: ElementBudget,
): Uint8Array {
  const value = tensor['data'];
  let count = 1;
  for (const size of shape) count *= size;
  if (value instanceof Uint8Array) {
    checkBytes(where, datatype, shape, count, value);
    return value;
  }
  if (!Array.isArray(value)) {
    throw badField(`${where}: data`, 'bytes, or an array of elements', value);
  }
  budget.left -= Math.max(count, value.length);
  if (budget.left < 0) {
    const most = String(limits.jsonElementsMax);
    throw tooLarge(
      `${where}: its ${count} elements bring the query over the limit of ${most} ` +
        'given one by one; send data as bytes in msgpack',
      { jsonElementsMax: limits.jsonElementsMax },
    );
  }
  const packed = packElements(datatype, shape, value);
  if (!packed.ok) throw badInput(where, `${where}: data: ${packed.problem}`);
  return packed.data;
}

function checkBytes(
  where: string,
  datatype: Datatype,
  shape: readonly number[],
  count: number,
  data: Uint8Array,
): void {
  const size = bytesPerElement(datatype);
  if (size > 0) {
    if (data.length !== count * size) {
      const wanted = `${datatype} [${shape.join(', ')}] needs ${String(count * size)} bytes`;
      throw badInput(where, `${where}: ${wanted}, data has ${data.length}`);
    }
    if (datatype === 'BOOL' && data.some((byte) => byte > 1)) {
      throw badInput(where, `${where}: data: expected bytes 0 or 1 for BOOL`);
    }
    return;
  }
  const elements = countStrings(data);
  if (elements === undefined) {
    const expected = 'each element as a little-endian uint32 length and its bytes';
    throw badInput(
      where,
      `${where}: data: its element lengths disagree with its bytes; expected ${expected}`,
    );
  }
  if (elements !== count) {
    const wanted = `BYTES [${shape.join(', ')}] needs ${count} elements`;
    throw badInput(where, `${where}: ${wanted}, data has ${elements}`);
  }
}
