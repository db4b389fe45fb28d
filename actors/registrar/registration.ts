/**
 * One registration as one script: from the files that came to a family of measured variants. It is
 * a generator, so it reads from top to bottom and yet waits at each `yield` for a step to be done
 * (`running.ts` resumes it); it is synchronous and has no effects of its own.
 *
 * Nothing is recorded before the model has been read, checked, evaluated, stored and measured. Then
 * the first variant serves, and the rest of the family is added one by one, each when it has been
 * found worth having. Everything up to the first record refuses the registration; what goes wrong
 * afterwards costs one variant.
 */

import { type Family, type RefusedVariant, withVariant } from '../domain/family.ts';
import type { ModelManifest } from '../domain/manifest.ts';
import type { Variant } from '../domain/variant.ts';
import { badManifest } from './check-manifest.ts';
import { objectionTo } from './check-variant.ts';
import { FamilyMaker, type FirstVariant, withoutDominated } from './family-maker.ts';
import type { RegisterFamily } from './protocol.ts';
import type { Registry } from './registry.ts';
import {
  need,
  record,
  refuseIf,
  type RegistrationConfig,
  type Script,
  type ScriptAnswer,
  type ScriptRequest,
} from './script.ts';
import type { StepFit, Steps, WorkFile } from './steps-port.ts';

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
    refused: begun?.refused ?? [],
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
    if (family.refused.some(({ name }) => name === id)) continue;
    family = yield* maker.tryCandidate(family, candidate, { ...stage, left }, registry);
  }
  family = withoutDominated({ ...family, complete: true }, source.variant.id);
  const notMade = [...threadsNotMade(manifest), ...read.notPlanned].map(named(family));
  family = { ...family, refused: [...notMade, ...family.refused] };
  nowMs = yield* record(family, 'recording');
  return { family, changed: true, servingMs };
}

/** Told, so that nobody waits for them. */
function threadsNotMade({ generate }: ModelManifest): RefusedVariant[] {
  const asked = (generate?.threads ?? []).filter((threads) => threads !== 1);
  return asked.map((threads) => ({
    name: `${threads}-threads`,
    reason:
      'threads are a setting of instances and not a variant, and every instance runs on one ' +
      'thread: more of them are more instances',
  }));
}

function named({ architecture }: Family): (refused: RefusedVariant) => RefusedVariant {
  return ({ name, reason }) => ({ name: `${architecture}-${name}`, reason });
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
      ? yield* need(
          'profile',
          { ...shared, budgetMs: config.quickProfileMs, machine: undefined },
          'profiling',
          id,
        )
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
