/**
 * The registrar's steps carried out: what `steps-port.ts` names, by the model lab, in folders of
 * this node. One registration is one folder; it goes when the registration ends.
 */

import { createHash } from 'node:crypto';
import { mkdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';

import type { Metric, ModelManifest } from '../../actors/domain/manifest.ts';
import type { Signature } from '../../actors/domain/signature.ts';
import type { ModelFile } from '../../actors/domain/variant.ts';
import type {
  Step,
  StepCommand,
  StepKind,
  StepOutcome,
  Steps,
} from '../../actors/registrar/steps-port.ts';
import type { ActorHost, Ref } from '../../runtime/actor.ts';
import { assertNever } from '../../runtime/assert.ts';
import type { Clock } from '../../runtime/clock.ts';
import { messageOf } from '../../runtime/errors.ts';
import type { Logger } from '../../runtime/log.ts';
import type { Config } from '../config.ts';
import { candidateNamed, optimisationLevels, precisionsNamed } from '../generator/candidate.ts';
import { LabFailed } from '../lab/errors.ts';
import type { LabCall, ModelLab } from '../lab/lab.ts';
import { errorOfStep, FilesMissing, RefusedElsewhere } from './failures.ts';
import { hashFile } from '../stores/receive-blob.ts';
import type { KeptModels } from './kept-models.ts';
import { pathWithin } from './model-paths.ts';
import type { RemoteProfiling } from './remote-profiling.ts';
import type { TakenUpload, Uploads } from './uploads.ts';

export interface StepRunnerOptions {
  readonly host: ActorHost;
  readonly clock: Clock;
  readonly log: Logger;
  readonly lab: ModelLab;
  readonly uploads: Uploads;
  readonly config: Config;
  readonly kept: KeptModels;
  readonly remote: RemoteProfiling;
  /** Where candidates are made. */
  readonly workFolder: string;
}

/** A registration as this side knows it. */
interface Work {
  readonly folder: string;
  readonly ended: AbortController;
  source: Source | undefined;
  /** Candidates made: their files, and digests with names. */
  readonly made: Map<string, { readonly file: string; readonly beside: readonly string[] }>;
  readonly seen: (readonly [digest: string, name: string])[];
}

interface Source {
  readonly upload: TakenUpload;
  readonly file: string;
  readonly beside: readonly string[];
  readonly validation: string | undefined;
}

type RunStep = Extract<StepCommand, { type: 'steps.run-step' }>;

/** Kinds of hardware that models are made for here. */
const hardware = ['cpu'];

export class StepRunner {
  readonly port: Ref<StepCommand>;
  private readonly options: StepRunnerOptions;
  private readonly works = new Map<string, Work>();

  constructor(options: StepRunnerOptions) {
    this.options = options;
    rmSync(options.workFolder, { recursive: true, force: true });
    this.port = options.host.port<StepCommand>('registration-steps', (command) => {
      this.receive(command);
    });
  }

  close(): void {
    for (const id of [...this.works.keys()]) this.end(id);
    this.options.host.closePort(this.port);
  }

  private receive(command: StepCommand): void {
    switch (command.type) {
      case 'steps.run-step':
        void this.run(command);
        return;
      case 'steps.end-registration':
        this.end(command.registrationId);
        // Refused before its files were taken.
        if (command.uploadId !== undefined && command.principal !== undefined) {
          this.options.uploads.discard(command.uploadId, command.principal);
        }
        return;
      case 'steps.collect-files':
        void this.collect(command.kept);
        return;
      default:
        assertNever(command);
    }
  }

  private async run({ registrationId, number, step, profiler, replyTo }: RunStep): Promise<void> {
    const { host } = this.options;
    const work = this.workOf(registrationId);
    const call: LabCall = {
      signal: work.ended.signal,
      onProgress: ({ done, total }) => {
        const type = 'registrar.step-progressed';
        if (total > 0) host.tell(replyTo, { type, registrationId, number, done, total });
      },
    };
    let outcome: StepOutcome;
    try {
      outcome = { ok: true, report: await this.carryOut(step, work, call, profiler) };
    } catch (error) {
      const folder = work.source?.upload.folder ?? work.folder;
      outcome = { ok: false, error: errorOfStep(error, folder) };
      if (outcome.error.code === 'internal') {
        this.options.log.error('a registration step failed', { step: step.kind, error });
      }
    }
    host.tell(replyTo, { type: 'registrar.step-ended', registrationId, number, outcome });
  }

  private workOf(registrationId: string): Work {
    const known = this.works.get(registrationId);
    if (known !== undefined) return known;
    const folder = join(this.options.workFolder, registrationId);
    mkdirSync(folder, { recursive: true });
    const work: Work = {
      ...{ folder, ended: new AbortController(), source: undefined },
      ...{ made: new Map(), seen: [] },
    };
    this.works.set(registrationId, work);
    return work;
  }

  private end(registrationId: string): void {
    const work = this.works.get(registrationId);
    if (work === undefined) return;
    this.works.delete(registrationId);
    work.ended.abort();
    rmSync(work.folder, { recursive: true, force: true });
    if (work.source !== undefined) {
      rmSync(work.source.upload.folder, { recursive: true, force: true });
    }
  }

  private async collect(kept: readonly ModelFile[]): Promise<void> {
    const { config, clock, log, kept: models } = this.options;
    try {
      const graceMs = config.registrar.collectAfterMs;
      const removed = await models.collect(kept, graceMs, clock.wallMs());
      if (removed > 0) log.info('models that no variant has were removed', { models: removed });
    } catch (error) {
      log.warn('unused models were not removed', { error: messageOf(error) });
    }
  }

  private carryOut(
    step: Step,
    work: Work,
    call: LabCall,
    profiler: RunStep['profiler'],
  ): Promise<Steps[StepKind]['gives']> {
    switch (step.kind) {
      case 'read':
        return this.read(step, work, call);
      case 'check':
        return this.check(step, work, call);
      case 'make':
        return this.make(step, work, call);
      case 'evaluate':
        return this.evaluate(step, work, call);
      case 'keep':
        return this.keep(step, work);
      case 'profile':
        return this.profile(step, work, call, profiler);
      default:
        return assertNever(step);
    }
  }

  private async read(
    { uploadId, principal, manifest, generate }: Steps['read']['takes'],
    work: Work,
    call: LabCall,
  ): Promise<Steps['read']['gives']> {
    const upload = await this.options.uploads.take(uploadId, principal);
    if (upload === undefined) {
      throw new FilesMissing(`nothing was uploaded as "${uploadId}"; upload the files first`);
    }
    const file = fileIn(upload, manifest.file, 'file');
    const { validation } = manifest;
    const validationFile =
      validation === undefined ? undefined : fileIn(upload, validation.file, 'validation.file');
    work.source = { upload, file, beside: [], validation: validationFile };
    const { onnx, generator } = this.options.config;
    const plan = generate
      ? {
          ...generator,
          ...wordsOf(manifest),
          rewriteBytesMax: onnx.rewriteBytesMax,
          hardware,
          calibration: true,
        }
      : undefined;
    const inspected = await this.options.lab.inspect(file, { onnx, plan }, call);
    const beside = inspected.externalFiles;
    work.source = { ...work.source, beside };
    const hash = createHash('sha256').update(JSON.stringify(manifest));
    const besideFiles = beside.map((name) => fileIn(upload, besideName(manifest, name), 'file'));
    for (const path of [file, ...besideFiles, validationFile]) {
      if (path !== undefined) hash.update((await hashFile(path))?.id ?? '');
    }
    hash.update(generate ? 'generated' : 'alone');
    const { precision, candidates, notPlanned } = inspected;
    return { sourceDigest: hash.digest('hex'), precision, candidates, notPlanned };
  }

  private async check(
    { signature, adapter }: Steps['check']['takes'],
    work: Work,
    call: LabCall,
  ): Promise<Steps['check']['gives']> {
    const options = { signature, adapter };
    const checked = await this.options.lab.check(sourceOf(work).file, options, call);
    const { recipe, batchMax } = checked;
    return { signature: checked.signature, recipe, batchMax };
  }

  private async make(
    { candidate, fit }: Steps['make']['takes'],
    work: Work,
    call: LabCall,
  ): Promise<Steps['make']['gives']> {
    const { config, lab } = this.options;
    const { generator, onnx } = config;
    const { file, validation } = sourceOf(work);
    const { folder, seen } = work;
    const options = { ...fit, candidate, folder, validation, seen, generator, onnx };
    const made = await lab.generate(file, options, call);
    if (!made.ok) throw new FilesMissing(made.reason);
    work.seen.push([made.digest, candidate]);
    const beside = made.dataFile === undefined ? [] : [`${candidate}.onnx.data`];
    work.made.set(candidate, { file: made.file, beside });
    return { precision: candidateNamed(candidate).precision, machine: made.machine };
  }

  private async evaluate(
    { model, fit, batchMax, metric, output, stream }: Steps['evaluate']['takes'],
    work: Work,
    call: LabCall,
  ): Promise<Steps['evaluate']['gives']> {
    const source = sourceOf(work);
    const judged = output ?? Object.keys(fit.signature.outputs)[0] ?? '';
    const options = {
      ...fit,
      validation: source.validation,
      metric: metric ?? metricFor(fit.signature, judged),
      output: judged,
      stream,
      batchMax,
      reference: source.validation === undefined ? { ...fit, file: source.file } : undefined,
    };
    const report = await this.options.lab.evaluate(placeOf(model, work).file, options, call);
    return { accuracy: report.accuracy, metric: report.metric };
  }

  private keep({ model }: Steps['keep']['takes'], work: Work): Promise<ModelFile> {
    const { file, beside } = placeOf(model, work);
    return this.options.kept.keep(file, beside, { signal: work.ended.signal });
  }

  private async profile(
    { model, fit, batchMax, budgetMs }: Steps['profile']['takes'],
    work: Work,
    call: LabCall,
    profiler: RunStep['profiler'],
  ): Promise<Steps['profile']['gives']> {
    if (profiler !== undefined) {
      // It is fetched by its hash from where it would be loaded from.
      const kept = model.of === 'kept' ? model.file : await this.keep({ model }, work);
      const what = { file: kept, fit, batchMax, budgetMs };
      const told = await this.options.remote.measure(profiler, what, call);
      if (told.is === 'measured') return { profile: told.profile, batchMax: told.batchMax };
      if (told.is === 'refused') throw new RefusedElsewhere(told.error);
      if (call.signal?.aborted === true) {
        throw new LabFailed('cancelled', 'measuring', told.why, kept.path);
      }
      const { node: worker } = profiler;
      this.options.log.warn('measured here, for a worker did not', { worker, why: told.why });
    }
    const { file, beside } = placeOf(model, work);
    const options = { ...fit, batchMax, budgetMs, beside };
    const { profile, batchMax: largest } = await this.options.lab.profile(file, options, call);
    return { profile, batchMax: largest };
  }
}

function sourceOf({ source }: Work): Source {
  if (source === undefined) throw new FilesMissing('the model was not read yet');
  return source;
}

function madeIn({ made }: Work, name: string): { file: string; beside: readonly string[] } {
  const found = made.get(name);
  if (found === undefined) throw new FilesMissing(`candidate "${name}" was not made`);
  return found;
}

function placeOf(
  model: Steps['profile']['takes']['model'],
  work: Work,
): { readonly file: string; readonly beside: readonly string[] } {
  if (model.of === 'source') return sourceOf(work);
  if (model.of === 'candidate') return madeIn(work, model.name);
  const { path, beside = [] } = model.file;
  return { file: path, beside: beside.map(({ name }) => name) };
}

/** Data files are named from the model's folder, uploads from the manifest's. */
function besideName({ file }: ModelManifest, name: string): string {
  const folder = file.split('/').slice(0, -1);
  return [...folder, name].join('/');
}

/** The path of a file that must have come. Throws FilesMissing naming those that have. */
function fileIn({ folder, files }: TakenUpload, name: string, field: string): string {
  const path = pathWithin(folder, name);
  if (path === undefined) {
    throw new FilesMissing(`${field}: "${name}" leads out of the folder of the manifest`);
  }
  if (files.includes(name)) return path;
  const came = files.length === 0 ? 'none has' : `those are ${files.join(', ')}`;
  throw new FilesMissing(`${field}: "${name}" is not among the files that have come: ${came}`);
}

/** What a manifest wants made, in the generator's words. */
function wordsOf({ generate }: ModelManifest) {
  const { precisions, optimizations } = generate ?? {};
  return {
    ...(precisions === undefined ? {} : { precisions: precisions.flatMap(precisionsNamed) }),
    ...(optimizations === undefined
      ? {}
      : { optimisations: optimisationLevels.filter((level) => optimizations.includes(level)) }),
  };
}

/** Scores of several classes are judged by the largest, other numbers by how far off they are. */
function metricFor({ outputs }: Signature, output: string): Metric {
  const last = outputs[output]?.shape.at(-1);
  const isScores = typeof last === 'number' && last > 1 && outputs[output]?.datatype !== 'INT64';
  return isScores ? { kind: 'top1' } : { kind: 'within', tolerance: defaultTolerance };
}

const defaultTolerance = 0.01;
