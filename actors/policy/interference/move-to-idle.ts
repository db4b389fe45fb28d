/**
 * What is done about an interfered instance (`reference/infaas.md` §3): moved onto idle cores of
 * its worker where there are any, else another worker is asked to place its variant. A variant that
 * was moved is let be for a while, twice as long each time: where it is slow everywhere moving
 * helps nobody, its profile is wrong.
 */

import type { VariantId } from '../../domain/variant.ts';
import { alikeOf } from '../alike.ts';
import type { ScaleDecision, ScalingInstance, ScalingView } from '../scaling/view.ts';

/** Busy share of a core since the last second, whoever used it. */
export interface CoreView {
  readonly core: number;
  readonly busy: number;
}

export interface MitigationRules {
  /** A core is idle when it is busy for less than this share. */
  readonly idleCoreBelow: number;
  /** A variant is moved again after this, twice that, and so on, up to `movesPauseMaxMs`. */
  readonly movesPauseMs: number;
  readonly movesPauseMaxMs: number;
}

export const defaultMitigationRules: MitigationRules = {
  idleCoreBelow: 0.3,
  movesPauseMs: 10_000,
  movesPauseMaxMs: 600_000,
};

interface Moved {
  readonly atMs: number;
  readonly pauseMs: number;
}

export type MitigationState = Readonly<Record<VariantId, Moved>>;

export function mitigate(
  view: ScalingView,
  cores: readonly CoreView[],
  rules: MitigationRules,
  state: MitigationState,
): readonly [readonly ScaleDecision[], MitigationState] {
  // The usual case, and asked every second.
  if (!view.instances.some(isToMove)) return [noDecisions, state];
  const { byId } = alikeOf(view.variants);
  const decisions: ScaleDecision[] = [];
  const moved: Record<VariantId, Moved> = { ...state };
  const idle = cores
    .filter(({ busy }) => busy < rules.idleCoreBelow)
    .sort((a, b) => a.busy - b.busy || a.core - b.core);
  let memoryFreeBytes = view.memoryFreeBytes;
  for (const instance of view.instances) {
    const { variantId } = instance;
    if (!isToMove(instance)) continue;
    const variant = byId.get(variantId);
    if (variant === undefined) continue;
    const last = moved[variantId];
    if (last !== undefined && view.nowMs < last.atMs + last.pauseMs) continue;
    const fits = variant.profile.memoryBytes <= memoryFreeBytes;
    const core = fits ? idle.shift() : undefined;
    decisions.push(decisionOf(instance, cores, core, fits));
    if (core !== undefined) memoryFreeBytes -= variant.profile.memoryBytes;
    moved[variantId] = { atMs: view.nowMs, pauseMs: pauseAfter(last, view.nowMs, rules) };
  }
  return [decisions, moved];
}

function isToMove({ state, moving }: ScalingInstance): boolean {
  return state === 'interfered' && !moving;
}

const noDecisions: readonly ScaleDecision[] = [];

/** What was quiet for long after its pause starts anew. */
function pauseAfter(last: Moved | undefined, nowMs: number, rules: MitigationRules): number {
  if (last === undefined || nowMs > last.atMs + 4 * last.pauseMs) return rules.movesPauseMs;
  return Math.min(rules.movesPauseMaxMs, 2 * last.pauseMs);
}

function decisionOf(
  instance: ScalingInstance,
  cores: readonly CoreView[],
  core: CoreView | undefined,
  fits: boolean,
): ScaleDecision {
  const { id, variantId, slowdown } = instance;
  const busiest = cores.reduce((most, { busy }) => Math.max(most, busy), 0);
  const of = {
    subject: id,
    why: `interfered: ${slowdown.toFixed(2)} times as slow as its profile, below saturation`,
    seen: { slowdown, cores: cores.length, busiestCore: busiest },
  };
  if (core !== undefined) {
    return {
      ...of,
      actions: [{ do: 'migrate', instanceId: id, cores: [core.core] }],
      chosen: `move ${id} to core ${String(core.core)}`,
      rejected: [],
    };
  }
  const why = fits ? 'no core is idle' : 'no memory for a second copy';
  return {
    ...of,
    actions: [{ do: 'place-elsewhere', variantId, instanceId: id }],
    chosen: `place ${variantId} on another worker`,
    rejected: [{ what: 'move to other cores of this worker', why }],
  };
}
