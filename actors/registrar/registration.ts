/**
 * One registration as one script: from the files that came to a family of measured variants. It is
 * a generator, so it reads from top to bottom and yet waits at each `yield` for a step to be done
 * (`behaviour.ts` resumes it); it is synchronous and has no effects of its own.
 *
 * Nothing is recorded before the model has been read, checked, evaluated, stored and measured. Then
 * the first variant serves, and the rest of the family is added one by one, each when it has been
 * found worth having. Everything up to the first record refuses the registration; what goes wrong
 * afterwards costs one variant.
 */

import { type Family, type RefusedVariant, withVariant } from '../domain/family.ts';
import type { QueryError } from '../domain/outcome.ts';
import type { Profile } from '../domain/profile.ts';
import type { RegistrationProgress } from '../domain/registration.ts';
import type { Variant, VariantId } from '../domain/variant.ts';
import { type Contender, dominanceOf } from '../policy/generation/dominance.ts';
import { badManifest } from './check-manifest.ts';
import { objectionTo } from './check-variant.ts';
import type { RegisterFamily } from './protocol.ts';
import type { Registry } from './registry.ts';
import type { Step, StepFit, StepKind, Steps, StepOutcome, WorkFile } from './steps-port.ts';

export interface RegistrationConfig {
  /** Time for measuring the variant that is to serve soon. */
  readonly quickProfileMs: number;
  /** Time for measuring any other. */
  readonly profileMs: number;
  /** When so much time has gone by, what is left of the family is measured quickly. */
  readonly familyMs: number;
}

/** What a script asks for, and waits until it is done. */
export type ScriptRequest =
  | {
      readonly do: 'step';
      readonly step: Step;
      readonly progress: RegistrationProgress;
    }
  | {
      readonly do: 'record';
      readonly family: Family;
      readonly progress: RegistrationProgress;
    };

/** What it is resumed with. `report` belongs to the step that was asked for. */
export interface ScriptAnswer {
  readonly nowMs: number;
  readonly outcome: StepOutcome | { readonly ok: true; readonly report: undefined };
}

export interface ScriptResult {
  readonly family: Family;
  readonly changed: boolean;
  readonly servingMs: number;
}

export type Script = Generator<ScriptRequest, ScriptResult, ScriptAnswer>;

/** Ends a script with a typed refusal; it never leaves `behaviour.ts`. */
export class RegistrationRefused extends Error {
  readonly error: QueryError;

  constructor(error: QueryError) {
    super(error.message);
    this.error = error;
  }
}

export function* registrationScript(
  request: RegisterFamily,
  registry: Registry,
  config: RegistrationConfig,
  startedMs: number,
): Script {
  const { manifest, options, uploadId, principal } = request;
  refuseIf(badManifest(manifest, registry));
  const generate = options.generate;
  const read = yield* need('read', { uploadId, principal, manifest, generate }, 'parsing');
  const before = registry.family(manifest.architecture);
  // An interrupted registration of the same source goes on where it ended.
  const begun = before?.sourceDigest === read.sourceDigest ? before : undefined;
  if (begun?.complete === true) return { family: begun, changed: false, servingMs: 0 };
  const version = begun?.version ?? (before?.version ?? 0) + 1;
  const source = yield* firstVariant(request, registry, config, { ...read, version });
  let family: Family = {
    architecture: manifest.architecture,
    version,
    sourceDigest: read.sourceDigest,
    complete: false,
    variants: begun?.variants ?? [],
    refused: [],
  };
  family = withVariant(family, source.variant);
  let nowMs = yield* record(family, 'serving', source.variant.id);
  const servingMs = nowMs - startedMs;

  const maker = new FamilyMaker(request, config, startedMs, source);
  family = yield* maker.measureSource(family, nowMs);
  for (const [at, candidate] of read.candidates.entries()) {
    const left = read.candidates.length - at;
    const stage = { done: at + 1, total: read.candidates.length };
    const id = `${manifest.architecture}-${candidate}`;
    if (family.variants.some((variant) => variant.id === id)) continue;
    family = yield* maker.tryCandidate(family, candidate, { ...stage, left }, registry);
  }
  family = withoutDominated({ ...family, complete: true }, source.variant.id);
  family = { ...family, refused: [...read.notPlanned.map(named(family)), ...family.refused] };
  nowMs = yield* record(family, 'recording');
  return { family, changed: true, servingMs };
}

function named({ architecture }: Family): (refused: RefusedVariant) => RefusedVariant {
  return ({ name, reason }) => ({ name: `${architecture}-${name}`, reason });
}

interface FirstVariant {
  readonly variant: Variant;
  readonly fit: StepFit;
}

interface FirstFacts extends Pick<Steps['read']['gives'], 'precision'> {
  readonly version: number;
}

/** The source itself, checked, evaluated, stored, and measured as quickly as it will do. */
function* firstVariant(
  { manifest }: RegisterFamily,
  registry: Registry,
  config: RegistrationConfig,
  facts: FirstFacts,
): Generator<ScriptRequest, FirstVariant, ScriptAnswer> {
  const { adapter, validation } = manifest;
  const precision = manifest.precision ?? facts.precision;
  const id = manifest.variant ?? `${manifest.architecture}-${precision}`;
  refuseIf(registry.objectionToName(id, manifest.architecture));
  const signature = manifest.signature ?? registry.signatureFor(manifest);
  const checked = yield* need('check', { signature, adapter }, 'checking', id);
  const fit: StepFit = { signature: checked.signature, adapter, recipe: checked.recipe };
  const asked = manifest.batchMax ?? defaultBatchMax;
  const batchMax = Math.min(asked, checked.batchMax ?? asked);
  const model: WorkFile = { of: 'source' };
  const shared = { model, fit, batchMax };

  let accuracy: Pick<Variant, 'accuracy' | 'accuracyKind' | 'accuracyReference'> = {
    accuracy: manifest.accuracy ?? 100,
    // What nobody has measured agrees with itself.
    accuracyKind:
      manifest.accuracyKind ?? (manifest.accuracy === undefined ? 'agreement' : 'stated'),
    accuracyReference:
      manifest.accuracyReference ?? (manifest.accuracy === undefined ? id : undefined),
  };
  if (validation !== undefined) {
    const { metric, output, stream } = validation;
    const judging = { metric, output, stream: stream === true };
    const judged = yield* need('evaluate', { ...shared, ...judging }, 'evaluating', id);
    accuracy = { accuracy: judged.accuracy, accuracyKind: judged.metric };
  }
  const measured =
    manifest.profile === undefined
      ? yield* need('profile', { ...shared, budgetMs: config.quickProfileMs }, 'profiling', id)
      : { profile: manifest.profile, batchMax };
  const file = yield* need('keep', { model }, 'storing', id);
  const variant: Variant = {
    id,
    architecture: manifest.architecture,
    task: manifest.task,
    dataset: manifest.dataset,
    precision,
    file,
    ...accuracy,
    signature: checked.signature,
    adapter: adapter ?? {},
    batchMax: Math.min(batchMax, measured.batchMax),
    hardware: 'cpu',
    profile: measured.profile,
    version: facts.version,
  };
  refuseIf(objectionTo(variant, registry.comparedWith(variant)));
  return { variant, fit };
}

const defaultBatchMax = 64;
const noValidation = { metric: undefined, output: undefined, stream: undefined };

interface CandidateTurn {
  readonly done: number;
  readonly total: number;
  /** Candidates that are not judged yet, this one included. */
  readonly left: number;
}

/** The rest of a family, one after another, in what time there is. */
class FamilyMaker {
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
    const step = { ...taken, budgetMs: this.config.profileMs };
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
    const taking = { model, fit, batchMax, budgetMs };
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
function withoutDominated(family: Family, sourceId: VariantId): Family {
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

function refuseIf(error: QueryError | undefined): void {
  if (error !== undefined) throw new RegistrationRefused(error);
}

function progressOf(stage: string, variant?: VariantId): RegistrationProgress {
  return { stage, variant, done: 0, total: 0 };
}

/** A step without which there is no registration. */
function* need<K extends StepKind>(
  kind: K,
  takes: Steps[K]['takes'],
  stage: string,
  variant?: VariantId,
): Generator<ScriptRequest, Steps[K]['gives'], ScriptAnswer> {
  const attempted = yield* attempt(kind, takes, progressOf(stage, variant));
  if (!attempted.ok) throw new RegistrationRefused(attempted.error);
  return attempted.report;
}

type Attempt<K extends StepKind> = { readonly nowMs: number } & (
  | { readonly ok: true; readonly report: Steps[K]['gives'] }
  | { readonly ok: false; readonly error: QueryError }
);

function* attempt<K extends StepKind>(
  kind: K,
  takes: Steps[K]['takes'],
  progress: RegistrationProgress,
): Generator<ScriptRequest, Attempt<K>, ScriptAnswer> {
  const step = { kind, ...takes } as unknown as Step;
  const { outcome, nowMs } = yield { do: 'step', step, progress };
  if (!outcome.ok) return { ok: false, error: outcome.error, nowMs };
  return { ok: true, report: outcome.report as Steps[K]['gives'], nowMs };
}

/** When it is durable. Without the store there is no going on. */
function* record(
  family: Family,
  stage: string,
  variant?: VariantId,
): Generator<ScriptRequest, number, ScriptAnswer> {
  const { outcome, nowMs } = yield { do: 'record', family, progress: progressOf(stage, variant) };
  if (!outcome.ok) throw new RegistrationRefused(outcome.error);
  return nowMs;
}
