/**
 * Profiles that no longer tell the truth: workers tell what their monitors found, a policy judges
 * it over all workers, and one variant after another is marked stale, measured anew, and recorded
 * with its new profile. The mark is part of the record, so that a restart goes on with it.
 *
 * A variant whose new profile is soon off as well is let be for a while, twice as long each time:
 * measuring does not help there.
 */

import type { Family } from '../domain/family.ts';
import { withVariant } from '../domain/family.ts';
import type { Variant, VariantId } from '../domain/variant.ts';
import { staleProfiles } from '../policy/profiling/stale.ts';
import type { WorkerSeen } from './protocol.ts';
import { type Context, objectionToBegin, type Registering, workersHeard } from './registering.ts';
import { runScript } from './running.ts';
import {
  attempt,
  progressOf,
  record,
  RegistrationRefused,
  type Script,
  type ScriptAnswer,
  type ScriptRequest,
  type ScriptResult,
} from './script.ts';

/** A worker that said nothing for so many of its intervals has nothing to say any more. */
const silentIntervals = 3;

export function takeWorker(registering: Registering, seen: WorkerSeen, ctx: Context): void {
  const { workers } = registering;
  const { workerId, everyMs } = seen;
  workers.set(workerId, { seen, untilMs: ctx.nowMs + silentIntervals * everyMs });
  for (const { variantId, reason } of staleProfiles(workersHeard(registering, ctx.nowMs))) {
    want(registering, variantId, reason, ctx);
  }
  reprofileNext(registering, ctx);
}

/** Those that a registrar before this one had begun with. */
export function resumeStale(registering: Registering, ctx: Context): void {
  for (const { variants } of registering.registry.all()) {
    for (const { id, stale } of variants) {
      if (stale !== undefined) registering.toReprofile.set(id, stale);
    }
  }
  reprofileNext(registering, ctx);
}

function want(
  { reprofiled, toReprofile, options }: Registering,
  variantId: VariantId,
  reason: string,
  ctx: Context,
): void {
  const last = reprofiled.get(variantId);
  if (last !== undefined && ctx.nowMs < last.atMs + last.pauseMs) return;
  if (toReprofile.has(variantId)) return;
  const { reprofilePauseMs, reprofilePauseMaxMs } = options.config;
  // What was quiet for long after its pause starts anew.
  const again = last !== undefined && ctx.nowMs < last.atMs + 4 * last.pauseMs;
  const pauseMs = again ? Math.min(2 * last.pauseMs, reprofilePauseMaxMs) : reprofilePauseMs;
  reprofiled.set(variantId, { atMs: ctx.nowMs, pauseMs });
  toReprofile.set(variantId, reason);
}

/**
 * One at a time; those whose architecture is being registered wait for the next occasion, and all
 * do while every worker is busy: what is measured then would be as wrong, and cost queries a core.
 */
export function reprofileNext(registering: Registering, ctx: Context): void {
  const { toReprofile, running, registry, options } = registering;
  if (toReprofile.size === 0 || isBusy(registering, ctx.nowMs)) return;
  if ([...running.values()].some(({ request }) => request === undefined)) return;
  for (const [variantId, reason] of toReprofile) {
    const family = registry.familyOf(variantId);
    const variant = family?.variants.find(({ id }) => id === variantId);
    if (family === undefined || variant === undefined) {
      toReprofile.delete(variantId);
      continue;
    }
    if (objectionToBegin(registering, family.architecture) !== undefined) continue;
    toReprofile.delete(variantId);
    ctx.log.warn('a profile is stale', { variant: variantId, reason });
    ctx.metrics.count('infaas_profiles_stale_total', 1, { variant: variantId });
    const script = reprofileScript(family, variant, reason, options.config.profileMs);
    runScript(registering, script, family.architecture, undefined, ctx);
    return;
  }
}

function isBusy(registering: Registering, nowMs: number): boolean {
  const { profilingUtilisationMax } = registering.options.config;
  const workers = workersHeard(registering, nowMs);
  return (
    workers.length > 0 && workers.every(({ utilisation }) => utilisation > profilingUtilisationMax)
  );
}

export function* reprofileScript(
  before: Family,
  variant: Variant,
  reason: string,
  budgetMs: number,
): Script {
  const family = withVariant(before, { ...variant, stale: reason });
  yield* record(family, 'recording', variant.id);
  const { signature, adapter, batchMax, file } = variant;
  const step = {
    model: { of: 'kept', file },
    fit: { signature, adapter, recipe: undefined },
    ...{ batchMax, budgetMs, machine: variant.machine },
  } as const;
  const measured = yield* attempt('profile', step, progressOf('profiling', variant.id));
  if (!measured.ok) throw new RegistrationRefused(measured.error);
  return yield* recordProfile(family, { ...variant, profile: measured.report.profile });
}

function* recordProfile(
  before: Family,
  variant: Variant,
): Generator<ScriptRequest, ScriptResult, ScriptAnswer> {
  const family = withVariant(before, { ...variant, stale: undefined });
  yield* record(family, 'recording', variant.id);
  return { family, changed: true, servingMs: 0 };
}
