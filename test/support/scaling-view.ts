/** What scaling policies see, everything defaulted. */

import type { Variant } from '../../actors/domain/variant.ts';
import type { ClassDemand } from '../../actors/domain/demand.ts';
import {
  defaultScalingRules,
  type ScalingInstance,
  type ScalingView,
} from '../../actors/policy/scaling/view.ts';
import { mebibyte } from './variants.ts';
import { cpuOf } from './worker-stage.ts';

export interface InstanceParts extends Partial<Omit<ScalingInstance, 'demand'>> {
  readonly rateQps?: number;
  readonly asks?: Partial<ClassDemand>;
}

export function instanceView(variantId: string, parts: InstanceParts = {}): ScalingInstance {
  const { rateQps = 0, asks, ...rest } = parts;
  return {
    id: `w1/${variantId}-1`,
    variantId,
    state: 'active',
    slowdown: 1,
    demand: [{ by: 'task', accuracyMin: 0, latencyMs: Infinity, rateQps, ...asks }],
    idleMs: 0,
    queued: 0,
    running: 0,
    moving: false,
    ...rest,
  };
}

/** Two cores, 64 MiB of them free. */
export function scalingView(
  variants: readonly Variant[],
  instances: readonly ScalingInstance[],
  parts: Partial<ScalingView> = {},
): ScalingView {
  return {
    nowMs: 1_000,
    hardware: cpuOf(64 * mebibyte),
    memoryFreeBytes: 32 * mebibyte,
    variants,
    instances,
    floors: {},
    rules: defaultScalingRules,
    ...parts,
  };
}
