/** Variants, signatures and tensors to test with. */

import type { LatencyPoint } from '../../actors/domain/profile.ts';
import type { Signature } from '../../actors/domain/signature.ts';
import type { Variant } from '../../actors/domain/variant.ts';
import { type NamedTensors, type Tensor, tensorOf } from '../../runtime/wire/tensors.ts';

export const mebibyte = 1024 * 1024;

/** Two numbers in, one out; joined along the first axis. */
export const pairSignature: Signature = {
  inputs: { x: { datatype: 'FP32', shape: ['batch', 2] } },
  outputs: { y: { datatype: 'FP32', shape: ['batch', 1] } },
};

/** Besides, a rate that all queries of a batch share. */
export const sharedSignature: Signature = {
  inputs: { ...pairSignature.inputs, rate: { datatype: 'INT64', shape: [], shared: true } },
  outputs: pairSignature.outputs,
};

/** Besides, state that the client carries from answer to query. */
export const statefulSignature: Signature = {
  inputs: {
    ...pairSignature.inputs,
    h: { datatype: 'FP32', shape: ['batch', 3], state: 'hn' },
  },
  outputs: { ...pairSignature.outputs, hn: { datatype: 'FP32', shape: ['batch', 3] } },
};

export interface VariantParts extends Partial<Omit<Variant, 'profile'>> {
  readonly loadMs?: number;
  readonly memoryBytes?: number;
  readonly latency?: readonly LatencyPoint[];
}

/** One of `pairs/test` with everything defaulted: 10 ms a query whatever the batch adds. */
export function variantOf(id: string, parts: VariantParts = {}): Variant {
  const { loadMs, memoryBytes, latency, ...rest } = parts;
  return {
    id,
    architecture: id,
    task: 'pairs',
    dataset: 'test',
    precision: 'fp32',
    file: { path: `${id}.onnx`, sha256: 'none', bytes: 1 },
    accuracy: 90,
    accuracyKind: 'stated',
    signature: pairSignature,
    adapter: {},
    batchMax: 8,
    hardware: 'cpu',
    profile: {
      loadMs: loadMs ?? 100,
      memoryBytes: memoryBytes ?? mebibyte,
      latency: latency ?? perQuery(10),
      measuredOn: 'nowhere',
    },
    ...rest,
  };
}

/** A batch costs as much as its queries one by one: batching does not pay. */
export function perQuery(ms: number): LatencyPoint[] {
  return [
    { batch: 1, ms },
    { batch: 8, ms: 8 * ms },
  ];
}

/** Most of the time is the same whatever the batch: batching pays. */
export function perBatch(ms: number, perQueryMs: number): LatencyPoint[] {
  return [
    { batch: 1, ms: ms + perQueryMs },
    { batch: 8, ms: ms + 8 * perQueryMs },
  ];
}

export function floats(shape: readonly number[], ...values: number[]): Tensor {
  return tensorOf('FP32', shape, Float32Array.from(values));
}

/** Inputs of `pairSignature`, `batch` pairs of them. */
export function pairs(batch = 1): NamedTensors {
  return { x: tensorOf('FP32', [batch, 2], new Float32Array(batch * 2)) };
}
