/**
 * Whole policies by name: selection, batching, scaling and fleet together, since one without the
 * others is nobody's system. Configuration (`policy`) and scenarios name one; a setting of a part
 * overrides it. Sources and constants: docs/policies.md.
 */

import type { BatchPolicyName } from './batching/index.ts';
import type { FleetPolicyName } from './fleet/index.ts';
import type { ScalingPolicyName } from './scaling/index.ts';
import type { SelectionPolicyName } from './selection/index.ts';

export interface Policy {
  readonly selection: SelectionPolicyName;
  readonly batching: BatchPolicyName;
  readonly scaling: ScalingPolicyName;
  readonly fleet: FleetPolicyName;
}

export const policies = {
  // What is cheapest and meets the SLO serves; each worker scales by what it sees.
  lean: {
    ...{ selection: 'cheapest', batching: 'adaptive' },
    ...{ scaling: 'steady', fleet: 'infaas-paper' },
  },
  ours: {
    ...{ selection: 'ours', batching: 'adaptive' },
    ...{ scaling: 'planned', fleet: 'ours' },
  },
  'infaas-paper': {
    ...{ selection: 'infaas-paper', batching: 'adaptive' },
    ...{ scaling: 'infaas-paper', fleet: 'infaas-paper' },
  },
  // The released code has no queue of its own, and so no batches across queries.
  'infaas-released': {
    ...{ selection: 'infaas-released', batching: 'single' },
    ...{ scaling: 'infaas-released', fleet: 'infaas-paper' },
  },
  // Its instances are those that the owner has set (`worker.preload`).
  'clipper-plus': {
    ...{ selection: 'designated', batching: 'clipper' },
    ...{ scaling: 'static', fleet: 'static' },
  },
  'sm-plus': {
    ...{ selection: 'designated', batching: 'adaptive' },
    ...{ scaling: 'target-tracking', fleet: 'infaas-paper' },
  },
  proteus: {
    ...{ selection: 'proteus', batching: 'proteus' },
    ...{ scaling: 'planned', fleet: 'proteus' },
  },
  static: {
    ...{ selection: 'cheapest', batching: 'adaptive' },
    ...{ scaling: 'static', fleet: 'static' },
  },
  'round-robin': {
    ...{ selection: 'round-robin', batching: 'adaptive' },
    ...{ scaling: 'static', fleet: 'static' },
  },
} as const satisfies Readonly<Record<string, Policy>>;

export type PolicyName = keyof typeof policies;

export const policyNames = Object.keys(policies) as [PolicyName, ...PolicyName[]];

export const defaultPolicy: PolicyName = 'ours';

/** On one machine that stays one there is nothing to plan: what costs least leaves most room. */
export const oneMachinePolicy: PolicyName = 'lean';
