/** A variant as the simulator needs one: its costs, and hardly a signature. */

import type { HardwareKind } from '../../actors/domain/hardware.ts';
import type { LatencyPoint } from '../../actors/domain/profile.ts';
import type { Signature } from '../../actors/domain/signature.ts';
import type { Variant } from '../../actors/domain/variant.ts';

/** What is computed is not simulated: one number in, one out. */
export const simulatedSignature: Signature = {
  inputs: { x: { datatype: 'FP32', shape: ['batch', 1] } },
  outputs: { y: { datatype: 'FP32', shape: ['batch', 1] } },
};

export interface VariantFigures {
  readonly id: string;
  readonly architecture: string;
  readonly task: string;
  readonly dataset: string;
  readonly precision: string;
  readonly hardware: HardwareKind;
  readonly accuracy: number;
  readonly batchMax: number;
  readonly loadMs: number;
  readonly memoryBytes: number;
  readonly measuredOn: string;
}

/** T(b) = fixedMs + b × perQueryMs. */
export function simulatedVariant(
  figures: VariantFigures & { readonly fixedMs: number; readonly perQueryMs: number },
): Variant {
  const { fixedMs, perQueryMs, ...rest } = figures;
  const batches = figures.batchMax === 1 ? [1] : [1, figures.batchMax];
  const latency = batches.map((batch) => ({ batch, ms: fixedMs + batch * perQueryMs }));
  return variantOfPoints(rest, latency);
}

export function variantOfPoints(
  { loadMs, memoryBytes, measuredOn, ...named }: VariantFigures,
  latency: readonly LatencyPoint[],
): Variant {
  return {
    ...named,
    file: { path: `${named.id}.onnx`, sha256: 'simulated', bytes: memoryBytes },
    accuracyKind: 'stated',
    signature: simulatedSignature,
    adapter: {},
    profile: { loadMs, memoryBytes, latency, measuredOn },
  };
}
