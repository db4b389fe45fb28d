/** The variants of a fault run: one task, three architectures, figures small enough to crowd. */

import type { Signature } from '../../actors/domain/signature.ts';
import type { Variant } from '../../actors/domain/variant.ts';
import type { EngineQuery } from '../../actors/instance/engine-port.ts';
import { type NamedTensors, tensorOf, typedArrayOf } from '../../runtime/wire/tensors.ts';

const mebibyte = 1024 * 1024;

/** Two numbers in, their sum out: an answer shows whose it is. */
const signature: Signature = {
  inputs: { x: { datatype: 'FP32', shape: ['batch', 2] } },
  outputs: { y: { datatype: 'FP32', shape: ['batch', 1] } },
};

export const stockTask = 'pairs';

export const stock: readonly Variant[] = [
  variantOf('small', { accuracy: 90, ms: 2, perQueryMs: 1, loadMs: 40, mebibytes: 8 }),
  variantOf('middle', { accuracy: 95, ms: 5, perQueryMs: 2, loadMs: 90, mebibytes: 16 }),
  variantOf('large', { accuracy: 99, ms: 8, perQueryMs: 6, loadMs: 150, mebibytes: 32 }),
];

interface Figures {
  readonly accuracy: number;
  readonly ms: number;
  readonly perQueryMs: number;
  readonly loadMs: number;
  readonly mebibytes: number;
}

function variantOf(id: string, figures: Figures): Variant {
  const latency = [1, 8].map((batch) => ({ batch, ms: figures.ms + batch * figures.perQueryMs }));
  return {
    id,
    architecture: `${id}-net`,
    task: stockTask,
    dataset: 'drawn',
    precision: 'fp32',
    file: { path: `${id}.onnx`, sha256: 'none', bytes: 1 },
    accuracy: figures.accuracy,
    accuracyKind: 'stated',
    signature,
    adapter: {},
    batchMax: 8,
    hardware: 'cpu',
    profile: {
      loadMs: figures.loadMs,
      memoryBytes: figures.mebibytes * mebibyte,
      latency,
      measuredOn: 'nowhere: drawn for fault runs',
    },
  };
}

/** Inputs that only the query of this number has. */
export function inputsOf(number: number, batch: number): NamedTensors {
  const values = Float32Array.from({ length: 2 * batch }, (_, at) => (at % 2 === 0 ? number : at));
  return { x: tensorOf('FP32', [batch, 2], values) };
}

/** The sum of each pair. */
export function answerOf(_: Variant, { inputs, batch }: Pick<EngineQuery, 'inputs' | 'batch'>) {
  const x = inputs['x'] === undefined ? [] : typedArrayOf(inputs['x']);
  const sums = Float32Array.from(
    { length: batch },
    (_each, at) => Number(x[2 * at] ?? 0) + Number(x[2 * at + 1] ?? 0),
  );
  return { y: tensorOf('FP32', [batch, 1], sums) } satisfies NamedTensors;
}

/** Whether outputs are what `answerOf` makes of `inputsOf(number, batch)`. */
export function isAnswerTo(number: number, batch: number, outputs: NamedTensors): boolean {
  const y = outputs['y'];
  if (y === undefined) return false;
  const sums = [...typedArrayOf(y)].map(Number);
  return sums.length === batch && sums.every((sum, at) => sum === number + 2 * at + 1);
}
