/**
 * A worker's model-autoscaler: every second it looks at the load on each variant and at instances
 * that others slow down, and tells its worker what to load, unload, replace or move (INFaaS'
 * Model-Autoscaler). The policies decide; this holds what they remember.
 */

import type { ActorContext, ActorSpec, Ref } from '../../runtime/actor.ts';
import { assertNever } from '../../runtime/assert.ts';
import { restartPolicy } from '../../runtime/supervision.ts';
import type { Decision, DecisionKind } from '../domain/decision.ts';
import type { Hardware } from '../domain/hardware.ts';
import type { VariantId } from '../domain/variant.ts';
import type { WorkerId } from '../domain/worker.ts';
import type { CoresDescribed, CoreUse, EngineCommand } from '../instance/engine-port.ts';
import {
  mitigate,
  type MitigationRules,
  type MitigationState,
} from '../policy/interference/move-to-idle.ts';
import {
  type ScaleDecision,
  type Scaler,
  scalingPolicies,
  type ScalingPolicyName,
  type ScalingView,
} from '../policy/scaling/index.ts';
import type { AssignedPlan, ScalingRules } from '../policy/scaling/view.ts';
import type { WorkerMessage } from '../worker/protocol.ts';
import type { ModelAutoscalerMessage, WorkerSeen } from './protocol.ts';

export interface ModelAutoscalerConfig {
  readonly policy: ScalingPolicyName;
  readonly tickMs: number;
  readonly mailboxMax: number;
  readonly rules: ScalingRules;
  readonly mitigation: MitigationRules;
}

export interface ModelAutoscalerOptions {
  readonly workerId: WorkerId;
  readonly hardware: readonly Hardware[];
  readonly floors: Readonly<Record<VariantId, number>>;
  readonly worker: Ref<WorkerMessage>;
  readonly engine: Ref<EngineCommand>;
  readonly config: ModelAutoscalerConfig;
}

interface Scaling {
  readonly options: ModelAutoscalerOptions;
  scaler: Scaler;
  mitigation: MitigationState;
  seen: WorkerSeen | undefined;
  cores: readonly CoreUse[];
  plan: AssignedPlan | undefined;
}

export function modelAutoscalerSpec(
  options: ModelAutoscalerOptions,
): ActorSpec<Scaling, ModelAutoscalerMessage> {
  return {
    start: (ctx) => {
      ctx.after(options.config.tickMs, 'tick', { type: 'model-autoscaler.tick-due' });
      const scaler = scalingPolicies[options.config.policy];
      return { options, scaler, mitigation: {}, seen: undefined, cores: [], plan: undefined };
    },
    behaviour: modelAutoscalerBehaviour,
    supervision: restartPolicy,
    mailboxMax: options.config.mailboxMax,
    remoteTypes: [],
  };
}

function modelAutoscalerBehaviour(
  scaling: Scaling,
  message: ModelAutoscalerMessage,
  ctx: ActorContext<ModelAutoscalerMessage>,
): Scaling {
  switch (message.type) {
    case 'model-autoscaler.worker-seen':
      scaling.seen = message;
      return scaling;
    case 'model-autoscaler.plan-assigned':
      scaling.plan = { atMs: ctx.nowMs, counts: message.counts };
      return scaling;
    case 'engine.cores-described':
      scaling.cores = message.cores;
      return scaling;
    case 'model-autoscaler.tick-due':
      tick(scaling, ctx);
      return scaling;
    default:
      return assertNever(message);
  }
}

function tick(scaling: Scaling, ctx: ActorContext<ModelAutoscalerMessage>): void {
  const { options, seen } = scaling;
  ctx.after(options.config.tickMs, 'tick', { type: 'model-autoscaler.tick-due' });
  // For the next tick: what cores did meanwhile.
  const replyTo: Ref<CoresDescribed> = ctx.self;
  ctx.tell(options.engine, { type: 'engine.describe-cores', replyTo });
  if (seen === undefined) return;
  const { hardware, floors, config } = options;
  const view: ScalingView = {
    nowMs: ctx.nowMs,
    hardware,
    floors,
    memoryFreeBytes: seen.memoryFreeBytes,
    variants: seen.variants,
    instances: seen.instances,
    rules: config.rules,
    plan: scaling.plan,
  };
  const mitigated = mitigateUnlessStatic(scaling, view);
  const [scaled, scaler] = scaling.scaler(withMoving(view, mitigated));
  scaling.scaler = scaler;
  ctx.tell(options.worker, {
    type: 'worker.carry-out',
    actions: [...mitigated, ...scaled].flatMap(({ actions }) => actions),
    decisions: [
      ...mitigated.map((decision) => recordOf(options, 'mitigation', decision, ctx.nowMs)),
      ...scaled.map((decision) => recordOf(options, 'scaling', decision, ctx.nowMs)),
    ],
  });
}

function withMoving(view: ScalingView, mitigated: readonly ScaleDecision[]): ScalingView {
  if (mitigated.length === 0) return view;
  const moving = new Set(mitigated.map(({ subject }) => subject));
  const instances = view.instances.map((each) =>
    moving.has(each.id) ? { ...each, moving: true } : each,
  );
  return { ...view, instances };
}

/** The static policy is a baseline that changes nothing by itself. */
function mitigateUnlessStatic(scaling: Scaling, view: ScalingView): readonly ScaleDecision[] {
  const { policy, mitigation } = scaling.options.config;
  if (policy === 'static') return [];
  const [decisions, next] = mitigate(view, scaling.cores, mitigation, scaling.mitigation);
  scaling.mitigation = next;
  return decisions;
}

function recordOf(
  { workerId }: ModelAutoscalerOptions,
  kind: DecisionKind,
  { subject, chosen, why, seen, rejected }: ScaleDecision,
  atMs: number,
): Decision {
  return { kind, by: workerId, atMs, subject, chosen, why, seen, rejected };
}
