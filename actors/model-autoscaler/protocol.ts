/** What a worker's model-autoscaler understands: what its worker is like, and its own tick. */

import type { Variant } from '../domain/variant.ts';
import type { CoresDescribed } from '../instance/engine-port.ts';
import type { ScalingInstance } from '../policy/scaling/view.ts';

/** With each of the worker's reports. */
export interface WorkerSeen {
  readonly type: 'model-autoscaler.worker-seen';
  readonly memoryFreeBytes: number;
  readonly variants: readonly Variant[];
  readonly instances: readonly ScalingInstance[];
}

export type ModelAutoscalerMessage =
  WorkerSeen | CoresDescribed | { readonly type: 'model-autoscaler.tick-due' };
