/**
 * The configuration of scaling, with defaults: each worker's model-autoscaler, what is done about
 * interference, and the fleet-autoscaler. The figures' sources stand with the rules that use them.
 */

import { z } from 'zod';

import { type FleetPolicyName, fleetPolicies } from '../actors/policy/fleet/index.ts';
import { defaultFleetRules } from '../actors/policy/fleet/view.ts';
import { defaultMitigationRules } from '../actors/policy/interference/move-to-idle.ts';
import { defaultPolicy, policies } from '../actors/policy/policies.ts';
import { scalingPolicies, type ScalingPolicyName } from '../actors/policy/scaling/index.ts';
import { defaultScalingRules } from '../actors/policy/scaling/view.ts';

const milliseconds = z.number().positive();
const share = z.number().min(0).max(1);
const policyNames = Object.keys(scalingPolicies) as [ScalingPolicyName, ...ScalingPolicyName[]];

export const scalingConfigSchema = z.strictObject({
  policy: z.enum(policyNames).default(policies[defaultPolicy].scaling),
  tickMs: milliseconds.default(1_000),
  mailboxMax: z.int().min(1).default(1_000),
  rules: z
    .strictObject({
      headroomMin: z.number().min(1).default(defaultScalingRules.headroomMin),
      loadWeightPerS: z.number().min(0).default(defaultScalingRules.loadWeightPerS),
      downMargin: z.number().min(1).default(defaultScalingRules.downMargin),
      downSlotsMin: z.int().min(1).default(defaultScalingRules.downSlotsMin),
      idleAfterMs: milliseconds.default(defaultScalingRules.idleAfterMs),
      rememberMs: milliseconds.default(defaultScalingRules.rememberMs),
      askAgainMs: milliseconds.default(defaultScalingRules.askAgainMs),
    })
    .prefault({}),
  mitigation: z
    .strictObject({
      idleCoreBelow: share.default(defaultMitigationRules.idleCoreBelow),
      movesPauseMs: milliseconds.default(defaultMitigationRules.movesPauseMs),
      movesPauseMaxMs: milliseconds.default(defaultMitigationRules.movesPauseMaxMs),
    })
    .prefault({}),
});

const fleetPolicyNames = Object.keys(fleetPolicies) as [FleetPolicyName, ...FleetPolicyName[]];
const count = z.int().min(0);
const limits = z
  .strictObject({ min: count.default(0), max: count.default(1_000) })
  .refine(({ min, max }) => min <= max, 'min is greater than max');

export const fleetConfigSchema = z.strictObject({
  policy: z.enum(fleetPolicyNames).default(policies[defaultPolicy].fleet),
  tickMs: milliseconds.default(2_000),
  mailboxMax: z.int().min(1).default(10_000),
  /** Workers that there are to be, and may be, with each kind of hardware. */
  limits: z
    .strictObject({
      cpu: limits.prefault({}),
      cuda: limits.prefault({}),
      webgpu: limits.prefault({}),
      inferentia: limits.prefault({}),
    })
    .prefault({}),
  rules: z
    .strictObject({
      utilisationSets: share.default(defaultFleetRules.utilisationSets),
      overloadedShare: share.default(defaultFleetRules.overloadedShare),
      stepMax: z.int().min(1).default(defaultFleetRules.stepMax),
      emptyBelow: share.default(defaultFleetRules.emptyBelow),
      packedMax: share.default(defaultFleetRules.packedMax),
      releaseAfterMs: milliseconds.default(defaultFleetRules.releaseAfterMs),
      movesMax: count.default(defaultFleetRules.movesMax),
    })
    .prefault({}),
  /** Cores of a worker that is added. */
  workerUnits: z.int().min(1).default(1),
  /** Memory of a worker that is added; by default the agent's in proportion to the cores. */
  workerMemoryBytes: z.int().min(1).optional(),
  startTimeoutMs: milliseconds.default(60_000),
  youngMs: milliseconds.default(5_000),
  backoffMs: milliseconds.default(1_000),
  backoffMaxMs: milliseconds.default(60_000),
  placeTimeoutMs: milliseconds.default(30_000),
  silentMs: milliseconds.default(5_000),
  /** Solves the plans of policies that plan, in a thread of its own. */
  planner: z
    .strictObject({
      /** Of the exact solver, s; cut at 0.8 s it was within 0.2 points to 67 % of load. */
      solverS: z.number().positive().default(0.5),
      /** Relative distance from the best at which it stops. */
      gap: z.number().min(0).max(1).default(0.005),
      hangMs: milliseconds.default(10_000),
    })
    .prefault({}),
  /** Starts and removes workers where no agent has room (docs/scaling.md). */
  command: z.string().optional(),
  commandTimeoutMs: milliseconds.default(60_000),
});

export type FleetSettings = z.infer<typeof fleetConfigSchema>;

export const agentConfigSchema = z.strictObject({
  reportMs: z.number().positive().default(1_000),
  /** Below this a worker is refused: it could load nothing. */
  workerMemoryMinBytes: z
    .int()
    .min(1)
    .default(256 * 1024 * 1024),
});
