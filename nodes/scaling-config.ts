/**
 * The configuration of scaling, with defaults: each worker's model-autoscaler, and what is done
 * about interference. The figures' sources stand with the rules that use them.
 */

import { z } from 'zod';

import { defaultMitigationRules } from '../actors/policy/interference/move-to-idle.ts';
import { scalingPolicies, type ScalingPolicyName } from '../actors/policy/scaling/index.ts';
import { defaultScalingRules } from '../actors/policy/scaling/view.ts';

const milliseconds = z.number().positive();
const share = z.number().min(0).max(1);
const policyNames = Object.keys(scalingPolicies) as [ScalingPolicyName, ...ScalingPolicyName[]];

export const scalingConfigSchema = z.object({
  policy: z.enum(policyNames).default('steady'),
  tickMs: milliseconds.default(1_000),
  mailboxMax: z.int().min(1).default(1_000),
  rules: z
    .object({
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
    .object({
      idleCoreBelow: share.default(defaultMitigationRules.idleCoreBelow),
      movesPauseMs: milliseconds.default(defaultMitigationRules.movesPauseMs),
      movesPauseMaxMs: milliseconds.default(defaultMitigationRules.movesPauseMaxMs),
    })
    .prefault({}),
});
