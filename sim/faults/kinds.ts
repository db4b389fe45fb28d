/** What goes wrong in a fault run, and what an instance may be doing when it does. */

import type { InstanceState } from '../../actors/domain/instance.ts';

export const faultKinds = [
  'crash-worker',
  'crash-controller',
  'crash-gateway',
  'crash-engine',
  'fail-worker',
  'fail-monitor',
  'fail-instance',
  'fail-dispatcher',
  'fail-controller',
  'partition',
  'cut',
  'loss',
  'duplication',
  'delay',
  'reordering',
  'corruption',
  'slow-engine',
  'hanging-engine',
  'failing-engine',
  'flood',
  'clock-jump',
  'freeze',
  'unload',
  'register',
] as const;

export type FaultKind = (typeof faultKinds)[number];

/** The states that instances reach in a run; each kind of fault has to meet each of them. */
export const metStates = [
  'loading',
  'active',
  'overloaded',
  'interfered',
  'draining',
  'unloaded',
  'failed',
] as const satisfies readonly InstanceState[];

export type MetState = (typeof metStates)[number];
