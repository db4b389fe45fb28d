/** What a worker's model-autoscaler understands: what its worker is like, and its own tick. */

import type { Variant, VariantId } from '../domain/variant.ts';
import type { CoresDescribed } from '../instance/engine-port.ts';
import type { ScalingInstance } from '../policy/scaling/view.ts';

/** With each of the worker's reports. */
export interface WorkerSeen {
  readonly type: 'model-autoscaler.worker-seen';
  readonly memoryFreeBytes: number;
  readonly variants: readonly Variant[];
  readonly instances: readonly ScalingInstance[];
}

/** This worker's part of the plan for the fleet. */
export interface PlanAssigned {
  readonly type: 'model-autoscaler.plan-assigned';
  readonly counts: Readonly<Record<VariantId, number>>;
}

export type ModelAutoscalerMessage =
  WorkerSeen | PlanAssigned | CoresDescribed | { readonly type: 'model-autoscaler.tick-due' };
