/**
 * The rest of a family, made of its source: candidates are made, evaluated, measured and judged one
 * by one; what is dominated in every respect is refused with the reason.
 */

import { type Family, withVariant } from '../domain/family.ts';
import type { Profile } from '../domain/profile.ts';
import type { RegistrationProgress } from '../domain/registration.ts';
import type { Variant, VariantId } from '../domain/variant.ts';
import { type Contender, dominanceOf } from '../policy/generation/dominance.ts';
import type { RegisterFamily } from './protocol.ts';
import type { Registry } from './registry.ts';
import {
  type Attempt,
  attempt,
  progressOf,
  record,
  type RegistrationConfig,
  type ScriptAnswer,
  type ScriptRequest,
} from './script.ts';
import type { StepFit, StepKind, Steps, WorkFile } from './steps-port.ts';

/** The source, and how it and all that is made of it are fed. */
export interface FirstVariant {
  readonly variant: Variant;
  readonly fit: StepFit;
}

const noValidation = { metric: undefined, output: undefined, stream: undefined };

interface CandidateTurn {
  readonly done: number;
  readonly total: number;
  /** Candidates that are not judged yet, this one included. */
  readonly left: number;
}

/** The rest of a family, one after another, in what time there is. */
export class FamilyMaker {
  private readonly request: RegisterFamily;
  private readonly config: RegistrationConfig;
  private readonly startedMs: number;
  private readonly source: FirstVariant;
  private nowMs: number;

  constructor(
    request: RegisterFamily,
    config: RegistrationConfig,
    startedMs: number,
    source: FirstVariant,
  ) {
    this.request = request;
    this.config = config;
    this.startedMs = startedMs;
    this.source = source;
    this.nowMs = startedMs;
  }

  /** The source properly measured: it is what candidates are compared with. */
  *measureSource(family: Family, nowMs: number): Generator<ScriptRequest, Family, ScriptAnswer> {
    const { manifest, options } = this.request;
    this.nowMs = nowMs;
    if (manifest.profile !== undefined || !options.profile) return family;
    const { variant, fit } = this.source;
    const taken = { model: { of: 'source' }, fit, batchMax: variant.batchMax } as const;
    const step = { ...taken, budgetMs: this.config.profileMs, machine: undefined };
    const measured = yield* attempt('profile', step, progressOf('profiling', variant.id));
    this.nowMs = measured.nowMs;
    // It serves already; without a better profile it keeps the one that it has.
    if (!measured.ok) return family;
    const { profile, batchMax } = measured.report;
    return withVariant(family, {
      ...variant,
      profile,
      batchMax: Math.min(variant.batchMax, batchMax),
    });
  }

  /** Made, evaluated, measured, judged, stored and recorded, or refused with a reason. */
  *tryCandidate(
    family: Family,
    candidate: string,
    turn: CandidateTurn,
    registry: Registry,
  ): Generator<ScriptRequest, Family, ScriptAnswer> {
    const { architecture } = family;
    const id: VariantId = `${architecture}-${candidate}`;
    const refuse = (reason: string): Family => ({
      ...family,
      refused: [...family.refused, { name: id, reason }],
    });
    const taken = registry.objectionToName(id, architecture);
    if (taken !== undefined) return refuse(taken.message);
    const source = this.sourceIn(family);
    const { fit } = this.source;
    const { done, total } = turn;
    const at = (stage: string): RegistrationProgress => ({ stage, variant: id, done, total });

    const made = yield* this.attempt('make', { candidate, fit }, at('generating'));
    if (!made.ok) return refuse(made.error.message);
    const model: WorkFile = { of: 'candidate', name: candidate };
    const { batchMax } = source;
    const { metric, output, stream } = this.request.manifest.validation ?? noValidation;
    const step = { model, fit, batchMax, metric, output, stream: stream === true };
    const judged = yield* this.attempt('evaluate', step, at('evaluating'));
    if (!judged.ok) return refuse(judged.error.message);
    const budgetMs = this.budgetMs(turn.left);
    const taking = { model, fit, batchMax, budgetMs, machine: made.report.machine };
    const measured = yield* this.attempt('profile', taking, at('profiling'));
    if (!measured.ok) return refuse(measured.error.message);

    const draft: Variant = {
      ...source,
      id,
      precision: made.report.precision,
      machine: made.report.machine,
      ...this.accuracyOf(source, judged.report),
      file: { path: '', sha256: '', bytes: fileBytesOf(measured.report.profile) },
      batchMax: Math.min(batchMax, measured.report.batchMax),
      profile: measured.report.profile,
    };
    const dominance = dominanceOf(contender(draft), family.variants.map(contender));
    if (dominance !== undefined) return refuse(dominance.reason);
    const kept = yield* this.attempt('keep', { model }, at('storing'));
    if (!kept.ok) return refuse(kept.error.message);
    const grown = withVariant(family, { ...draft, file: kept.report });
    this.nowMs = yield* record(grown, 'recording', id);
    return grown;
  }

  private *attempt<K extends StepKind>(
    kind: K,
    takes: Steps[K]['takes'],
    progress: RegistrationProgress,
  ): Generator<ScriptRequest, Attempt<K>, ScriptAnswer> {
    const attempted = yield* attempt(kind, takes, progress);
    this.nowMs = attempted.nowMs;
    return attempted;
  }

  private sourceIn(family: Family): Variant {
    const { variant } = this.source;
    return family.variants.find(({ id }) => id === variant.id) ?? variant;
  }

  /** What is left of the family's time, in equal parts; a part is measuring for about a half. */
  private budgetMs(left: number): number {
    const { familyMs, profileMs, quickProfileMs } = this.config;
    if (!this.request.options.profile) return quickProfileMs;
    const part = (familyMs - (this.nowMs - this.startedMs)) / left / 2;
    return Math.min(profileMs, Math.max(quickProfileMs, part));
  }

  /**
   * With labels it was measured. Without, it agrees with the source on so many percent of samples:
   * of a source that is right in 98, one that differs in 1 is right in at least 97.
   */
  private accuracyOf(
    source: Variant,
    { accuracy, metric }: Steps['evaluate']['gives'],
  ): Pick<Variant, 'accuracy' | 'accuracyKind' | 'accuracyReference'> {
    if (this.request.manifest.validation !== undefined) {
      return { accuracy, accuracyKind: metric, accuracyReference: undefined };
    }
    return {
      accuracy: Math.max(0, source.accuracy - (100 - accuracy)),
      accuracyKind: 'agreement',
      accuracyReference: source.id,
    };
  }
}

function fileBytesOf(profile: Profile): number {
  return profile.fileBytes ?? 0;
}

/** Without labels all accuracies of a family are on the source's scale, whatever that is called. */
function contender(variant: Variant): Contender {
  const { id, hardware, accuracy, accuracyKind, profile, machine } = variant;
  return {
    ...{ id, hardware, accuracy, machine },
    accuracyKind: accuracyKind === 'stated' ? 'agreement' : accuracyKind,
    fileBytes: variant.file.bytes,
    memoryBytes: profile.memoryBytes,
    loadMs: profile.loadMs,
    latency: profile.latency,
  };
}

/** One that came later may be better in every respect than one before it. The source stays. */
export function withoutDominated(family: Family, sourceId: VariantId): Family {
  let result = family;
  for (const variant of family.variants) {
    if (variant.id === sourceId) continue;
    const others = result.variants.filter(({ id }) => id !== variant.id).map(contender);
    const dominance = dominanceOf(contender(variant), others);
    if (dominance === undefined) continue;
    result = {
      ...result,
      variants: result.variants.filter(({ id }) => id !== variant.id),
      refused: [...result.refused, { name: variant.id, reason: dominance.reason }],
    };
  }
  return result;
}
