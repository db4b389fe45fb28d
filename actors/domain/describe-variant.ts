/** A variant as clients and people read it. Pure. */

import type { VariantDescription } from './fleet-description.ts';
import { costUsdPer1000, type Variant } from './variant.ts';

export function describeVariant(
  variant: Variant,
  state: VariantDescription['state'],
  instances: number,
): VariantDescription {
  return {
    name: variant.id,
    architecture: variant.architecture,
    task: variant.task,
    dataset: variant.dataset,
    precision: variant.precision,
    accuracy: variant.accuracy,
    accuracyKind: variant.accuracyKind,
    ...(variant.accuracyReference === undefined
      ? {}
      : { accuracyReference: variant.accuracyReference }),
    hardware: variant.hardware,
    latencyMs: variant.profile.latency,
    loadMs: variant.profile.loadMs,
    memoryBytes: variant.profile.memoryBytes,
    sizeBytes: variant.file.bytes,
    costUsdPer1000: costUsdPer1000(variant),
    batchMax: variant.batchMax,
    ...(variant.version === undefined ? {} : { version: variant.version }),
    state,
    instances,
    measuredOn: variant.profile.measuredOn,
  };
}
