/**
 * Signatures: what a task or an architecture takes and gives, and whether a query's inputs fit.
 *
 * A shape is numbers and names. `batch` names the axis along which queries are joined; other names
 * are free dimensions. An input without a batch axis that is `shared` is one for the whole batch (a
 * sampling rate); one with `state` is carried by the client from an earlier answer, and starts as
 * zeros when the query leaves it out.
 */

import {
  bytesPerElement,
  type Datatype,
  elementCount,
  type NamedTensors,
  stringsOf,
  type Tensor,
} from '../../runtime/wire/tensors.ts';
import { type QueryError, queryError } from './outcome.ts';

export interface TensorSpec {
  readonly datatype: Datatype;
  readonly shape: readonly (number | string)[];
  /** No batch axis; equal for all queries of a batch. */
  readonly shared?: boolean | undefined;
  /** The output that carries this input's next value. */
  readonly state?: string | undefined;
}

export interface Signature {
  readonly inputs: Readonly<Record<string, TensorSpec>>;
  readonly outputs: Readonly<Record<string, TensorSpec>>;
}

export const batchDimension = 'batch';

/** Position of the batch axis, −1 without one. */
export function batchAxisOf(spec: TensorSpec): number {
  return spec.shape.indexOf(batchDimension);
}

/** The part of an architecture's signature that its task has: everything but carried state. */
export function taskSignatureOf(signature: Signature): Signature {
  const carried = new Set(Object.values(signature.inputs).map((spec) => spec.state));
  const keep = (name: string, spec: TensorSpec): boolean =>
    spec.state === undefined && !carried.has(name);
  const pick = (specs: Signature['inputs']): Signature['inputs'] =>
    Object.fromEntries(Object.entries(specs).filter(([name, spec]) => keep(name, spec)));
  return { inputs: pick(signature.inputs), outputs: pick(signature.outputs) };
}

/** Says where `offered` differs from what the task asks, or undefined when it fits. */
export function signatureMismatch(task: Signature, offered: Signature): string | undefined {
  for (const side of ['inputs', 'outputs'] as const) {
    const names = new Set([...Object.keys(task[side]), ...Object.keys(offered[side])]);
    for (const name of names) {
      const want = task[side][name];
      const have = offered[side][name];
      if (want === undefined) return `${side} "${name}" is not in the task's signature`;
      if (have === undefined) return `${side} "${name}" of the task is missing`;
      if (formatSpec(want) !== formatSpec(have)) {
        return `${side} "${name}" is ${formatSpec(have)}, the task has ${formatSpec(want)}`;
      }
    }
  }
  return undefined;
}

/** `FP32 [batch, 1, 28, 28]`. */
export function formatSpec(spec: TensorSpec): string {
  return `${spec.datatype} [${spec.shape.join(', ')}]${spec.shared === true ? ' shared' : ''}`;
}

/** A signature prepared for checking queries: no look-ups by name beyond one a tensor. */
export interface InputChecker {
  readonly signature: Signature;
  readonly required: readonly string[];
  /** True when queries may only be joined with equals: shared inputs or free dimensions exist. */
  readonly keyed: boolean;
}

export function createInputChecker(signature: Signature): InputChecker {
  const specs = Object.entries(signature.inputs);
  return {
    signature,
    required: specs.filter(([, spec]) => spec.state === undefined).map(([name]) => name),
    keyed: specs.some(
      ([, spec]) =>
        batchAxisOf(spec) < 0 ||
        spec.shape.some((size) => typeof size === 'string' && size !== batchDimension),
    ),
  };
}

export interface CheckedInputs {
  readonly ok: true;
  /** Queries' own batch: the size of every batch axis. */
  readonly batch: number;
  /**
   * Only queries with equal keys may share a batch. Undefined: with nobody, for what they would
   * have to have in common is too large to compare.
   */
  readonly batchKey: string | undefined;
}

export type InputCheck = CheckedInputs | { readonly ok: false; readonly error: QueryError };

/**
 * Checks names, datatypes, shapes and byte lengths. The error names the input and what was
 * expected.
 */
export function checkInputs(checker: InputChecker, inputs: NamedTensors): InputCheck {
  let batch = -1;
  for (const name of checker.required) {
    if (inputs[name] === undefined) {
      const spec = checker.signature.inputs[name];
      return refuse(name, spec === undefined ? '' : formatSpec(spec), 'it is missing');
    }
  }
  for (const name of Object.keys(inputs)) {
    const tensor = inputs[name];
    if (tensor === undefined) continue;
    const spec = Object.hasOwn(checker.signature.inputs, name)
      ? checker.signature.inputs[name]
      : undefined;
    if (spec === undefined) {
      const known = Object.keys(checker.signature.inputs).join(', ');
      return refuse(name, `one of: ${known}`, 'there is no such input');
    }
    const wrong = tensorMismatch(spec, tensor);
    if (wrong !== undefined) return refuse(name, formatSpec(spec), wrong);
    const axis = batchAxisOf(spec);
    if (axis >= 0) {
      const size = tensor.shape[axis] ?? 0;
      if (batch >= 0 && size !== batch) {
        return refuse(
          name,
          formatSpec(spec),
          `its batch is ${String(size)}, another input's ${String(batch)}`,
        );
      }
      batch = size;
    }
  }
  const batchKey = checker.keyed ? batchKeyOf(checker.signature, inputs) : '';
  return { ok: true, batch: Math.max(1, batch), batchKey };
}

function refuse(name: string, expected: string, what: string): InputCheck {
  const message = `input "${name}": ${what}; expected ${expected}`;
  return { ok: false, error: queryError('bad_input', message, { input: name, expected }) };
}

function tensorMismatch(spec: TensorSpec, tensor: Tensor): string | undefined {
  if (tensor.datatype !== spec.datatype) return `its datatype is ${tensor.datatype}`;
  if (tensor.shape.length !== spec.shape.length) {
    return `its shape [${tensor.shape.join(', ')}] has ${String(tensor.shape.length)} dimensions`;
  }
  for (let index = 0; index < spec.shape.length; index += 1) {
    const want = spec.shape[index];
    const have = tensor.shape[index] ?? -1;
    if (typeof want === 'number' ? have !== want : have < 1) {
      return `its shape is [${tensor.shape.join(', ')}]`;
    }
  }
  const count = elementCount(tensor.shape);
  if (tensor.datatype === 'BYTES') {
    const elements = stringsOf(tensor.data);
    if (elements === undefined) return 'its element lengths disagree with its bytes';
    return elements.length === count
      ? undefined
      : `its shape needs ${String(count)} elements, the data has ${String(elements.length)}`;
  }
  const bytes = count * bytesPerElement(tensor.datatype);
  return tensor.data.byteLength === bytes
    ? undefined
    : `its shape needs ${String(bytes)} bytes, the data has ${String(tensor.data.byteLength)}`;
}

/** Larger inputs without a batch axis are not compared: a rate or a flag is, an image is not. */
const comparedBytesMax = 64;

/** In the signature's order, so that the client's does not matter. */
function batchKeyOf(signature: Signature, inputs: NamedTensors): string | undefined {
  let key = '';
  for (const [name, spec] of Object.entries(signature.inputs)) {
    const tensor = inputs[name];
    if (tensor === undefined) continue;
    const axis = batchAxisOf(spec);
    key += `${name}:${tensor.shape.filter((_, index) => index !== axis).join('x')}`;
    if (axis < 0) {
      if (tensor.data.byteLength > comparedBytesMax) return undefined;
      key += `=${tensor.data.join(',')}`;
    }
    key += ';';
  }
  return key;
}
